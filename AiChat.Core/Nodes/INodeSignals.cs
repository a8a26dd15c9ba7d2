using Microsoft.Extensions.Hosting;

namespace AiChat.Core.Nodes;

/// <summary>
/// What processes that share a database tell each other, and themselves, at once. A signal may get lost or come late: what it says is in the
/// database, where it is looked for, and where it is found a little later without it.
/// </summary>
public interface INodeSignals : IHostedService
{
    /// <summary>Tells this process and the others; returns at once, whatever becomes of it.</summary>
    void Send(NodeSignal signal);

    /// <summary>Calls the handler with each signal, perhaps from several threads at once. It must be quick and must not throw.</summary>
    void Subscribe(Action<NodeSignal> handler);
}

/// <param name="Kind">What has happened.</param>
/// <param name="Id">To which run or chat; empty for <see cref="NodeSignalKind.Missed"/>.</param>
public readonly record struct NodeSignal(NodeSignalKind Kind, string Id);

public enum NodeSignalKind
{
    /// <summary>Events of the run, or its end, were stored.</summary>
    RunChanged,
    /// <summary>The run waited for its turn, which has come.</summary>
    TurnCame,
    /// <summary>Somebody asked for the run to be cancelled.</summary>
    CancelRequested,
    /// <summary>The chat is no more.</summary>
    ChatDeleted,
    /// <summary>Signals may have been lost: anything may have happened.</summary>
    Missed,
}
