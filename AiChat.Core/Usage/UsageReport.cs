namespace AiChat.Core.Usage;

/// <summary>What was used in a time.</summary>
/// <param name="Total">Of all groups, not only of those that are listed.</param>
/// <param name="Groups">In the order of their keys; empty when the query asks for none.</param>
/// <param name="Next">The last key, where groups follow; null where none do.</param>
public sealed record UsageReport(UsageSums Total, IReadOnlyList<UsageGroup> Groups, UsageKey? Next);

/// <summary>The attempts that have a key in common.</summary>
public sealed record UsageGroup(UsageKey Key, UsageSums Sums);

/// <summary>What the attempts of a group have in common; set is what the query groups by.</summary>
public sealed record UsageKey
{
    public DateOnly? Day { get; init; }
    public string? Provider { get; init; }
    public string? Model { get; init; }
    public string? ChatId { get; init; }
    public string? UserId { get; init; }
}

/// <summary>What attempts used together.</summary>
public sealed record UsageSums
{
    public required long Attempts { get; init; }
    public required long InputTokens { get; init; }
    public required long OutputTokens { get; init; }
    public required long CachedTokens { get; init; }
    public required long ReasoningTokens { get; init; }

    /// <summary>Attempts whose tokens are an estimate.</summary>
    public required long EstimatedAttempts { get; init; }

    /// <summary>Their part of <see cref="InputTokens"/>.</summary>
    public required long EstimatedInputTokens { get; init; }

    /// <summary>Their part of <see cref="OutputTokens"/>.</summary>
    public required long EstimatedOutputTokens { get; init; }

    /// <summary>Attempts that used tokens whose price is not known; they are not in the cost.</summary>
    public required long UnpricedAttempts { get; init; }

    /// <summary>In the currency of the configured prices.</summary>
    public required decimal Cost { get; init; }
}
