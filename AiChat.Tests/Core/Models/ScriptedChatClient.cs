using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;

namespace AiChat.Tests.Core.Models;

/// <summary>A model that does what the test says, call by call; the last script goes on for ever.</summary>
internal sealed class ScriptedChatClient : IChatClient
{
    private readonly List<object[]> scripts = [];

    /// <summary>What it was sent.</summary>
    public List<(IReadOnlyList<ChatMessage> Messages, ChatOptions? Options)> Calls { get; } = [];

    /// <summary>Streams that were closed.</summary>
    public int Closed { get; private set; }

    /// <summary>What the next call does: a string is text that comes, an update comes as it is, an exception is thrown, an action is taken, a task awaited.</summary>
    public ScriptedChatClient Then(params object[] steps)
    {
        scripts.Add(steps);
        return this;
    }

    public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        Calls.Add(([.. messages], options));
        try
        {
            foreach (var step in scripts[Math.Min(Calls.Count, scripts.Count) - 1])
            {
                if (step is Exception failure)
                    throw failure;
                if (step is Action happens)
                    happens();
                else if (step is Task waited)
                    await waited.WaitAsync(cancellationToken);
                else
                    yield return step as ChatResponseUpdate ?? new ChatResponseUpdate(ChatRole.Assistant, (string)step);
            }
        }
        finally
        {
            Closed++;
        }
    }

    public Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
        GetStreamingResponseAsync(messages, options, cancellationToken).ToChatResponseAsync(cancellationToken);

    public object? GetService(Type serviceType, object? serviceKey = null) => null;

    public void Dispose()
    {
    }
}
