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

namespace AiChat.Api.Dialects.CreateChat;

[ApiController]
[Tags(DialectTags.CreateChat)]
[Produces("application/json")]
[FastApiErrors(NotFound = NotFoundDetail, MessageField = "text")]
[Problems(UnavailableException.DatabaseUnavailable)]
public sealed class CreateChatController(ChatService chats, RunService runs, RunExecutor executor, TimeProvider time) : ControllerBase
{
    public const string Deleted = "Chat deleted successfully";

    private const string NotFoundDetail = "Chat not found";

    /// <summary>Create a chat with its first message, and get the reply</summary>
    /// <remarks>
    /// The answer is an array of the chat's id and a message: the reply to what a `user` says, else the message that was stored. When no
    /// reply comes, the chat and its message are there nevertheless, and the headers of the error name the run.
    /// </remarks>
    /// <response code="200">The chat's id and the message.</response>
    [HttpPost("/create_chat", Name = "createChatWithMessage")]
    [FastApiErrors(NotFound = NotFoundDetail, MessageField = "first_message.text")]
    [Problems(IdempotencyKey.Reused, ConflictException.ChatBusy, BudgetExceededException.BudgetExceeded), RunProblems]
    [ProducesResponseType<StartedChatResponse>(StatusCodes.Status200OK), AnswerHeader(StatusCodes.Status200OK, IdempotencyKeyAttribute.ReplayedHeader)]
    [AnswerHeader(StatusCodes.Status200OK, RateLimitHeaders.Policy), AnswerHeader(StatusCodes.Status200OK, RateLimitHeaders.Left)]
    [AnswerHeader(StatusCodes.Status200OK, RunHeaders.RunId), AnswerHeader(StatusCodes.Status200OK, RunHeaders.MessageId)]
    [AnswerHeader(StatusCodes.Status200OK, RunHeaders.ChatId)]
    public Task<IActionResult> Create(
        [UserId] string userId, StartChatRequest request, [IdempotencyKey] string? idempotencyKey, CancellationToken ct) =>
        request.FirstMessage!.IsQuestion()
            ? Answer(request.ToSend(userId, idempotencyKey), reply => new StartedChatResponse(reply.ChatId, reply.ToResponse()), ct)
            : Store(request, userId, idempotencyKey, ct);

    /// <summary>Add a message to a chat, and get the reply</summary>
    /// <remarks>
    /// What a `user` says is answered; a message of another role is stored and comes back as it is. When no reply comes, the message is stored
    /// nevertheless, and the headers of the error name the run.
    /// </remarks>
    /// <response code="200">The reply, or the stored message.</response>
    [HttpPost("/add_message_to_chat/{id}", Name = "addMessageToChat")]
    [Problems(Errors.Problem.ChatNotFound, IdempotencyKey.Reused, ConflictException.ChatBusy, BudgetExceededException.BudgetExceeded), RunProblems]
    [ProducesResponseType<TextMessageResponse>(StatusCodes.Status200OK), AnswerHeader(StatusCodes.Status200OK, IdempotencyKeyAttribute.ReplayedHeader)]
    [AnswerHeader(StatusCodes.Status200OK, RateLimitHeaders.Policy), AnswerHeader(StatusCodes.Status200OK, RateLimitHeaders.Left)]
    [AnswerHeader(StatusCodes.Status200OK, RunHeaders.RunId), AnswerHeader(StatusCodes.Status200OK, RunHeaders.MessageId)]
    [AnswerHeader(StatusCodes.Status200OK, RunHeaders.ChatId)]
    public Task<IActionResult> AddMessage(
        Guid id, [UserId] string userId, TextMessageRequest request, [IdempotencyKey] string? idempotencyKey, CancellationToken ct) =>
        request.IsQuestion()
            ? Answer(request.ToSend(userId, id, idempotencyKey), reply => reply.ToResponse(), ct)
            : Store(request.ToMessage(userId, id, idempotencyKey), ct);

