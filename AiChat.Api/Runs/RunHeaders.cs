using AiChat.Api.Budgets;
using AiChat.Api.Logging;
using AiChat.Core.Runs;

namespace AiChat.Api.Runs;

/// <summary>What an answer says about the run behind it, beside its body.</summary>
internal static class RunHeaders
{
    public const string ChatId = "X-Chat-Id";
    public const string RunId = "X-Run-Id";
    public const string MessageId = "X-Message-Id";

    /// <summary>What every answer to a message has, an error as well: whether it is an earlier one's, and what is left of budgets.</summary>
    public static void Announce(HttpContext http, RunHandle run, TimeProvider time)
    {
        RequestLogMiddleware.SetRunId(http, run.RunId);
        if (run.IsReplay)
            IdempotencyKeyAttribute.MarkReplayed(http.Response);
        RateLimitHeaders.Announce(http.Response, run.Budgets, time);
    }

    /// <summary>The ids of the chat, the run and its reply, for answers whose body has no place for them, an error as well.</summary>
    public static void AnnounceIds(HttpContext http, RunHandle run) =>
        // When the response starts, not now: an error handler empties the headers.
        http.Response.OnStarting(() =>
        {
            http.Response.Headers[ChatId] = run.ChatId;
            http.Response.Headers[RunId] = run.RunId;
            http.Response.Headers[MessageId] = run.MessageId;
            return Task.CompletedTask;
        });
}
