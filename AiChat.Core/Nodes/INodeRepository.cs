namespace AiChat.Core.Nodes;

/// <summary>Which processes share the database.</summary>
public interface INodeRepository
{
    /// <summary>Whether several processes may use the database at the same time. Where they cannot, nobody has to be told who is alive.</summary>
    bool IsShared { get; }

    /// <summary>Says that this process is alive for so long, by the database's clock; returns how many others are.</summary>
    Task<int> RenewAsync(TimeSpan lease, CancellationToken cancellationToken);

    /// <summary>Says that this process is no more.</summary>
    Task LeaveAsync(CancellationToken cancellationToken);
}
