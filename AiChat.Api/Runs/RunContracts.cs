using System.Text.Json.Serialization;
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

/// <summary>One attempt to answer.</summary>
public sealed record AttemptResponse
{
    /// <summary>1 for the first.</summary>
    public required int Attempt { get; init; }

    /// <summary>How far it is, or how it ended.</summary>
    public required RunStatus Status { get; init; }

    /// <summary>The model that answered, as its provider names it; null when it is not known.</summary>
    public required string? Model { get; init; }

    /// <summary>The provider that answered; null when it is not known.</summary>
    public required string? Provider { get; init; }

    /// <summary>What was used; absent when it is not known, or nothing was.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public UsageResponse? Usage { get; init; }

    /// <summary>Why it gave no whole reply; absent when it did, or still may.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public RunErrorResponse? Error { get; init; }

    /// <summary>What it has written.</summary>
    public required string Reply { get; init; }

    /// <summary>When it began; null while it waits for its turn.</summary>
    public required DateTimeOffset? StartedAt { get; init; }

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
        FinishReason = run.FinishReason,
        Error = run.Error?.ToResponse(),
        Attempts = [.. run.EarlierAttempts.Select(ToResponse), ToCurrentAttempt(run)],
        CreatedAt = run.CreatedAt,
        StartedAt = run.StartedAt,
        FirstTokenAt = run.FirstTokenAt,
        CompletedAt = run.CompletedAt,
    };

    public static RunErrorResponse ToResponse(this RunError error) => new() { Code = error.Code, Detail = error.Message };

    private static AttemptResponse ToCurrentAttempt(StoredRun run) => new()
    {
        Attempt = run.Attempt,
        Status = run.Status,
        Model = run.Model,
        Provider = run.Provider,
        Usage = run.Usage?.ToResponse(),
        Error = run.Error?.ToResponse(),
        Reply = run.Reply,
        StartedAt = run.StartedAt,
        CompletedAt = run.CompletedAt,
    };

    private static AttemptResponse ToResponse(EarlierAttempt attempt) => new()
    {
        Attempt = attempt.Attempt,
        Status = attempt.Status,
        Model = attempt.Model,
        Provider = attempt.Provider,
        Usage = attempt.Usage?.ToResponse(),
        Error = attempt.Error?.ToResponse(),
        Reply = attempt.Reply,
        StartedAt = attempt.StartedAt,
        CompletedAt = attempt.CompletedAt,
    };
}