    /// <summary>List the messages of a chat, the oldest first</summary>
    /// <remarks>All of them that have text; of a reply that is being written, as much as there is.</remarks>
    /// <response code="200">The messages.</response>
    [HttpGet("/get_chat/{id}", Name = "getTextsOfChat")]
    [Problems(Errors.Problem.ChatNotFound)]
    [ProducesResponseType<IEnumerable<TextMessageResponse>>(StatusCodes.Status200OK)]
    public async Task<IActionResult> Get(Guid id, [UserId] string userId, CancellationToken ct)
    {
        var messages = await chats.StreamMessagesAsync(userId, id.ToString(), default, ct);
        if (messages is null)
            return ProblemResult.NoSuchChat();

        HttpContext.AbortAtShutdown(executor);
        return Ok(messages.ToResponse());
    }

    /// <summary>List the ids of a user's chats, the most recently updated first</summary>
    /// <remarks>All of them, or with <c>limit</c> a page at a time and a <c>Link</c> header that leads to the next one.</remarks>
    /// <response code="200">The ids.</response>
    [HttpGet("/list_chats", Name = "listChatIds")]
    [ProducesResponseType<IEnumerable<string>>(StatusCodes.Status200OK), AnswerHeader(StatusCodes.Status200OK, "Link")]
    public async Task<IActionResult> List([UserId] string userId, [FromQuery] ListQuery query, CancellationToken ct)
    {
        if (query.IsWhole)
        {
            HttpContext.AbortAtShutdown(executor);
            return Ok(chats.StreamAsync(userId, ct).Select(c => c.Id));
        }

        var page = await chats.ListAsync(userId, query.Limit ?? ChatLimits.UsualChats, query.ToCursor(), ct);
        ChatLinks.Announce(HttpContext, page.Next);
        return Ok(page.Chats.Select(c => c.Id).ToArray());
    }

    /// <summary>Delete a chat with all its messages</summary>
    /// <remarks>It cannot be undone. A reply that is being written is not stored any more.</remarks>
    /// <response code="200">The chat is gone.</response>
    [HttpDelete("/delete_chat/{id}", Name = "deleteChatAndSaySo")]
    [Problems(Errors.Problem.ChatNotFound)]
    [ProducesResponseType<DeletedChatResponse>(StatusCodes.Status200OK)]
    public async Task<IActionResult> Delete(Guid id, [UserId] string userId, CancellationToken ct) =>
        await chats.DeleteAsync(userId, id.ToString(), ct) is null ? ProblemResult.NoSuchChat() : Ok(new DeletedChatResponse { Detail = Deleted });

    private async Task<IActionResult> Answer(SendCommand message, Func<RunResult, object> toResponse, CancellationToken ct)
    {
        var run = await runs.StartAsync(message, ct);
        if (run is null)
            return ProblemResult.NoSuchChat();

        RunHeaders.Announce(HttpContext, run, time);
        RunHeaders.AnnounceIds(HttpContext, run);
        return Ok(toResponse(await run.WaitAsync(ct)));
    }

    private async Task<IActionResult> Store(StartChatRequest request, string userId, string? idempotencyKey, CancellationToken ct)
    {
        var (chat, isReplay) = await chats.CreateAsync(request.ToChat(userId, idempotencyKey), ct);
        if (isReplay)
            IdempotencyKeyAttribute.MarkReplayed(Response);
        return Ok(new StartedChatResponse(chat.Id, request.FirstMessage!.ToResponse()));
    }

    private async Task<IActionResult> Store(NewMessage message, CancellationToken ct)
    {
        if (await chats.AddMessageAsync(message, ct) is not { } added)
            return ProblemResult.NoSuchChat();
        if (added.IsReplay)
            IdempotencyKeyAttribute.MarkReplayed(Response);
        return Ok(added.Message.ToResponse());
    }
}
