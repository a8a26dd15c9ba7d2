namespace AiChat.Core.Models;

/// <summary>What a model costs, in the currency of the configuration for a million tokens.</summary>
/// <param name="Input">Price of a million tokens of prompt.</param>
/// <param name="Output">Price of a million tokens of reply.</param>
public readonly record struct ModelPrice(decimal Input, decimal Output)
{
    /// <summary>Digits behind the point of a price; with six of a million's price, the price of one token has twelve.</summary>
    public const int MostDecimals = 6;

    /// <summary>How many tokens a price is for.</summary>
    public const decimal Tokens = 1_000_000m;

    /// <summary>What the tokens cost, exactly.</summary>
    public decimal GetCost(TokenUsage usage) => ((usage.InputTokens * Input) + (usage.OutputTokens * Output)) / Tokens;
}
