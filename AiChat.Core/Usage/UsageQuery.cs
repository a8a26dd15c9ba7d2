namespace AiChat.Core.Usage;

/// <summary>Which attempts to add up, and how.</summary>
public sealed record UsageQuery
{
    /// <summary>Null for all users.</summary>
    public string? UserId { get; init; }

    /// <summary>Attempts that began then or later.</summary>
    public required DateTimeOffset From { get; init; }

    /// <summary>Attempts that began before.</summary>
    public required DateTimeOffset To { get; init; }

    /// <summary>Null for the total alone.</summary>
    public UsageGrouping? GroupBy { get; init; }

    /// <summary>Only groups whose key comes behind this one; null for the first.</summary>
    public UsageKey? After { get; init; }

    /// <summary>Most groups.</summary>
    public int Limit { get; init; } = 100;
}

/// <summary>What attempts are grouped by.</summary>
public enum UsageGrouping
{
    /// <summary>The day the attempt began, in UTC.</summary>
    Day,
    /// <summary>The provider and the model's id there.</summary>
    Model,
    /// <summary>The chat.</summary>
    Chat,
    /// <summary>The user.</summary>
    User,
}
