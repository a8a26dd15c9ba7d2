using System.Text;
using AiChat.Core.Memory;
using Microsoft.Extensions.AI;

namespace AiChat.Core.Models;

/// <summary>
/// Chooses the candidate for every call of one send. They are called in their order, each once, without a wait. Only when all have failed
/// those that may work by now are called again, after a wait: in rounds, each candidate at most once and <see cref="RoutingOptions.Retries"/>
/// times more. One that broke off behind some text is not called again; the others go on with that text.
/// </summary>
internal sealed class RoutedSend
{
    private readonly IReadOnlyList<ModelCandidate> candidates;
    private readonly RoutingOptions routing;
    private readonly TimeProvider time;
    private readonly IEnumerable<ChatMessage> messages;
    private readonly ChatOptions? options;
    private readonly RoutedChatOptions? routed;
    private readonly AttemptLog log;
    private readonly CancellationToken cancellationToken;
    private readonly Turn[] turns;
    // What was shown, for whoever goes on with it; null when nobody does.
    private readonly StringBuilder? shown;
    private readonly string? prefix;
    private string? broken;
    private int rounds = 1;
    private ProviderException? last;

    public RoutedSend(
        IReadOnlyList<ModelCandidate> candidates, RoutingOptions routing, TimeProvider time,
        IEnumerable<ChatMessage> messages, ChatOptions? options, CancellationToken cancellationToken)
    {
        this.candidates = candidates;
        this.routing = routing;
        this.time = time;
        this.messages = messages as IReadOnlyList<ChatMessage> ?? [.. messages];
        this.options = options;
        this.cancellationToken = cancellationToken;
        routed = options as RoutedChatOptions;
        log = routed?.Attempts ?? new AttemptLog(1);
        turns = new Turn[candidates.Count];
        shown = routed is { ContinueOnBreak: true } && candidates.Count > 1 ? new StringBuilder() : null;
        prefix = this.messages.LastOrDefault() is { } end && end.Role == ChatRole.Assistant ? end.Text : null;
    }

