using AiChat.Core.Chats;
using AiChat.Core.Models;

namespace AiChat.Core.Runs;

/// <summary>What else a stored run is needed as.</summary>
internal static class StoredRunMapper
{
    /// <summary>How its log begins.</summary>
    public static RunStarted ToStarted(this StoredRun run, string provider, string model) => new(run.FirstSequence)
    {
        RunId = run.Id,
        ChatId = run.ChatId,
        UserMessageId = run.UserMessageId,
        AssistantMessageId = run.AssistantMessageId,
        Provider = provider,
        Model = model,
        Attempt = run.Attempt,
    };

    /// <summary>As it is given to a model once more.</summary>
    public static NewRun ToNewRun(this StoredRun run, string userId, RunQuestion question) => new()
    {
        Id = run.Id,
        ChatId = run.ChatId,
        UserId = userId,
        UserMessageId = run.UserMessageId,
        AssistantMessageId = run.AssistantMessageId,
        Message = question.Message,
        Alias = run.Alias,
        Temperature = run.Temperature,
        MaxTokens = run.MaxTokens,
        WebSearch = run.WebSearch,
        CreatedAt = run.CreatedAt,
    };

    /// <summary>As far as it is by now.</summary>
    public static StoredRun With(this StoredRun stored, ActiveRun active)
    {
        var attempts = active.Attempts.All;
        var run = stored with
        {
            Provider = active.Provider,
            Model = active.Model,
            FirstTokenAt = active.FirstTokenAt,
            Reply = active.Log.GetText(),
            Sources = active.Log.GetSources(),
            Marks = active.Log.GetMarks(),
            Attempt = attempts.Count == 0 ? stored.Attempt : attempts[^1].Number,
        };
        return run with
        {
            Attempts = [.. stored.Attempts.Where(a => attempts.All(made => made.Number != a.Number)), .. attempts.Select(a => a.ToStored(run))],
        };
    }

    /// <summary>As far as it is known of a run that goes on in another process.</summary>
    public static StoredRun WithLastAttempt(this StoredRun stored) => stored.Attempts is [.., var last]
        ? stored with { Attempt = last.Number, Provider = last.Provider, Model = last.Model }
        : stored;

    /// <summary>As it is shown.</summary>
    /// <param name="attempt">The attempt.</param>
    /// <param name="run">The run it was made for.</param>
    private static StoredAttempt ToStored(this Attempt attempt, StoredRun run) => new()
    {
        Number = attempt.Number,
        Outcome = attempt.Outcome,
        Provider = attempt.Provider,
        Model = attempt.Model,
        Usage = attempt.CompletedAt is null ? null : attempt.Usage,
        Cost = attempt.CompletedAt is null ? null : attempt.Cost,
        Error = RunError.Of(attempt),
        Reply = run.GetReplyAfter(attempt.Number, attempt.FirstTokenAt is not null),
        StartedAt = attempt.StartedAt,
        FirstTokenAt = attempt.FirstTokenAt,
        CompletedAt = attempt.CompletedAt,
    };

    /// <summary>A message that a client has stored as an answer, as a run that has ended with it; what it answers is left open.</summary>
    public static RunHandle ToHandle(this Message answer, string userId, TimeProvider time)
    {
        var result = new RunResult
        {
            RunId = answer.Id,
            ChatId = answer.ChatId,
            UserId = userId,
            Alias = "",
            UserMessageId = "",
            AssistantMessageId = answer.Id,
            AssistantSequence = answer.Sequence,
            Status = RunStatus.Completed,
            Reply = answer.Content,
            Provider = "",
            Model = "",
            FinishReason = "stop",
            CompletedAt = answer.UpdatedAt,
        };
        var started = new RunStarted(Sequence: 1)
        {
            RunId = answer.Id,
            ChatId = answer.ChatId,
            UserMessageId = "",
            AssistantMessageId = answer.Id,
            Provider = "",
            Model = "",
            Attempt = 1,
        };
        return new RunHandle(answer.Id, RunLog.Restore(started, time, answer.Content, [], result), result, isReplay: false);
    }

    /// <summary>How it ended.</summary>
    public static RunResult ToResult(this StoredRun run, string userId) => run.ToResult(userId, run.CompletedAt!.Value);

    /// <summary>As if it had ended then.</summary>
    public static RunResult ToResult(this StoredRun run, string userId, DateTimeOffset completedAt) => new()
    {
        RunId = run.Id,
        ChatId = run.ChatId,
        UserId = userId,
        Alias = run.Alias,
        UserMessageId = run.UserMessageId,
        AssistantMessageId = run.AssistantMessageId,
        AssistantSequence = run.Place.AssistantSequence,
        Status = run.Status,
        Reply = run.Reply,
        Sources = run.Sources,
        Provider = run.Provider ?? "",
        Model = run.Model ?? "",
        Usage = run.Usage,
        Cost = run.Cost,
        Attempt = run.Attempt,
        FinishReason = run.FinishReason,
        Error = run.Error,
        FirstTokenAt = run.FirstTokenAt,
        CompletedAt = completedAt,
        LastSequence = run.LastSequence,
    };
}
