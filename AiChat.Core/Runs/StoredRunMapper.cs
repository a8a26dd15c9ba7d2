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
        CreatedAt = run.CreatedAt,
    };

    /// <summary>How it ended.</summary>
    public static RunResult ToResult(this StoredRun run) => new()
    {
        RunId = run.Id,
        ChatId = run.ChatId,
        UserMessageId = run.UserMessageId,
        AssistantMessageId = run.AssistantMessageId,
        AssistantSequence = run.UserSequence + 1,
        Status = run.Status,
        Reply = run.Reply,
        Provider = run.Provider ?? "",
        Model = run.Model ?? "",
        Usage = run.Usage,
        FinishReason = run.FinishReason,
        Error = run.Error,
        FirstTokenAt = run.FirstTokenAt,
        CompletedAt = run.CompletedAt!.Value,
        LastSequence = run.LastSequence,
    };
}
