namespace AiChat.Core.Models;

/// <summary>One call of one candidate, as the ledger keeps it.</summary>
public sealed record Attempt
{
    /// <summary>1 for the first attempt of a run.</summary>
    public required int Number { get; init; }

    public required string Provider { get; init; }

    /// <summary>The model's id at the provider.</summary>
    public required string Model { get; init; }

    public required AttemptOutcome Outcome { get; init; }

    /// <summary>Why it failed or is incomplete; null for the other outcomes.</summary>
    public ProviderError? Error { get; init; }

    /// <summary>
    /// As the provider reported it, else estimated; null when nothing was used. While it goes on: the prompt, estimated.
    /// </summary>
    public TokenUsage? Usage { get; init; }

    /// <summary>What tokens cost when it was made; null when that is not known.</summary>
    public ModelPrice? Price { get; init; }

    /// <summary>What the usage cost; null when nothing was used or the price is not known.</summary>
    public decimal? Cost => Usage is { } usage ? Price?.GetCost(usage) : null;

    public required DateTimeOffset StartedAt { get; init; }

    /// <summary>When its first text came; null when none did.</summary>
    public DateTimeOffset? FirstTokenAt { get; init; }

    /// <summary>Null while it goes on.</summary>
    public DateTimeOffset? CompletedAt { get; init; }
}

/// <summary>How far an attempt is. All but the first are final.</summary>
public enum AttemptOutcome
{
    /// <summary>The call goes on.</summary>
    InProgress,
    /// <summary>The model ended its answer, or it was as long as it may be.</summary>
    Completed,
    /// <summary>No text came.</summary>
    Failed,
    /// <summary>The caller gave it up.</summary>
    Cancelled,
    /// <summary>It broke off behind some text.</summary>
    Incomplete,
}
