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
    /// <summary>Stopped on request; the reply is what had come.</summary>
    Cancelled,
    /// <summary>Broken off before the reply was whole; the reply is what had come.</summary>
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

    /// <summary>What to do when the chat is busy.</summary>
    public RunAdmissionRule Admission { get; init; }

    /// <summary>The key the client sent with the message; null when it sent none.</summary>
    public Idempotency.IdempotencyKey? Key { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }
}

/// <summary>When a run may enter a chat.</summary>
/// <param name="MostUnfinished">Most unfinished runs the chat may have already; 0 wants a free chat.</param>
public readonly record struct RunAdmissionRule(int MostUnfinished);

/// <summary>What the database said of a run that wants to enter a chat.</summary>
public abstract record RunAdmission
{
    /// <summary>It is stored.</summary>
    /// <param name="UserSequence">Sequence of the user's message; the assistant's message follows it.</param>
    /// <param name="BusyWith">The run whose end it has to wait for; null when its turn is now.</param>
    public sealed record Accepted(int UserSequence, string? BusyWith) : RunAdmission;

    /// <summary>The user has no such chat; nothing is stored.</summary>
    public sealed record NoSuchChat : RunAdmission;

    /// <summary>The chat is busy with that run and takes no more; nothing is stored.</summary>
    public sealed record Busy(string RunId) : RunAdmission;

    /// <summary>The key belongs to an earlier request; nothing is stored.</summary>
    public sealed record KeyTaken(Idempotency.KeyedRequest Earlier) : RunAdmission;

    /// <summary>The run to try again has not failed, or is being tried again already; nothing is stored.</summary>
    public sealed record NotRetryable : RunAdmission;
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

    /// <summary>The reply, or as much of it as came; empty when none did.</summary>
    public string Reply { get; init; } = "";

    public required string Provider { get; init; }

    /// <summary>The model's id at the provider.</summary>
    public required string Model { get; init; }

    public RunUsage? Usage { get; init; }

    /// <summary>Why the model stopped: <c>stop</c>, <c>length</c>, <c>content_filter</c>…; null when it did not finish.</summary>
    public string? FinishReason { get; init; }

    /// <summary>Why there is no whole reply; null when there is one.</summary>
    public RunError? Error { get; init; }

    /// <summary>What went into the prompt; null when none was built.</summary>
    public Memory.Receipt? Receipt { get; init; }

    /// <summary>When the first text came; null when none did.</summary>
    public DateTimeOffset? FirstTokenAt { get; init; }

    public required DateTimeOffset CompletedAt { get; init; }

    /// <summary>The end's position in the run's log; null for runs of versions that had none.</summary>
    public long? LastSequence { get; init; }

    /// <summary>Whether parts of the text were stored while the run went on; they are not needed any more.</summary>
    public bool HasFlushed { get; init; }
}

/// <summary>What storing a result led to.</summary>
/// <param name="IsChatThere">False when the chat was deleted meanwhile; nothing was stored then.</param>
/// <param name="Next">The chat's next run, which is now <see cref="RunStatus.InProgress"/>; null when none waits.</param>
public readonly record struct FinishedRun(bool IsChatThere, NextRun? Next);

/// <summary>A run whose turn has come.</summary>
public readonly record struct NextRun(string Id, int UserSequence);

/// <summary>A run as it is stored.</summary>
public sealed record StoredRun
{
    public required string Id { get; init; }
    public required string ChatId { get; init; }
    public required string UserMessageId { get; init; }
    public required string AssistantMessageId { get; init; }

    /// <summary>Sequence of the user's message; the assistant's message follows it.</summary>
    public required int UserSequence { get; init; }

    /// <summary>The asked alias.</summary>
    public required string Alias { get; init; }

    public double? Temperature { get; init; }

    public int? MaxTokens { get; init; }

    public required RunStatus Status { get; init; }

    /// <summary>1 for the first attempt.</summary>
    public required int Attempt { get; init; }

    public string? Provider { get; init; }

    public string? Model { get; init; }

    public RunUsage? Usage { get; init; }

    public string? FinishReason { get; init; }

    public RunError? Error { get; init; }

    /// <summary>The content of the assistant's message; while the run goes on, not all that has come.</summary>
    public required string Reply { get; init; }

    /// <summary>Where the current attempt's log begins.</summary>
    public required long FirstSequence { get; init; }

    /// <summary>Where its log ends; null while it goes on.</summary>
    public long? LastSequence { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When its turn came; null while it is queued.</summary>
    public DateTimeOffset? StartedAt { get; init; }

    public DateTimeOffset? FirstTokenAt { get; init; }

    /// <summary>Null while it goes on.</summary>
    public DateTimeOffset? CompletedAt { get; init; }

    /// <summary>The attempts before the current one, oldest first.</summary>
    public IReadOnlyList<EarlierAttempt> EarlierAttempts { get; init; } = [];

    /// <summary>Where later attempts took over, oldest first; empty when its log is older than the retention.</summary>
    public IReadOnlyList<RunContinued> Seams { get; init; } = [];
}

/// <summary>An attempt that another one followed.</summary>
public sealed record EarlierAttempt
{
    /// <summary>1 for the first.</summary>
    public required int Attempt { get; init; }
    public required RunStatus Status { get; init; }
    public string? Provider { get; init; }
    public string? Model { get; init; }
    public RunUsage? Usage { get; init; }
    public RunError? Error { get; init; }

    /// <summary>What it had written.</summary>
    public required string Reply { get; init; }
    public DateTimeOffset? StartedAt { get; init; }
    public DateTimeOffset? CompletedAt { get; init; }
}

/// <summary>What a run is started from again.</summary>
/// <param name="Message">The user's message.</param>
/// <param name="SystemPrompt">The chat's system prompt.</param>
public sealed record RunQuestion(string Message, string? SystemPrompt);

/// <summary>A stored run that is tried again.</summary>
public sealed record RunRetry
{
    public required string RunId { get; init; }
    public required string ChatId { get; init; }
    public required string UserId { get; init; }

    /// <summary>The attempt that begins.</summary>
    public required int Attempt { get; init; }

    /// <summary>Where its log begins.</summary>
    public required long FirstSequence { get; init; }

    public RunAdmissionRule Admission { get; init; }

    public Idempotency.IdempotencyKey? Key { get; init; }

    public required DateTimeOffset Now { get; init; }
}

/// <summary>An unfinished run of a process that died, to go on with.</summary>
public sealed record InterruptedRun
{
    /// <summary>The run; its attempt is the one that goes on, its reply what was stored, its seams include the new one.</summary>
    public required StoredRun Run { get; init; }
    public required string UserId { get; init; }
    public required RunQuestion Question { get; init; }
}
