using AiChat.Core.Runs;
using AiChat.Infrastructure.Chats;

namespace AiChat.Infrastructure.Runs;

/// <summary>A row of <c>runs</c> with its reply.</summary>
internal sealed record RunRow
{
    public required string Id { get; init; }
    public required string ChatId { get; init; }
    public required string UserMessageId { get; init; }
    public required string AssistantMessageId { get; init; }
    public required int UserSequence { get; init; }
    public required string Alias { get; init; }
    public double? Temperature { get; init; }
    public int? MaxTokens { get; init; }
    public required string Status { get; init; }
    public required int Attempt { get; init; }
    public string? Provider { get; init; }
    public string? Model { get; init; }
    public int? InputTokens { get; init; }
    public int? OutputTokens { get; init; }
    public bool? UsageEstimated { get; init; }
    public string? FinishReason { get; init; }
    public string? ErrorCode { get; init; }
    public string? ErrorMessage { get; init; }
    public required string Reply { get; init; }
    public required long FirstSequence { get; init; }
    public long? LastSequence { get; init; }
    public required DateTimeOffset CreatedAt { get; init; }
    public DateTimeOffset? StartedAt { get; init; }
    public DateTimeOffset? FirstTokenAt { get; init; }
    public DateTimeOffset? CompletedAt { get; init; }

    public StoredRun ToRun() => new()
    {
        Id = Id,
        ChatId = ChatId,
        UserMessageId = UserMessageId,
        AssistantMessageId = AssistantMessageId,
        UserSequence = UserSequence,
        Alias = Alias,
        Temperature = Temperature,
        MaxTokens = MaxTokens,
        Status = StoredNames.ToRunStatus(Status),
        Attempt = Attempt,
        Provider = Provider,
        Model = Model,
        Usage = ToUsage(InputTokens, OutputTokens, UsageEstimated),
        FinishReason = FinishReason,
        Error = ToError(ErrorCode, ErrorMessage),
        Reply = Reply,
        FirstSequence = FirstSequence,
        // Runs of the first version have none; their logs are the reply between two marks.
        LastSequence = LastSequence ?? (CompletedAt is null ? null : FirstSequence + Reply.Length + 1),
        CreatedAt = CreatedAt,
        StartedAt = StartedAt,
        FirstTokenAt = FirstTokenAt,
        CompletedAt = CompletedAt,
    };

    internal static RunUsage? ToUsage(int? inputTokens, int? outputTokens, bool? isEstimated) =>
        inputTokens is { } input && outputTokens is { } output ? new RunUsage(input, output, isEstimated ?? false) : null;

    internal static RunError? ToError(string? code, string? message) => code is null ? null : RunError.Restore(code, message);
}

/// <summary>A row of <c>run_attempts</c>.</summary>
internal sealed record AttemptRow
{
    public required int Attempt { get; init; }
    public required string Status { get; init; }
    public string? Provider { get; init; }
    public string? Model { get; init; }
    public int? InputTokens { get; init; }
    public int? OutputTokens { get; init; }
    public bool? UsageEstimated { get; init; }
    public string? ErrorCode { get; init; }
    public string? ErrorMessage { get; init; }
    public required string Reply { get; init; }
    public DateTimeOffset? StartedAt { get; init; }
    public DateTimeOffset? CompletedAt { get; init; }

    public EarlierAttempt ToAttempt() => new()
    {
        Attempt = Attempt,
        Status = StoredNames.ToRunStatus(Status),
        Provider = Provider,
        Model = Model,
        Usage = RunRow.ToUsage(InputTokens, OutputTokens, UsageEstimated),
        Error = RunRow.ToError(ErrorCode, ErrorMessage),
        Reply = Reply,
        StartedAt = StartedAt,
        CompletedAt = CompletedAt,
    };
}

/// <summary>A <c>run.continued</c> of <c>run_events</c>.</summary>
internal sealed record SeamRow
{
    public required long Sequence { get; init; }
    public required int TextOffset { get; init; }
    public required int Attempt { get; init; }
}

internal sealed record QuestionRow
{
    public required string Message { get; init; }
    public string? SystemPrompt { get; init; }

    public RunQuestion ToQuestion() => new(Message, SystemPrompt);
}
