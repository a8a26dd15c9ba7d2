namespace AiChat.Core.Models;

/// <summary>An attempt and whom it was made for. The ledger keeps it when its chat is gone.</summary>
public sealed record LedgerEntry
{
    /// <summary>The run; for anything else than a reply an id of its own.</summary>
    public required string RunId { get; init; }

    /// <summary>With what number this process may write to the run; of no meaning for anything else than a reply.</summary>
    public int LeaseNumber { get; init; } = 1;
    public required AttemptPurpose Purpose { get; init; }
    public required string ChatId { get; init; }
    public required string UserId { get; init; }

    /// <summary>The asked alias.</summary>
    public required string Alias { get; init; }
    public required Attempt Attempt { get; init; }
}

/// <summary>What a model was called for.</summary>
public enum AttemptPurpose
{
    /// <summary>A run's reply.</summary>
    Reply,
    /// <summary>The title of a chat.</summary>
    Title,
    /// <summary>The query for a search of the web.</summary>
    SearchQuery,
}
