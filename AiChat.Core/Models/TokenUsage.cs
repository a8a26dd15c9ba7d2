namespace AiChat.Core.Models;

/// <summary>Tokens of one attempt, or of several together.</summary>
/// <param name="InputTokens">Tokens of the prompt.</param>
/// <param name="OutputTokens">Tokens of the reply, those of its reasoning included.</param>
/// <param name="IsEstimated">True when the provider reported none and they were estimated, all or some of them.</param>
public readonly record struct TokenUsage(int InputTokens, int OutputTokens, bool IsEstimated = false)
{
    /// <summary>Tokens among <see cref="InputTokens"/> that the provider had kept from earlier prompts.</summary>
    public int CachedTokens { get; init; }

    /// <summary>Tokens among <see cref="OutputTokens"/> that were not shown.</summary>
    public int ReasoningTokens { get; init; }

    public static TokenUsage operator +(TokenUsage left, TokenUsage right) =>
        new(left.InputTokens + right.InputTokens, left.OutputTokens + right.OutputTokens, left.IsEstimated || right.IsEstimated)
        {
            CachedTokens = left.CachedTokens + right.CachedTokens,
            ReasoningTokens = left.ReasoningTokens + right.ReasoningTokens,
        };
}
