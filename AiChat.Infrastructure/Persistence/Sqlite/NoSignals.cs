using AiChat.Core.Nodes;

namespace AiChat.Infrastructure.Persistence.Sqlite;

/// <summary>There is no other process to tell anything.</summary>
internal sealed class NoSignals : INodeSignals
{
    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public void Send(NodeSignal signal)
    {
    }

    public void Subscribe(Action<NodeSignal> handler)
    {
    }
}
