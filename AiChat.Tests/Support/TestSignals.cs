using System.Collections.Concurrent;
using AiChat.Core.Nodes;

namespace AiChat.Tests.Support;

/// <summary>Keeps what a process would tell the others, and says what a test wants another one to have told.</summary>
internal sealed class TestSignals : INodeSignals
{
    private readonly ConcurrentQueue<NodeSignal> sent = new();
    private Action<NodeSignal> handlers = _ => { };

    public IReadOnlyList<NodeSignal> Sent => [.. sent];

    public void Receive(NodeSignalKind kind, string id) => handlers(new NodeSignal(kind, id));

    public void Send(NodeSignal signal) => sent.Enqueue(signal);

    public void Subscribe(Action<NodeSignal> handler) => handlers += handler;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
