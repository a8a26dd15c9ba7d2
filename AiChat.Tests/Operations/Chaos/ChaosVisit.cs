namespace AiChat.Tests.Operations.Chaos;

/// <summary>A request of a client to one of the processes.</summary>
/// <param name="Node">To which.</param>
/// <param name="Since">The epoch of the process when the request began.</param>
internal readonly record struct ChaosVisit(ChaosNode Node, int Since)
{
    /// <summary>Whether the request may fail without anybody being to blame.</summary>
    public bool MayFail => Node.MayFail(Since);
}
