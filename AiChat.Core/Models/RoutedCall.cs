using System.Runtime.CompilerServices;
using System.Text;
using Microsoft.Extensions.AI;

namespace AiChat.Core.Models;

/// <summary>
/// One call of one candidate: reads the stream, hands over what is to be shown, and notes the attempt when it begins and once when it ends.
/// </summary>
internal sealed class RoutedCall(
    ModelCandidate candidate, RoutedPrompt prompt, AttemptLog log, TimeProvider time, CancellationToken cancellationToken) : IAsyncDisposable
{
    private const string NoText = "The reply has no text.";

    // Handed over one by one; seldom more than one.
    private readonly List<ChatResponseUpdate> ready = [];
    private readonly RepeatFilter? repeat = string.IsNullOrWhiteSpace(prompt.Partial) ? null : new RepeatFilter(prompt.Partial);
    private IAsyncEnumerator<ChatResponseUpdate>? updates;
    private Attempt attempt = null!;
    private int next;
    private long startedAt;
    private long textBytes;
    private ReportedUsage usage;
    private List<ChatResponseUpdate>? usageUpdates;
    private bool hasEnded;

    public ModelCandidate Candidate => candidate;

    public ChatResponseUpdate Current { get; private set; } = null!;

    /// <summary>Whether there was text to show.</summary>
    public bool HasShown { get; private set; }

    /// <summary>Why it failed; null as long as it has not.</summary>
    public ProviderException? Failure { get; private set; }

    /// <summary>Calls the candidate and reads as far as the first text to be shown, or a good end without any. What it throws is not the provider's failure.</summary>
    /// <returns>Why there is no text; null when it is there.</returns>
    public async ValueTask<ProviderException?> OpenAsync()
    {
        Begin();
        try
        {
            while (!HasShown && !hasEnded)
                await ReadAsync();
        }
        catch
        {
            await DisposeAsync();
            throw;
        }

        if (Failure is not null)
            await DisposeAsync();
        return Failure;
    }

    /// <summary>False at the end, which is not a good one when <see cref="Failure"/> is set.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<bool> MoveNextAsync()
    {
        while (next == ready.Count)
        {
            ready.Clear();
            next = 0;
            if (hasEnded)
                return false;
            await ReadAsync();
        }

        Current = ready[next++];
        return true;
    }

    /// <summary>Whoever leaves before the end has what they want: the attempt is complete, unless they cancelled.</summary>
    public async ValueTask DisposeAsync()
    {
        if (!hasEnded)
            End(cancellationToken.IsCancellationRequested ? AttemptOutcome.Cancelled : AttemptOutcome.Completed);
        if (updates is not null)
            await updates.DisposeAsync();
        updates = null;
    }

    private void Begin()
    {
        startedAt = time.GetTimestamp();
        attempt = new Attempt
        {
            Number = log.Next,
            Provider = candidate.Provider,
            Model = candidate.Model,
            Outcome = AttemptOutcome.InProgress,
            Usage = ReportedUsage.Estimate(prompt.Tokens, textBytes: 0),
            Price = candidate.Price,
            StartedAt = time.GetUtcNow(),
        };
        log.Begin(attempt);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask ReadAsync()
    {
        try
        {
            updates ??= candidate.Client.GetStreamingResponseAsync(prompt.Messages, prompt.Options, cancellationToken).GetAsyncEnumerator(cancellationToken);
            if (await updates.MoveNextAsync())
                Take(updates.Current);
            else
                Complete();
        }
        catch (ProviderException failure)
        {
            Fail(failure);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            End(AttemptOutcome.Cancelled);
            throw;
        }
        catch (Exception)
        {
            // A defect: no client throws anything else.
            End(Broken, ProviderError.InvalidResponse);
            throw;
        }
    }

    private AttemptOutcome Broken => textBytes == 0 ? AttemptOutcome.Failed : AttemptOutcome.Incomplete;

    private void Take(ChatResponseUpdate update)
    {
        var hasText = false;
        var hasUsage = false;
        // By index: a loop over the interface makes an enumerator for every chunk.
        for (var i = 0; i < update.Contents.Count; i++)
        {
            if (update.Contents[i] is TextContent { Text: { Length: > 0 } text })
            {
                hasText = true;
                textBytes += Encoding.UTF8.GetByteCount(text);
            }
            else if (update.Contents[i] is UsageContent report)
            {
                hasUsage = true;
                usage.Add(report.Details);
            }
        }

        if (hasText && attempt.FirstTokenAt is null)
            NoteFirstToken();
        var shown = hasUsage ? Withhold(update) : update;
        if (shown is not null && hasText)
            ShowText(shown);
        else if (shown is not null)
            ready.Add(shown);
    }

    private void NoteFirstToken()
    {
        attempt = attempt with { FirstTokenAt = time.GetUtcNow() };
        candidate.Circuit.ReportFirstToken(time.GetElapsedTime(startedAt));
    }

    /// <summary>Usage is shown at the end alone: that of a call that breaks off would be added to that of the next one.</summary>
    private ChatResponseUpdate? Withhold(ChatResponseUpdate update)
    {
        usageUpdates ??= [];
        var others = update.Contents.Where(c => c is not UsageContent).ToList();
        if (others.Count == 0)
        {
            usageUpdates.Add(update);
            return null;
        }

        var withheld = update.Clone();
        withheld.Contents = [.. update.Contents.Where(c => c is UsageContent)];
        withheld.FinishReason = null;
        usageUpdates.Add(withheld);
        var shown = update.Clone();
        shown.Contents = others;
        return shown;
    }

    private void ShowText(ChatResponseUpdate update)
    {
        var shown = repeat is null ? update : repeat.Apply(update);
        if (shown is null)
            return;

        var isFirst = false;
        for (var i = 0; i < shown.Contents.Count; i++)
        {
            if (shown.Contents[i] is not TextContent { Text: { Length: > 0 } text })
                continue;
            prompt.Shown?.Append(text);
            isFirst |= !HasShown;
            HasShown = true;
        }

        if (isFirst && prompt.IsContinuation)
            ready.Add(new ChatResponseUpdate(ChatRole.Assistant, [new SeamContent(attempt.Number)]));
        ready.Add(shown);
    }

    /// <summary>
    /// The stream has ended. A reply must have text, unless the caller's prompt ends with its beginning: then that may have been all. Behind
    /// a break there must be more.
    /// </summary>
    private void Complete()
    {
        if (textBytes == 0 && (prompt.Partial is null || prompt.IsContinuation))
        {
            Fail(new ProviderException(candidate.Provider, ProviderError.InvalidResponse, NoText));
            return;
        }

        if (repeat?.Complete() is { Length: > 0 } held)
            ShowText(new ChatResponseUpdate(ChatRole.Assistant, held));
        if (usageUpdates is not null)
            ready.AddRange(usageUpdates);
        End(AttemptOutcome.Completed);
    }

    private void Fail(ProviderException failure)
    {
        Failure = failure;
        End(Broken, failure.Error);
    }

    private void End(AttemptOutcome outcome, ProviderError? error = null)
    {
        hasEnded = true;
        attempt = attempt with
        {
            Outcome = outcome,
            Error = error,
            Usage = usage.ToUsage(prompt.Tokens, textBytes) ?? (IsFree(outcome, error) ? null : ReportedUsage.Estimate(prompt.Tokens, textBytes)),
            CompletedAt = time.GetUtcNow(),
        };
        log.Update(attempt);
    }

    /// <summary>
    /// A provider that refuses a request bills nothing for it. One that falls silent or breaks off may have worked, and a call that was
    /// cancelled may go on there.
    /// </summary>
    private static bool IsFree(AttemptOutcome outcome, ProviderError? error) =>
        outcome == AttemptOutcome.Failed && error is not (ProviderError.Timeout or ProviderError.InvalidResponse);
}
