using System.Runtime.CompilerServices;
using System.Text;
using AiChat.Core.Memory;
using Microsoft.Extensions.AI;

namespace AiChat.Core.Models;

/// <summary>Answers with the first candidate that can be used, and notes the attempt.</summary>
public sealed class RoutingChatClient(IReadOnlyList<ModelCandidate> candidates, TimeProvider time) : IChatClient
{
    public Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
        GetStreamingResponseAsync(messages, options, cancellationToken).ToChatResponseAsync(cancellationToken);

    public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var routed = options as RoutedChatOptions;
        var log = routed?.Attempts ?? new AttemptLog(1);
        var candidate = candidates.First(c => c.IsUsable);
        var attempt = new Attempt
        {
            Number = log.Next,
            Provider = candidate.Provider,
            Model = candidate.Model,
            Outcome = AttemptOutcome.InProgress,
            Usage = new TokenUsage(routed?.PromptTokens ?? 0, 0, IsEstimated: true),
            Price = candidate.Price,
            StartedAt = time.GetUtcNow(),
        };
        log.Begin(attempt);
        var bytes = 0;
        var reported = default(TokenUsage?);
        var outcome = AttemptOutcome.Completed;
        var error = default(ProviderError?);
        var updates = candidate.Client.GetStreamingResponseAsync(messages, options, cancellationToken).GetAsyncEnumerator(cancellationToken);
        await using (updates.ConfigureAwait(false))
        {
            try
            {
                while (true)
                {
                    bool hasNext;
                    try
                    {
                        hasNext = await updates.MoveNextAsync();
                        if (!hasNext && bytes == 0 && messages.Last().Role != ChatRole.Assistant)
                            throw new ProviderException(candidate.Provider, ProviderError.InvalidResponse, "The reply has no text.");
                    }
                    catch (ProviderException failure)
                    {
                        (outcome, error) = (bytes == 0 ? AttemptOutcome.Failed : AttemptOutcome.Incomplete, failure.Error);
                        candidate.Report(failure.Error == ProviderError.Rejected ? null : failure.Error);
                        throw;
                    }
                    catch
                    {
                        outcome = AttemptOutcome.Cancelled;
                        throw;
                    }

                    if (!hasNext)
                    {
                        candidate.Report(null);
                        break;
                    }

                    foreach (var content in updates.Current.Contents)
                    {
                        if (content is TextContent text)
                        {
                            if (bytes == 0 && text.Text.Length > 0)
                                attempt = attempt with { FirstTokenAt = time.GetUtcNow() };
                            bytes += Encoding.UTF8.GetByteCount(text.Text);
                        }
                        else if (content is UsageContent { Details: { InputTokenCount: { } input, OutputTokenCount: { } output } })
                        {
                            reported = new TokenUsage((int)input, (int)output);
                        }
                    }

                    yield return updates.Current;
                }
            }
            finally
            {
                var usage = reported ?? (outcome == AttemptOutcome.Failed
                    ? null
                    : new TokenUsage(routed?.PromptTokens ?? 0, (bytes + TokenEstimator.BytesPerToken - 1) / TokenEstimator.BytesPerToken, IsEstimated: true));
                log.Update(attempt with
                {
                    Outcome = outcome,
                    Error = error,
                    Usage = usage,
                    CompletedAt = time.GetUtcNow(),
                });
            }
        }
    }

    public object? GetService(Type serviceType, object? serviceKey = null) =>
        serviceKey is null && serviceType.IsInstanceOfType(this) ? this : null;

    public void Dispose()
    {
    }
}
