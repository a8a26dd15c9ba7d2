using AiChat.Core.Memory;
using Microsoft.Extensions.AI;

namespace AiChat.Core.Models;

/// <summary>What a provider says a call used. Reports may come in parts; of two for one count the later holds.</summary>
internal struct ReportedUsage
{
    private long? input;
    private long? output;
    private long? cached;
    private long? reasoning;

    public void Add(UsageDetails details)
    {
        input = details.InputTokenCount ?? input;
        output = details.OutputTokenCount ?? output;
        cached = details.CachedInputTokenCount ?? cached;
        reasoning = details.ReasoningTokenCount ?? reasoning;
    }

    /// <summary>Null when neither tokens in nor out were reported; one that is missing is estimated.</summary>
    /// <param name="promptTokens">Tokens of the prompt, estimated.</param>
    /// <param name="textBytes">Length of the reply in UTF-8.</param>
    public readonly TokenUsage? ToUsage(int promptTokens, long textBytes) => input is null && output is null
        ? null
        : new TokenUsage(ToCount(input) ?? promptTokens, ToCount(output) ?? ToTokens(textBytes), IsEstimated: input is null || output is null)
        {
            CachedTokens = ToCount(cached) ?? 0,
            ReasoningTokens = ToCount(reasoning) ?? 0,
        };

    public static TokenUsage Estimate(int promptTokens, long textBytes) => new(promptTokens, ToTokens(textBytes), IsEstimated: true);

    private static int ToTokens(long bytes) => ToCount((bytes + TokenEstimator.BytesPerToken - 1) / TokenEstimator.BytesPerToken)!.Value;

    private static int? ToCount(long? tokens) => tokens is null ? null : (int)Math.Clamp(tokens.Value, 0, int.MaxValue);
}