    /// <summary>A call that has text to show, or has ended well without.</summary>
    /// <exception cref="ProviderException">No candidate is left.</exception>
    public async ValueTask<RoutedCall> ConnectAsync()
    {
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var index = SelectNext();
            if (index < 0)
                throw last ?? GetReason();

            await WaitForTurnAsync(turns[index]);
            var call = new RoutedCall(candidates[index], GetPrompt(candidates[index]), log, time, cancellationToken);
            if (!await candidates[index].Circuit.TryCallAsync(call.OpenAsync))
            {
                turns[index].IsOut = true;
                continue;
            }

            turns[index].Calls++;
            if (call.Failure is not { } failure)
            {
                turns[index].IsOut = true;
                return call;
            }

            Fail(ref turns[index], failure);
        }
    }

    /// <summary>Takes note that a call broke off behind its text.</summary>
    /// <exception cref="ProviderException">Nobody is to go on.</exception>
    public async ValueTask BreakAsync(RoutedCall call)
    {
        await call.Candidate.Circuit.ReportAsync(call.Failure);
        if (shown is null)
            throw call.Failure!;
        last = call.Failure;
        broken = shown.ToString();
    }

    /// <summary>The one with the fewest calls; of several the one that may be called first, then the first. Negative when none is left.</summary>
    private int SelectNext()
    {
        var best = -1;
        for (var i = 0; i < turns.Length; i++)
        {
            if (turns[i].IsOut)
                continue;
            if (!Fits(candidates[i]) || candidates[i].Circuit.IsOpen)
                turns[i].IsOut = true;
            else if (best < 0 || turns[i].IsBefore(turns[best]))
                best = i;
        }

        return best;
    }

    /// <summary>A new round begins after a random wait, so that not all who failed together come back together.</summary>
    private async ValueTask WaitForTurnAsync(Turn turn)
    {
        if (turn.Calls == 0)
            return;
        var wait = turn.NotBefore - time.GetUtcNow();
        if (turn.Calls == rounds)
        {
            var longest = Math.Min(routing.LongestRetryDelay.TotalMilliseconds, routing.RetryDelay.TotalMilliseconds * Math.Pow(2, rounds - 1));
            var backoff = TimeSpan.FromMilliseconds(Random.Shared.NextDouble() * longest);
            wait = wait > backoff ? wait : backoff;
            rounds++;
        }

        if (wait > TimeSpan.Zero)
            await Task.Delay(wait, time, cancellationToken);
    }

    private void Fail(ref Turn turn, ProviderException failure)
    {
        // Behind some text it may be the beginning of the reply that is refused: then another candidate may take it.
        if (failure.Error == ProviderError.Rejected && broken is null)
            throw failure;
        if (failure.Error != ProviderError.Rejected)
            last = failure;
        turn.IsOut = !CandidateCircuit.IsTrouble(failure.Error) || turn.Calls > routing.Retries || failure.RetryAfter > routing.LongestRetryAfter;
        turn.NotBefore = time.GetUtcNow() + (failure.RetryAfter ?? TimeSpan.Zero);
    }

    /// <summary>Why nobody could be called.</summary>
    private ProviderException GetReason()
    {
        var first = candidates.First(c => c.IsUsable);
        var waits = candidates.Where(Fits).Select(c => c.Circuit.GetWait()).ToList();
        if (waits.Count == 0)
        {
            return new ProviderException(first.Provider, ProviderError.PromptTooLong,
                $"The prompt has about {CountTokens()} tokens, more than any candidate takes; the first one, {first.Model}, takes {first.ContextWindow}.");
        }

        // What the operator has to mend is said as long as nothing else is wrong.
        var errors = candidates.Where(Fits).Select(c => c.Health.LastError).Distinct().ToList();
        var error = errors is [ProviderError.Unauthorized or ProviderError.UnknownModel] ? errors[0]!.Value : ProviderError.Unavailable;
        return new ProviderException(first.Provider, error, "Every candidate is left alone because it has failed before.")
        {
            RetryAfter = waits.Min(),
        };
    }

    private bool Fits(ModelCandidate candidate) =>
        candidate.IsUsable && candidate.ContextWindow >= (long)CountTokens() + (Limit(candidate, GetLeft()) ?? 0);

    private int CountTokens() => (routed?.PromptTokens ?? 0) + (broken is null ? 0 : TokenEstimator.CountMessage(broken));

    private RoutedPrompt GetPrompt(ModelCandidate candidate) => new()
    {
        Messages = broken is null ? messages : GoOn(),
        Options = GetOptions(candidate),
        Tokens = CountTokens(),
        Partial = broken is null ? prefix : prefix + broken,
        IsContinuation = broken is not null,
        Shown = shown,
    };

    /// <summary>The prompt with the reply's beginning as its last message. Blank text says nothing, and some models refuse it.</summary>
    private IEnumerable<ChatMessage> GoOn()
    {
        var question = prefix is null ? messages : messages.SkipLast(1);
        return string.IsNullOrWhiteSpace(prefix + broken) ? question : [.. question, new ChatMessage(ChatRole.Assistant, prefix + broken)];
    }

    private ChatOptions? GetOptions(ModelCandidate candidate)
    {
        if (options is null || Limit(candidate, GetLeft()) is not { } limit || limit == options.MaxOutputTokens)
            return options;
        var limited = options.Clone();
        limited.MaxOutputTokens = limit;
        return limited;
    }

    /// <summary>What is left of the longest answer the caller wants; whoever goes on has no more.</summary>
    private int? GetLeft() => broken is null || options?.MaxOutputTokens is not { } asked
        ? options?.MaxOutputTokens
        : Math.Max(1, asked - TokenEstimator.Count(broken));

    /// <summary>
    /// The longest answer to ask this candidate for; null for its own. Who asks for none gets no limit sent: some providers count what is
    /// asked for against their rate limits.
    /// </summary>
    private static int? Limit(ModelCandidate candidate, int? asked) => asked > candidate.MaxOutputTokens ? candidate.MaxOutputTokens : asked;

    /// <summary>How far one candidate is.</summary>
    private struct Turn
    {
        public int Calls;

        /// <summary>Not called for this send any more.</summary>
        public bool IsOut;

        /// <summary>When its provider wants to be asked again.</summary>
        public DateTimeOffset NotBefore;

        public readonly bool IsBefore(Turn other) => Calls < other.Calls || (Calls == other.Calls && NotBefore < other.NotBefore);
    }
}
