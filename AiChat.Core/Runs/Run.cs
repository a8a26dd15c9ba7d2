namespace AiChat.Core.Runs;

/// <summary>How far a run is. The last four are final.</summary>
public enum RunStatus
{
    /// <summary>Waits until the chat's earlier runs have ended.</summary>
    Queued,
    /// <summary>A reply is being generated.</summary>
    InProgress,
    /// <summary>The reply is whole and stored.</summary>
    Completed,
    /// <summary>No reply came.</summary>
    Failed,
    /// <summary>Stopped on request.</summary>
    Cancelled,
    /// <summary>The server stopped before the reply was whole.</summary>
    Incomplete,
}

/// <summary>A message on its way into a chat, with everything that is stored when it is accepted.</summary>
public sealed record NewRun
{
    public required string Id { get; init; }
    public required string ChatId { get; init; }
    public required string UserId { get; init; }

    /// <summary>The chat to make in the same transaction; null when it exists.</summary>
    public Chats.Chat? NewChat { get; init; }

    public required string UserMessageId { get; init; }
    public required string AssistantMessageId { get; init; }

    /// <summary>The user's message.</summary>
    public required string Message { get; init; }

    /// <summary>The asked alias.</summary>
    public required string Alias { get; init; }

    public double? Temperature { get; init; }

    /// <summary>The longest answer asked for, in tokens.</summary>
    public int? MaxTokens { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }
}

/// <summary>What the database said of a new run.</summary>
public readonly record struct AcceptedRun
{
    /// <summary>Sequence of the user's message; the assistant's message follows it.</summary>
    public required int UserSequence { get; init; }

    /// <summary><see cref="RunStatus.InProgress"/> when the chat was free, <see cref="RunStatus.Queued"/> behind an earlier run.</summary>
    public required RunStatus Status { get; init; }
}

/// <summary>Tokens of one run.</summary>
/// <param name="InputTokens">Tokens of the prompt.</param>
/// <param name="OutputTokens">Tokens of the reply.</param>
/// <param name="IsEstimated">True when the provider reported none and they were estimated.</param>
public readonly record struct RunUsage(int InputTokens, int OutputTokens, bool IsEstimated = false);

/// <summary>How a run ended, as it is stored and shown.</summary>
public sealed record RunResult
{
    public required string RunId { get; init; }
    public required string ChatId { get; init; }
    public required string UserMessageId { get; init; }
    public required string AssistantMessageId { get; init; }
    public required int AssistantSequence { get; init; }

    /// <summary>One of the final ones.</summary>
    public required RunStatus Status { get; init; }

    /// <summary>The reply; empty when none came.</summary>
    public string Reply { get; init; } = "";

    public required string Provider { get; init; }

    /// <summary>The model's id at the provider.</summary>
    public required string Model { get; init; }

    public RunUsage? Usage { get; init; }

    /// <summary>Why the model stopped: <c>stop</c>, <c>length</c>, <c>content_filter</c>…; null when it did not finish.</summary>
    public string? FinishReason { get; init; }

    /// <summary>Why there is no reply; null when there is one.</summary>
    public RunError? Error { get; init; }

    /// <summary>What went into the prompt; null when none was built.</summary>
    public Memory.Receipt? Receipt { get; init; }

    public required DateTimeOffset CompletedAt { get; init; }
}

/// <summary>What storing a result led to.</summary>
/// <param name="IsChatThere">False when the chat was deleted meanwhile; nothing was stored then.</param>
/// <param name="Next">The chat's next run, which is now <see cref="RunStatus.InProgress"/>; null when none waits.</param>
public readonly record struct FinishedRun(bool IsChatThere, NextRun? Next);

/// <summary>A run whose turn has come.</summary>
public readonly record struct NextRun(string Id, int UserSequence);
