using AiChat.Core.Models;
using AiChat.Tests.Support;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;

namespace AiChat.Tests.Core.Models;

/// <summary>Three candidates, at providers called a, b and c, that do what the test says.</summary>
public abstract class RoutingTestBase
{
    private protected static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(20);

    private protected static readonly ChatMessage[] Prompt = [new(ChatRole.User, "Hi")];

    private LoggerFactory loggers = null!;

    private protected FakeTime Time { get; private set; } = null!;

    private protected CapturedLog Log { get; private set; } = null!;

    private protected RoutingOptions Rules { get; private set; } = null!;

    private protected AttemptLog Attempts { get; private set; } = null!;

    private protected ScriptedChatClient A { get; private set; } = null!;

    private protected ScriptedChatClient B { get; private set; } = null!;

    private protected ScriptedChatClient C { get; private set; } = null!;

    [SetUp]
    public void SetUpRouting()
    {
        Time = new FakeTime();
        Log = new CapturedLog();
        loggers = new LoggerFactory([Log]);
        Rules = new RoutingOptions { Retries = 0 };
        Attempts = new AttemptLog(1);
        (A, B, C) = (new(), new(), new());
    }

    [TearDown]
    public void TearDownRouting()
    {
        loggers.Dispose();
        Log.Dispose();
        Log.AssertNothingUnexpected();
    }

    private protected CandidateCircuit NewCircuit(string provider = "a") => new(provider, "model", Rules, Time, loggers.CreateLogger<CandidateCircuit>());

    private protected ModelCandidate Candidate(
        string provider, IChatClient client, int window = 8192, int? maxOutputTokens = null, string? missingSetting = null)
    {
        return new ModelCandidate
        {
            Provider = provider,
            Model = "model",
            ContextWindow = window,
            MaxOutputTokens = maxOutputTokens,
            MissingSetting = missingSetting,
            Price = new ModelPrice(1, 2),
            Client = client,
            Circuit = NewCircuit(provider),
        };
    }

    private protected IChatClient NewClient(IReadOnlyList<ModelCandidate> candidates) =>
        new AiChat.Core.Models.RoutingChatClient(candidates, Rules, Time);

    private protected ModelCandidate[] ThreeCandidates() => [Candidate("a", A), Candidate("b", B), Candidate("c", C)];

    private protected RoutedChatOptions Routed(int promptTokens = 10, bool continueOnBreak = false, int? maxOutputTokens = null) => new()
    {
        Attempts = Attempts,
        PromptTokens = promptTokens,
        ContinueOnBreak = continueOnBreak,
        MaxOutputTokens = maxOutputTokens,
    };

    /// <summary>Whatever the caller is shown, up to a failure of the provider.</summary>
    private protected async Task<Shown> ReadAsync(
        IReadOnlyList<ModelCandidate> candidates, ChatOptions? options = null, IEnumerable<ChatMessage>? prompt = null, CancellationToken ct = default)
    {
        var client = NewClient(candidates);
        var updates = new List<ChatResponseUpdate>();
        try
        {
            await foreach (var update in client.GetStreamingResponseAsync(prompt ?? Prompt, options ?? Routed(), ct))
                updates.Add(update);
            return new Shown(updates, null);
        }
        catch (ProviderException failure)
        {
            return new Shown(updates, failure);
        }
    }

    /// <summary>Lets the clock run until the task is done; fails when it never is.</summary>
    private protected async Task<T> RunClockUntilAsync<T>(Task<T> task)
    {
        using var limit = new CancellationTokenSource(LongestWait);
        while (!task.IsCompleted)
        {
            limit.Token.ThrowIfCancellationRequested();
            Time.Advance(TimeSpan.FromMilliseconds(10));
            await Task.Yield();
        }

        return await task;
    }

    private protected static ProviderException Failure(ProviderError error, string provider = "a", TimeSpan? retryAfter = null) =>
        new(provider, error, "vendor text") { RetryAfter = retryAfter };

    private protected static ChatResponseUpdate Usage(int? input, int? output, int? cached = null, int? reasoning = null) =>
        new(ChatRole.Assistant, [new UsageContent(new UsageDetails
        {
            InputTokenCount = input,
            OutputTokenCount = output,
            CachedInputTokenCount = cached,
            ReasoningTokenCount = reasoning,
        })]);

    /// <summary>What a caller was shown.</summary>
    private protected sealed record Shown(IReadOnlyList<ChatResponseUpdate> Updates, ProviderException? Failure)
    {
        public string Text => string.Concat(Updates.Select(u => u.Text));

        /// <summary>The same with <c>[number]</c> for each seam.</summary>
        public string TextWithSeams => string.Concat(Updates.SelectMany(u => u.Contents).Select(c => c switch
        {
            TextContent text => text.Text,
            SeamContent seam => $"[{seam.Attempt}]",
            _ => "",
        }));

        public IReadOnlyList<UsageDetails> Usages => [.. Updates.SelectMany(u => u.Contents).OfType<UsageContent>().Select(u => u.Details)];
    }
}
