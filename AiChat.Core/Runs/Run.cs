using AiChat.Core.Models;
using AiChat.Core.WebSearch;

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

/// <summary>Where the messages of a run stand in their chat.</summary>
/// <param name="UserSequence">Sequence of the message it answers.</param>
/// <param name="AssistantSequence">Sequence of the reply: the next one, unless the message had been stored before the run.</param>
public readonly record struct RunPlace(int UserSequence, int AssistantSequence);

/// <summary>A run on its way into a chat, with everything that is stored when it is accepted.</summary>
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

    /// <summary>Sequence of the message where it is stored already; null when it comes with the run.</summary>
    public int? UserSequence { get; init; }

    /// <summary>The asked alias.</summary>
    public required string Alias { get; init; }

    public double? Temperature { get; init; }

    /// <summary>The longest answer asked for, in tokens.</summary>
    public int? MaxTokens { get; init; }

    /// <summary>Whether the web is searched for the reply.</summary>
    public bool WebSearch { get; init; }

    /// <summary>What to do when the chat is busy.</summary>
    public RunAdmissionRule Admission { get; init; }

    /// <summary>The key the client sent with the message; null when it sent none.</summary>
    public Idempotency.IdempotencyKey? Key { get; init; }

    /// <summary>What it takes from budgets; null when none applies.</summary>
    public Budgets.BudgetClaims? Claims { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }
}

/// <summary>How a run ended, as it is stored and shown.</summary>
public sealed record RunResult
{
    public required string RunId { get; init; }
    public required string ChatId { get; init; }
    public required string UserId { get; init; }

    /// <summary>The asked alias.</summary>
    public required string Alias { get; init; }
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

    /// <summary>Of all attempts together; null when nothing was used.</summary>
    public TokenUsage? Usage { get; init; }

    /// <summary>What the usage cost; null when no price is known.</summary>
    public decimal? Cost { get; init; }

    /// <summary>Number of the last attempt.</summary>
    public int Attempt { get; init; } = 1;

    /// <summary>The attempts that were made for it, oldest first.</summary>
    public IReadOnlyList<Attempt> Attempts { get; init; } = [];

    /// <summary>What the reply is based on; empty when the web was not searched, or nothing was found.</summary>
    public IReadOnlyList<Source> Sources { get; init; } = [];

    /// <summary>Marks in the text that may not be stored yet, oldest first.</summary>
    public IReadOnlyList<RunMark> Marks { get; init; } = [];

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

    /// <inheritdoc cref="ActiveRun.LeaseNumber"/>
    public int LeaseNumber { get; init; } = 1;

    /// <summary>Whether parts of the text were stored while the run went on; they are not needed any more.</summary>
    public bool HasFlushed { get; init; }
}
