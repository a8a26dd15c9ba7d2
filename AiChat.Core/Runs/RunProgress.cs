using AiChat.Core.Models;

namespace AiChat.Core.Runs;

/// <summary>What has come of a run since it was stored last.</summary>
public sealed record RunProgress
{
    public required NewRun Run { get; init; }

    /// <inheritdoc cref="ActiveRun.LeaseNumber"/>
    public int LeaseNumber { get; init; } = 1;

    /// <summary>Its text and the marks in it, in order.</summary>
    public required IReadOnlyList<RunText> Texts { get; init; }

    /// <summary>Attempts that have begun or ended.</summary>
    public required IReadOnlyList<Attempt> Attempts { get; init; }
}

/// <summary>A piece of a run's text, or a mark in it, on its way into the database.</summary>
/// <param name="RunId">The run.</param>
/// <param name="Sequence">The position behind it.</param>
/// <param name="Offset">How much of the reply came before, in UTF-16 code units.</param>
/// <param name="Text">The text; empty for a mark.</param>
/// <param name="Mark">The mark; null for text.</param>
public sealed record RunText(string RunId, long Sequence, int Offset, string Text, RunMark? Mark = null);
