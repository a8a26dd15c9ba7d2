using AiChat.Api.Budgets;
using AiChat.Api.Chats;
using AiChat.Api.Errors;
using AiChat.Api.OpenApi;
using AiChat.Api.Runs;
using AiChat.Core.Budgets;
using AiChat.Core.Chats;
using AiChat.Core.Errors;
using AiChat.Core.Idempotency;
using AiChat.Core.Runs;
using Microsoft.AspNetCore.Mvc;

namespace AiChat.Api.Dialects.ChatAi;

[ApiController]
[Tags(DialectTags.ChatAi)]
[Produces("application/json")]
[FastApiErrors(NotFound = "Conversation not found")]
[Problems(UnavailableException.DatabaseUnavailable)]
public sealed class ChatAiController(ChatService chats, RunService runs, RunExecutor executor, TimeProvider time) : ControllerBase
{
    /// <summary>Create a conversation</summary>
    /// <remarks>A body is not needed, and not read.</remarks>
    /// <response code="200">The new conversation.</response>
    [HttpPost("/conversation", Name = "startConversation")]
    [Problems(IdempotencyKey.Reused)]
    [ProducesResponseType<ChatAiConversationResponse>(StatusCodes.Status200OK)]
    [AnswerHeader(StatusCodes.Status200OK, IdempotencyKeyAttribute.ReplayedHeader)]
    public async Task<IActionResult> Create([UserId] string userId, [IdempotencyKey] string? idempotencyKey, CancellationToken ct)
    {
        var (chat, isReplay) = await chats.CreateAsync(new NewChat { UserId = userId, IdempotencyKey = idempotencyKey }, ct);
        if (isReplay)
            IdempotencyKeyAttribute.MarkReplayed(Response);
        return Ok(chat.ToResponse());
    }

    /// <summary>Send a message and get the reply</summary>
    /// <remarks>
    /// With `"stream": true` the reply comes as plain text while it is written, or as the events of `POST /chat` where the header `Accept`
    /// asks for `text/event-stream`. Plain text cannot say that it is not whole: when the run fails in the middle, the connection is broken
    /// off, so that the body has no proper end; a reply that somebody cancels ends there. The headers come with the first text, or after some
    /// seconds without any. A client that loses the connection loses nothing: the reply is written and stored all the same, and `X-Chat-Id`,
    /// `X-Message-Id` and `X-Run-Id`, which errors have as well, lead to it.
    /// </remarks>
    /// <response code="200">The reply, whole or while it is written.</response>
    [HttpPost("/conversation/completion/{id}", Name = "completeConversation")]
    [Problems(Errors.Problem.ChatNotFound, IdempotencyKey.Reused, ConflictException.ChatBusy, BudgetExceededException.BudgetExceeded), RunProblems]
    [ProducesResponseType<ChatAiMessageResponse>(StatusCodes.Status200OK), EventStream]
    [TextAnswer(PlainTextResult.ContentType, "The text of the reply, piece by piece.", Examples.Reply)]
    [AnswerHeader(StatusCodes.Status200OK, RunHeaders.RunId), AnswerHeader(StatusCodes.Status200OK, RunHeaders.MessageId)]
    [AnswerHeader(StatusCodes.Status200OK, RunHeaders.ChatId)]
    [AnswerHeader(StatusCodes.Status200OK, RateLimitHeaders.Policy), AnswerHeader(StatusCodes.Status200OK, RateLimitHeaders.Left)]
    [AnswerHeader(StatusCodes.Status200OK, IdempotencyKeyAttribute.ReplayedHeader)]
    public async Task<IActionResult> Complete(
        Guid id, [UserId] string userId, ChatAiCompletionRequest request, [IdempotencyKey] string? idempotencyKey, CancellationToken ct)
    {
        var run = await runs.StartAsync(request.ToCommand(userId, id, idempotencyKey), ct);
        if (run is null)
            return ProblemResult.NoSuchChat();

        RunHeaders.Announce(HttpContext, run, time);
        RunHeaders.AnnounceIds(HttpContext, run);
        return request.Stream ?? EventStreamResult.IsAskedFor(Request) ? Stream(run) : Ok((await run.WaitAsync(ct)).ToResponse());
    }

    /// <summary>List a user's conversations with their messages, the most recently updated first</summary>
    /// <remarks>
    /// A page of at most 100 conversations, or `limit` of them, each with all its messages that have text; a `Link` header leads to the next
    /// page.
    /// </remarks>
    /// <response code="200">One page of the user's conversations.</response>
    [HttpGet("/conversation", Name = "listConversationsWithMessages")]
    [ProducesResponseType<IEnumerable<ChatAiConversationResponse>>(StatusCodes.Status200OK), AnswerHeader(StatusCodes.Status200OK, "Link")]
    public async Task<IActionResult> List([UserId] string userId, [FromQuery] ListQuery query, CancellationToken ct)
    {
        var page = await chats.ListAsync(userId, query.Limit ?? ChatLimits.MostChats, query.ToCursor(), ct);
        ChatLinks.Announce(HttpContext, page.Next);
        HttpContext.AbortAtShutdown(executor);
        return Ok(chats.WithMessages(userId, page).ToResponse());
    }

    private RunStreamResult Stream(RunHandle run) => EventStreamResult.IsAskedFor(Request, PlainTextResult.ContentType)
        ? new EventStreamResult(run, after: 0, executor.Released)
        : new PlainTextResult(run, executor.Released);
}
