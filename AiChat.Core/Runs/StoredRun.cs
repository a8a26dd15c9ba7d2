using AiChat.Core.Models;
using AiChat.Core.WebSearch;

namespace AiChat.Core.Runs;

/// <summary>A run as it is stored.</summary>
public sealed record StoredRun
{
    public required string Id { get; init; }
    public required string ChatId { get; init; }
    public required string UserMessageId { get; init; }
    public required string AssistantMessageId { get; init; }

    /// <summary>Where its messages stand.</summary>
    public required RunPlace Place { get; init; }

    /// <summary>The asked alias.</summary>
    public required string Alias { get; init; }

    public double? Temperature { get; init; }

    public int? MaxTokens { get; init; }

    /// <inheritdoc cref="NewRun.WebSearch"/>
    public bool WebSearch { get; init; }

    public required RunStatus Status { get; init; }

    /// <summary>Number of the last attempt; 1 before the first has begun.</summary>
    public required int Attempt { get; init; }

    public string? Provider { get; init; }

    public string? Model { get; init; }

    public TokenUsage? Usage { get; init; }

    /// <summary>What the usage cost; null when no price is known.</summary>
    public decimal? Cost { get; init; }

    public string? FinishReason { get; init; }

    public RunError? Error { get; init; }

    /// <summary>The content of the assistant's message; while the run goes on, not all that has come.</summary>
    public required string Reply { get; init; }

    /// <summary>Where the current attempt's log begins.</summary>
    public required long FirstSequence { get; init; }

    /// <summary>Where its log ends; null while it goes on.</summary>
    public long? LastSequence { get; init; }

    /// <inheritdoc cref="ActiveRun.LeaseNumber"/>
    public int LeaseNumber { get; init; } = 1;

    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When its turn came; null while it is queued.</summary>
    public DateTimeOffset? StartedAt { get; init; }

    public DateTimeOffset? FirstTokenAt { get; init; }

    /// <summary>Null while it goes on.</summary>
    public DateTimeOffset? CompletedAt { get; init; }

    /// <summary>The attempts that were made, oldest first; the one that goes on is among them when it is stored already.</summary>
    public IReadOnlyList<StoredAttempt> Attempts { get; init; } = [];

    /// <inheritdoc cref="RunResult.Sources"/>
    public IReadOnlyList<Source> Sources { get; init; } = [];

    /// <summary>The marks in its text, oldest first; empty when its log is older than the retention.</summary>
    public IReadOnlyList<RunMark> Marks { get; init; } = [];

    /// <summary>The reply as it was at the end of an attempt: up to the seam behind it, to the end when it is the last.</summary>
    /// <param name="attempt">The attempt's number.</param>
    /// <param name="hasText">Whether it wrote any.</param>
    public string GetReplyAfter(int attempt, bool hasText)
    {
        if (attempt >= Attempt)
            return Reply;
        var seam = Marks.OfType<RunContinued>().FirstOrDefault(s => s.Attempt > attempt);
        return hasText && seam is not null ? Reply[..seam.Offset] : "";
    }
}

/// <summary>An attempt as it is shown.</summary>
public sealed record StoredAttempt
{
    /// <summary>1 for the first.</summary>
    public required int Number { get; init; }
    public required AttemptOutcome Outcome { get; init; }
    public required string Provider { get; init; }
    public required string Model { get; init; }
    public TokenUsage? Usage { get; init; }
    public decimal? Cost { get; init; }
    public RunError? Error { get; init; }

    /// <summary>The reply as it was at its end.</summary>
    public required string Reply { get; init; }
    public required DateTimeOffset StartedAt { get; init; }
    public DateTimeOffset? FirstTokenAt { get; init; }
    public DateTimeOffset? CompletedAt { get; init; }
}

/// <summary>What a run is started from again.</summary>
/// <param name="Message">The user's message.</param>
/// <param name="SystemPrompt">The chat's system prompt.</param>
public sealed record RunQuestion(string Message, string? SystemPrompt);

/// <summary>What the user of a chat said last.</summary>
public sealed record LastQuestion
{
    /// <summary>The message.</summary>
    public required string Id { get; init; }

    /// <summary>Its sequence in the chat.</summary>
    public required int Sequence { get; init; }

    public required string Message { get; init; }

    /// <summary>The run that answers it; null when none was started.</summary>
    public string? RunId { get; init; }

    /// <summary>The answer a client has stored for it; null when none has.</summary>
    public string? AnswerId { get; init; }
}

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

    /// <summary>Whether the web is searched for the new reply; null for as it was.</summary>
    public bool? WebSearch { get; init; }

    public RunAdmissionRule Admission { get; init; }

    public Idempotency.IdempotencyKey? Key { get; init; }

    /// <inheritdoc cref="NewRun.Claims"/>
    public Budgets.BudgetClaims? Claims { get; init; }

    public required DateTimeOffset Now { get; init; }
}

/// <summary>An unfinished run of a process that died, to go on with.</summary>
public sealed record InterruptedRun
{
    /// <summary>The run; its attempt is the one that goes on, its reply what was stored, its marks include the new seam.</summary>
    public required StoredRun Run { get; init; }
    public required string UserId { get; init; }
    public required RunQuestion Question { get; init; }

    /// <summary>Whether somebody asked for it to be cancelled.</summary>
    public bool IsCancelRequested { get; init; }
}
