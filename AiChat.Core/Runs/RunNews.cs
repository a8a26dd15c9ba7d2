namespace AiChat.Core.Runs;

/// <summary>How far a run is known.</summary>
/// <param name="RunId">The run.</param>
/// <param name="After">The position of the last of its events that is known.</param>
public sealed record RunCursor(string RunId, long After);

/// <summary>What was stored of a run behind a cursor.</summary>
public sealed record RunNews
{
    public required string RunId { get; init; }

    /// <summary>Where the log of its current attempt begins; null when the run is gone with its chat.</summary>
    public required long? FirstSequence { get; init; }

    /// <summary>Whether its end is stored; its text is in its message then.</summary>
    public required bool IsEnded { get; init; }

    /// <summary>Its text and the marks in it, in order.</summary>
    public required IReadOnlyList<RunText> Texts { get; init; }
}
