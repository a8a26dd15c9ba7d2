using AiChat.Core.Runs;

namespace AiChat.Tests.Core.Runs;

/// <summary>The one run that tests of its log tell about.</summary>
internal static class RunSamples
{
    public static RunStarted NewStarted(long first = 1, int attempt = 1) => new(first)
    {
        RunId = "run-1",
        ChatId = "chat-1",
        UserMessageId = "question-1",
        AssistantMessageId = "reply-1",
        Provider = "groq",
        Model = "oss",
        Attempt = attempt,
    };

    /// <summary>The end of what is in the log, which takes no more.</summary>
    public static RunResult NewResult(RunLog log)
    {
        var lastSequence = log.Close();
        return NewResult(log.GetText(), lastSequence);
    }

    public static RunResult NewResult(string reply, long? lastSequence) => new()
    {
        RunId = "run-1",
        ChatId = "chat-1",
        UserId = "anna",
        Alias = "fast",
        UserMessageId = "question-1",
        AssistantMessageId = "reply-1",
        AssistantSequence = 2,
        Status = RunStatus.Completed,
        Reply = reply,
        Provider = "groq",
        Model = "oss",
        CompletedAt = default,
        LastSequence = lastSequence,
    };
}
