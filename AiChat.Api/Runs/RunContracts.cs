using System.Text.Json.Serialization;
using AiChat.Core.Models;
using AiChat.Core.Runs;

namespace AiChat.Api.Runs;

/// <summary>The answering of one message.</summary>
public sealed record RunResponse
{
    /// <summary>The run.</summary>
    public required string Id { get; init; }

    /// <summary>The chat.</summary>
    public required string ChatId { get; init; }

    /// <summary>The message it answers.</summary>
    public required string UserMessageId { get; init; }

    /// <summary>The reply it writes.</summary>
    public required string MessageId { get; init; }

    /// <summary>How far it is.</summary>
    public required RunStatus Status { get; init; }

    /// <summary>The alias that was asked for.</summary>
    public required string Alias { get; init; }

    /// <summary>The model that answers, as its provider names it; null while none does.</summary>
    public required string? Model { get; init; }

    /// <summary>The provider that answers; null while none does.</summary>
    public required string? Provider { get; init; }

    /// <summary>What was used; absent while it goes on, and when nothing was.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public UsageResponse? Usage { get; init; }

    /// <summary>What the usage cost, in the currency of the configured prices; absent when no price is configured, or nothing was used.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public decimal? Cost { get; init; }

    /// <summary>Why the model stopped; null when it did not finish.</summary>
    public required string? FinishReason { get; init; }

    /// <summary>Why there is no whole reply; absent when there is one, or may still be.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public RunErrorResponse? Error { get; init; }

    /// <summary>Every attempt to answer, the current one last.</summary>
    public required IReadOnlyList<AttemptResponse> Attempts { get; init; }

    /// <summary>When the message was accepted.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When its turn came; null while it is queued.</summary>
    public required DateTimeOffset? StartedAt { get; init; }

    /// <summary>When the first text of the reply came; null when none did.</summary>
    public required DateTimeOffset? FirstTokenAt { get; init; }

    /// <summary>When it ended; null while it goes on.</summary>
    public required DateTimeOffset? CompletedAt { get; init; }
}

/// <summary>One attempt to answer: one call of a model.</summary>
public sealed record AttemptResponse
{
    /// <summary>1 for the first.</summary>
    public required int Attempt { get; init; }

    /// <summary>How far it is, or how it ended.</summary>
    public required RunStatus Status { get; init; }

    /// <summary>The model that answered, as its provider names it; null when none was asked.</summary>
    public required string? Model { get; init; }

    /// <summary>The provider that answered; null when none was asked.</summary>
    public required string? Provider { get; init; }

    /// <summary>What was used; absent when it is not known, or nothing was.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public UsageResponse? Usage { get; init; }

    /// <summary>What the usage cost, in the currency of the configured prices; absent when no price is configured, or nothing was used.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public decimal? Cost { get; init; }

    /// <summary>Why it gave no whole reply; absent when it did, or still may.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public RunErrorResponse? Error { get; init; }

    /// <summary>The reply as it was at its end.</summary>
    public required string Reply { get; init; }

    /// <summary>When it began; null while it waits for its turn.</summary>
    public required DateTimeOffset? StartedAt { get; init; }

    /// <summary>When its first text came; null when none did.</summary>
    public required DateTimeOffset? FirstTokenAt { get; init; }

    /// <summary>When it ended; null while it goes on.</summary>
    public required DateTimeOffset? CompletedAt { get; init; }
}

/// <summary>Why a run gave no whole reply.</summary>
public sealed record RunErrorResponse
{
    /// <summary>Stable name of the problem, for programs.</summary>
    public required string Code { get; init; }

    /// <summary>What happened and what to do, for people.</summary>
    public required string Detail { get; init; }
}

internal static class RunMapper
{
    public static RunResponse ToResponse(this StoredRun run) => new()
    {
        Id = run.Id,
        ChatId = run.ChatId,
        UserMessageId = run.UserMessageId,
        MessageId = run.AssistantMessageId,
        Status = run.Status,
        Alias = run.Alias,
        Model = run.Model,
        Provider = run.Provider,
        Usage = run.Usage?.ToResponse(),
        Cost = run.Cost,
        FinishReason = run.FinishReason,
        Error = run.Error?.ToResponse(),
        Attempts = [.. ToAttempts(run)],
        CreatedAt = run.CreatedAt,
        StartedAt = run.StartedAt,
        FirstTokenAt = run.FirstTokenAt,
        CompletedAt = run.CompletedAt,
    };

    public static RunErrorResponse ToResponse(this RunError error) => new() { Code = error.Code, Detail = error.Message };

    /// <summary>A run that was not given to a model, yet or ever, shows an attempt all the same: how far that is.</summary>
    private static IEnumerable<AttemptResponse> ToAttempts(StoredRun run) => run.Attempts.Any(a => a.Number == run.Attempt)
        ? run.Attempts.Select(ToResponse)
        : [.. run.Attempts.Select(ToResponse), new AttemptResponse
        {
            Attempt = run.Attempt,
            Status = run.Status,
            Model = run.Model,
            Provider = run.Provider,
            Error = run.Error?.ToResponse(),
            Reply = run.Reply,
            StartedAt = run.StartedAt,
            FirstTokenAt = run.FirstTokenAt,
            CompletedAt = run.CompletedAt,
        }];

    private static AttemptResponse ToResponse(StoredAttempt attempt) => new()
    {
        Attempt = attempt.Number,
        Status = ToStatus(attempt.Outcome),
        Model = attempt.Model,
        Provider = attempt.Provider,
        Usage = attempt.Usage?.ToResponse(),
        Cost = attempt.Cost,
        Error = attempt.Error?.ToResponse(),
        Reply = attempt.Reply,
        StartedAt = attempt.StartedAt,
        FirstTokenAt = attempt.FirstTokenAt,
        CompletedAt = attempt.CompletedAt,
    };

    private static RunStatus ToStatus(AttemptOutcome outcome) => outcome switch
    {
        AttemptOutcome.Completed => RunStatus.Completed,
        AttemptOutcome.Failed => RunStatus.Failed,
        AttemptOutcome.Cancelled => RunStatus.Cancelled,
        AttemptOutcome.Incomplete => RunStatus.Incomplete,
        _ => RunStatus.InProgress,
    };
}
