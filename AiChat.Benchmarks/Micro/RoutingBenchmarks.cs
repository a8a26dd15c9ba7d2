using AiChat.Core.Models;
using BenchmarkDotNet.Attributes;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging.Abstractions;

namespace AiChat.Benchmarks.Micro;

/// <summary>What failover, circuit breaker and account add to a reply, with a model that streams at once and does not fail.</summary>
public class RoutingBenchmarks
{
    private static readonly ChatMessage[] Prompt = [new(ChatRole.User, "And then?")];

    private InstantChatClient model = null!;
    private AiChat.Core.Models.RoutingChatClient routed = null!;

    /// <summary>Pieces of the reply: 1 shows what a send costs, the difference to 1,000 what a piece does.</summary>
    [Params(1, 1000)]
    public int Chunks { get; set; }

    [GlobalSetup]
    public void SetUp()
    {
        model = new InstantChatClient(Chunks);
        routed = new AiChat.Core.Models.RoutingChatClient([NewCandidate("first"), NewCandidate("second")], new RoutingOptions(), TimeProvider.System);
    }

    [Benchmark(Baseline = true)]
    public Task<int> Direct() => ReadAsync(model, new ChatOptions());

    [Benchmark]
    public Task<int> Routed() => ReadAsync(
        routed, new RoutedChatOptions { Attempts = new AttemptLog(1), PromptTokens = 10, ContinueOnBreak = true });

    private static async Task<int> ReadAsync(IChatClient client, ChatOptions options)
    {
        var count = 0;
        await foreach (var _ in client.GetStreamingResponseAsync(Prompt, options))
            count++;
        return count;
    }

    private ModelCandidate NewCandidate(string provider) => new()
    {
        Provider = provider,
        Model = "instant",
        ContextWindow = 8192,
        Price = new ModelPrice(1, 2),
        Client = model,
        Circuit = new CandidateCircuit(provider, "instant", new RoutingOptions(), TimeProvider.System, NullLogger<CandidateCircuit>.Instance),
    };

    private sealed class InstantChatClient(int chunks) : IChatClient
    {
        private readonly ChatResponseUpdate text = new(ChatRole.Assistant, "word ");

        private readonly ChatResponseUpdate usage = new(
            ChatRole.Assistant, [new UsageContent(new UsageDetails { InputTokenCount = 10, OutputTokenCount = chunks })]);

        public Task<ChatResponse> GetResponseAsync(
            IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
            throw new NotSupportedException();

        public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
            IEnumerable<ChatMessage> messages, ChatOptions? options = null,
            [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken = default)
        {
            await Task.CompletedTask;
            for (var i = 0; i < chunks; i++)
                yield return text;
            yield return usage;
        }

        public object? GetService(Type serviceType, object? serviceKey = null) => null;

        public void Dispose()
        {
        }
    }
}
