using AiChat.Core.WebSearch;

namespace AiChat.Core.Runs;

/// <summary>
/// One step of a run, as its followers see it. <see cref="Sequence"/> is a position in the run's log: it grows from event to event,
/// by as much as there is text between them, and a follower that names the last one it saw goes on right behind it.
/// </summary>
public abstract record RunEvent(long Sequence);

/// <summary>An attempt begins: the reply is empty from here on.</summary>
public sealed record RunStarted(long Sequence) : RunEvent(Sequence)
{
    public required string RunId { get; init; }
    public required string ChatId { get; init; }
    public required string UserMessageId { get; init; }
    public required string AssistantMessageId { get; init; }
    public required string Provider { get; init; }

    /// <summary>The model's id at the provider.</summary>
    public required string Model { get; init; }

    /// <summary>1 for the first attempt.</summary>
    public required int Attempt { get; init; }
}

/// <summary>More text of the reply.</summary>
/// <param name="Sequence">The position behind the text.</param>
/// <param name="Offset">How much of the reply came before, in UTF-16 code units.</param>
/// <param name="Text">Never empty; whole characters.</param>
public sealed record MessageDelta(long Sequence, int Offset, string Text) : RunEvent(Sequence);

/// <summary>Something that happened at a place in the text.</summary>
/// <param name="Sequence">Its position.</param>
/// <param name="Offset">How much of the reply came before, in UTF-16 code units.</param>
public abstract record RunMark(long Sequence, int Offset) : RunEvent(Sequence);

/// <summary>The seam where another attempt took over what an earlier one had written.</summary>
/// <param name="Sequence">The position of the seam.</param>
/// <param name="Offset">How much of the reply the earlier attempts wrote, in UTF-16 code units.</param>
/// <param name="Attempt">The attempt that goes on.</param>
public sealed record RunContinued(long Sequence, int Offset, int Attempt) : RunMark(Sequence, Offset);

/// <summary>A page of the web the reply is based on; all of them come before the text.</summary>
/// <param name="Sequence">Its position.</param>
/// <param name="Offset">How much of the reply came before, in UTF-16 code units.</param>
/// <param name="Source">The page.</param>
public sealed record SourceFound(long Sequence, int Offset, Source Source) : RunMark(Sequence, Offset);

/// <summary>
/// The whole reply so far; it takes the place of everything the follower has. Its position may be an earlier one than the follower named:
/// that one is lost.
/// </summary>
public sealed record RunSnapshot(long Sequence, string Text) : RunEvent(Sequence)
{
    /// <summary>What the reply is based on, which the follower may have missed.</summary>
    public IReadOnlyList<Source> Sources { get; init; } = [];
}

/// <summary>The run has ended and its end is stored. Always the last event.</summary>
public sealed record RunEnded(long Sequence, RunResult Result) : RunEvent(Sequence);

/// <summary>Nothing has happened for a while; not part of the log.</summary>
public sealed record KeepAlive() : RunEvent(0)
{
    public static KeepAlive Instance { get; } = new();
}
