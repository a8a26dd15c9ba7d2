using AiChat.Core.Models;
using AiChat.Infrastructure.Usage;
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
    public required int AssistantSequence { get; init; }
    public required string Alias { get; init; }
    public double? Temperature { get; init; }
    public int? MaxTokens { get; init; }
    public required bool WebSearch { get; init; }
    public required string Status { get; init; }
    public required int Attempt { get; init; }
    public string? Provider { get; init; }
    public string? Model { get; init; }
    public int? InputTokens { get; init; }
    public int? OutputTokens { get; init; }
    public bool? UsageEstimated { get; init; }
    public long? Cost { get; init; }
    public string? FinishReason { get; init; }
    public string? ErrorCode { get; init; }
    public string? ErrorMessage { get; init; }
    public required string Reply { get; init; }
    public string? Sources { get; init; }
    public required long FirstSequence { get; init; }
    public long? LastSequence { get; init; }
    public required int LeaseNumber { get; init; }
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
        Place = new RunPlace(UserSequence, AssistantSequence),
        Alias = Alias,
        Temperature = Temperature,
        MaxTokens = MaxTokens,
        WebSearch = WebSearch,
        Status = StoredNames.ToRunStatus(Status),
        Attempt = Attempt,
        Provider = Provider,
        Model = Model,
        Usage = ToUsage(InputTokens, OutputTokens, UsageEstimated),
        Cost = Money.FromStored(Cost),
        FinishReason = FinishReason,
        Error = ToError(ErrorCode, ErrorMessage),
        Reply = Reply,
        Sources = StoredSources.FromText(Sources),
        FirstSequence = FirstSequence,
        // Runs of the first version have none; their logs are the reply between two marks.
        LastSequence = LastSequence ?? (CompletedAt is null ? null : FirstSequence + Reply.Length + 1),
        LeaseNumber = LeaseNumber,
        CreatedAt = CreatedAt,
        StartedAt = StartedAt,
        FirstTokenAt = FirstTokenAt,
        CompletedAt = CompletedAt,
    };

    internal static TokenUsage? ToUsage(int? inputTokens, int? outputTokens, bool? isEstimated) =>
        inputTokens is { } input && outputTokens is { } output ? new TokenUsage(input, output, isEstimated ?? false) : null;

    internal static RunError? ToError(string? code, string? message) => code is null ? null : RunError.Restore(code, message);
}

/// <summary>A row of <c>attempts</c>, with what it had written where another one took its place.</summary>
internal sealed record AttemptRow
{
    public required int Attempt { get; init; }
    public required string Outcome { get; init; }
    public required string Provider { get; init; }
    public required string Model { get; init; }
    public int? InputTokens { get; init; }
    public int? OutputTokens { get; init; }
    public int? CachedTokens { get; init; }
    public int? ReasoningTokens { get; init; }
    public bool? UsageEstimated { get; init; }
    public long? Cost { get; init; }
    public string? ErrorCode { get; init; }
    public string? ErrorMessage { get; init; }
    public required DateTimeOffset StartedAt { get; init; }
    public DateTimeOffset? FirstTokenAt { get; init; }
    public DateTimeOffset? CompletedAt { get; init; }
    public string? Reply { get; init; }

    public StoredAttempt ToAttempt(StoredRun run) => new()
    {
        Number = Attempt,
        Outcome = StoredNames.ToAttemptOutcome(Outcome),
        Provider = Provider,
        Model = Model,
        // While it goes on, the prompt's estimate stands there for the case that the process dies.
        Usage = CompletedAt is not null && RunRow.ToUsage(InputTokens, OutputTokens, UsageEstimated) is { } usage
            ? usage with { CachedTokens = CachedTokens ?? 0, ReasoningTokens = ReasoningTokens ?? 0 }
            : null,
        Cost = CompletedAt is null ? null : Money.FromStored(Cost),
        Error = RunRow.ToError(ErrorCode, ErrorMessage),
        // The seams are those since the run was last started.
        Reply = Reply ?? run.GetReplyAfter(Attempt, FirstTokenAt is not null && StartedAt >= run.StartedAt),
        StartedAt = StartedAt,
        FirstTokenAt = FirstTokenAt,
        CompletedAt = CompletedAt,
    };
}

/// <summary>A mark among <c>run_events</c>.</summary>
internal sealed record MarkRow
{
    public required long Sequence { get; init; }
    public required string Event { get; init; }
    public required int TextOffset { get; init; }
    public required string Text { get; init; }
    public int? Attempt { get; init; }

    public RunMark ToMark() => Event switch
    {
        RunEventRow.Continued => new RunContinued(Sequence, TextOffset, Attempt!.Value),
        RunEventRow.Source => new SourceFound(Sequence, TextOffset, StoredSources.FromItem(Text)),
        _ => throw new ArgumentOutOfRangeException(nameof(Event), Event, "Unknown event in the database."),
    };
}

/// <summary>A row of <c>run_events</c> on its way into the database.</summary>
internal sealed record RunEventRow(string RunId, long Sequence, string Event, int Offset, string Text, int? Attempt, int LeaseNumber)
{
    public const string Delta = "message.delta";
    public const string Continued = "run.continued";
    public const string Source = "source";

    public static RunEventRow Of(RunText text, int leaseNumber) => text.Mark is null
        ? new RunEventRow(text.RunId, text.Sequence, Delta, text.Offset, text.Text, Attempt: null, leaseNumber)
        : Of(text.RunId, text.Mark, leaseNumber);

    public static RunEventRow Of(string runId, RunMark mark, int leaseNumber) => mark switch
    {
        RunContinued seam => new RunEventRow(runId, seam.Sequence, Continued, seam.Offset, "", seam.Attempt, leaseNumber),
        SourceFound found => new RunEventRow(runId, found.Sequence, Source, found.Offset, StoredSources.ToItem(found.Source), Attempt: null, leaseNumber),
        _ => throw new ArgumentOutOfRangeException(nameof(mark), mark, "Unknown mark."),
    };
}

internal sealed record QuestionRow
{
    public required string Message { get; init; }
    public string? SystemPrompt { get; init; }

    public RunQuestion ToQuestion() => new(Message, SystemPrompt);
}
