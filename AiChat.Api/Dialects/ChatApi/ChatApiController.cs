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
using AiChat.Core.WebSearch;
using Microsoft.AspNetCore.Mvc;

namespace AiChat.Api.Dialects.ChatApi;

[ApiController]
[Tags(DialectTags.Chat)]
[Produces("application/json")]
[Problems(UnavailableException.DatabaseUnavailable)]
public sealed class ChatApiController(ChatService chats, RunService runs, RunExecutor executor, TimeProvider time) : ControllerBase
{
    /// <summary>List chats, the most recently updated first</summary>
    /// <remarks>
    /// All of them, or with `limit` a page and a `Link` header that leads to the next one. The slash at the end tells this route from
    /// `GET /chats`.
    /// </remarks>
    /// <response code="200">The chats.</response>
    [HttpGet("/chats/", Name = "listChatsAsArray"), TrailingSlash]
    [ProducesResponseType<IEnumerable<ChatApiChatResponse>>(StatusCodes.Status200OK), AnswerHeader(StatusCodes.Status200OK, "Link")]
    public async Task<IActionResult> List([UserId] string userId, [FromQuery] ListQuery query, CancellationToken ct)
    {
        if (query.IsWhole)
        {
            HttpContext.AbortAtShutdown(executor);
            return Ok(chats.StreamAsync(userId, ct).Select(c => c.ToChatApi()));
        }

        var page = await chats.ListAsync(userId, query.Limit ?? ChatLimits.UsualChats, query.ToCursor(), ct);
        ChatLinks.Announce(HttpContext, page.Next);
        return Ok(page.Chats.Select(c => c.ToChatApi()).ToArray());
    }

    /// <summary>Create a chat with a name</summary>
    /// <remarks>A request with an `Idempotency-Key` may be sent again as often as needed: one chat is made.</remarks>
    /// <response code="201">The new chat.</response>
    [HttpPost("/chats/create", Name = "createNamedChat")]
    [Problems(IdempotencyKey.Reused)]
    [ProducesResponseType<ChatApiChatResponse>(StatusCodes.Status201Created), AnswerHeader(StatusCodes.Status201Created, "Location")]
    [AnswerHeader(StatusCodes.Status201Created, IdempotencyKeyAttribute.ReplayedHeader)]
    public async Task<IActionResult> Create(
        ChatApiCreateRequest request, [UserId] string userId, [IdempotencyKey] string? idempotencyKey, CancellationToken ct)
    {
        var (chat, isReplay) = await chats.CreateAsync(request.ToCommand(userId, idempotencyKey), ct);
        if (isReplay)
            IdempotencyKeyAttribute.MarkReplayed(Response);
        return Created(chat.ToLocation(), chat.ToChatApi());
    }

    /// <summary>Rename a chat</summary>
    /// <remarks>With the time to note for the change, which lists are ordered by.</remarks>
    /// <response code="200">The chat as it is now.</response>
    [HttpPut("/chats/update/{id}", Name = "renameChat")]
    [Problems(Errors.Problem.ChatNotFound)]
    [ProducesResponseType<ChatApiChatResponse>(StatusCodes.Status200OK)]
    public async Task<IActionResult> Update(Guid id, [UserId] string userId, ChatApiUpdateRequest request, CancellationToken ct)
    {
        var chat = await chats.UpdateAsync(userId, id.ToString(), request.ToCommand(), ct);
        return chat is null ? ProblemResult.NoSuchChat() : Ok(chat.ToChatApi());
    }

    /// <summary>Delete a chat with all its messages, and get it once more</summary>
    /// <remarks>It cannot be undone. A reply that is being written is not stored any more.</remarks>
    /// <response code="200">The chat as it was.</response>
    [HttpDelete("/chats/delete/{id}", Name = "deleteAndGetChat")]
    [Problems(Errors.Problem.ChatNotFound)]
    [ProducesResponseType<ChatApiChatResponse>(StatusCodes.Status200OK)]
    public async Task<IActionResult> Delete(Guid id, [UserId] string userId, CancellationToken ct)
    {
        var chat = await chats.DeleteAsync(userId, id.ToString(), ct);
        return chat is null ? ProblemResult.NoSuchChat() : Ok(chat.ToChatApi());
    }

    /// <summary>Store a message, of a human or an assistant</summary>
    /// <remarks>No model is asked: `GET /conversations/inference/{id}` gets it answered.</remarks>
    /// <response code="201">The stored message.</response>
    [HttpPost("/conversations/create", Name = "createConversation")]
    [Problems(Errors.Problem.InvalidId, Errors.Problem.ChatNotFound, IdempotencyKey.Reused)]
    [ProducesResponseType<ChatApiConversationResponse>(StatusCodes.Status201Created)]
    [AnswerHeader(StatusCodes.Status201Created, IdempotencyKeyAttribute.ReplayedHeader)]
    public async Task<IActionResult> CreateConversation(
        ChatApiConversationRequest request, [UserId] string userId, [IdempotencyKey] string? idempotencyKey, CancellationToken ct)
    {
        if (await chats.AddMessageAsync(request.ToCommand(userId, idempotencyKey), ct) is not { } added)
            return ProblemResult.NoSuchChat();
        if (added.IsReplay)
            IdempotencyKeyAttribute.MarkReplayed(Response);
        return StatusCode(StatusCodes.Status201Created, added.Message.ToChatApi());
    }

    /// <summary>Get the last message of a human answered, as a stream of text</summary>
    /// <remarks>
    /// The first request starts the reply. Every other one gets the same reply, whether it is being written or has been stored long ago, by
    /// the model or by a client; only an attempt that gave no text is followed by another one. So the request may be sent again at any time.
    ///
    /// Unnamed events are the reply's text and nothing else: joined, they are the reply. A client that comes back with the id of the last
    /// event it saw, in `Last-Event-ID` (browsers send it by themselves) or `after`, gets the rest. `end` is the last event: it has the id of
    /// the stored reply and says whether that is whole.
    ///
    /// What fails before there is any text is answered with an error, unless that takes so long that the stream has begun by then: it does
    /// after some seconds without text, with comments.
    /// </remarks>
    /// <param name="id">The id of the chat, or of a message in it.</param>
    /// <param name="userId">The owner.</param>
    /// <param name="seen">The last event the client saw.</param>
    /// <param name="ct">Ends the answer, not the run.</param>
    /// <response code="200">The text as it comes, then the end.</response>
    /// <response code="204">The end was seen: there will be no more. Browsers stop reconnecting.</response>
    [HttpGet("/conversations/inference/{id}", Name = "inferConversation")]
    [Problems(Errors.Problem.ChatNotFound, Errors.Problem.InvalidEventId, ConflictException.ChatBusy, InvalidRequestException.NothingToAnswer)]
    [Problems(BudgetExceededException.BudgetExceeded), RunProblems]
    [ProducesResponseType(StatusCodes.Status200OK), TextAnswer(EventStreamResult.ContentType, ChatApiExamples.StreamDescription, ChatApiExamples.Stream)]
    [ProducesResponseType(StatusCodes.Status204NoContent)]
    [AnswerHeader(StatusCodes.Status200OK, RateLimitHeaders.Policy), AnswerHeader(StatusCodes.Status200OK, RateLimitHeaders.Left)]
    public Task<IActionResult> Inference(Guid id, [UserId] string userId, [EventId] SeenEvent seen, CancellationToken ct) =>
        Answer(id, userId, seen, webSearch: false, ct);

    /// <summary>Get the last message of a human answered from the web, as a stream of text</summary>
    /// <remarks>
    /// Like `GET /conversations/inference/{id}`. What the web says goes into the prompt; in front of the text an event `source` comes for
    /// each page, which the reply refers to as `[1]`.
    /// </remarks>
    /// <inheritdoc cref="Inference"/>
    [HttpGet("/conversations/inference_internet/{id}", Name = "inferConversationWithInternet")]
    [Problems(Errors.Problem.ChatNotFound, Errors.Problem.InvalidEventId, ConflictException.ChatBusy, InvalidRequestException.NothingToAnswer)]
    [Problems(BudgetExceededException.BudgetExceeded, WebSearchException.Unconfigured, WebSearchException.Failed), RunProblems]
    [ProducesResponseType(StatusCodes.Status200OK), TextAnswer(EventStreamResult.ContentType, ChatApiExamples.StreamDescription, ChatApiExamples.SourcedStream)]
    [ProducesResponseType(StatusCodes.Status204NoContent)]
    [AnswerHeader(StatusCodes.Status200OK, RateLimitHeaders.Policy), AnswerHeader(StatusCodes.Status200OK, RateLimitHeaders.Left)]
    public Task<IActionResult> InferenceInternet(Guid id, [UserId] string userId, [EventId] SeenEvent seen, CancellationToken ct) =>
        Answer(id, userId, seen, webSearch: true, ct);

    private async Task<IActionResult> Answer(Guid id, string userId, SeenEvent seen, bool webSearch, CancellationToken ct)
    {
        if (await chats.FindAsync(userId, id.ToString(), ct) is not { } chat)
            return ProblemResult.NoSuchChat();

        var command = new AnswerCommand { UserId = userId, ChatId = chat.Id, WebSearch = webSearch, IsReconnect = seen.Sequence > 0 };
        // Whoever comes back gets the rest of what they saw, even when the chat has gone on.
        var run = await FindSeenAsync(userId, chat.Id, seen, ct) ?? await runs.AnswerAsync(command, ct);
        if (run is null)
            return ProblemResult.NoSuchChat();

        RunHeaders.Announce(HttpContext, run, time);
        var after = seen.RunId is null || seen.RunId == run.RunId ? seen.Sequence : 0;
        return run.IsAtEnd(after) ? NoContent() : new InferenceResult(run, after, command.IsReconnect, executor.Released);
    }

    /// <summary>The run of the event, or the stored answer that took its place, where it is one of this chat; null otherwise.</summary>
    private async Task<RunHandle?> FindSeenAsync(string userId, string chatId, SeenEvent seen, CancellationToken ct)
    {
        if (seen.RunId is null)
            return null;
        if (await runs.FindAsync(userId, seen.RunId, ct) is { } run)
            return run.ChatId == chatId ? run : null;
        return await runs.FindStoredAnswerAsync(userId, chatId, seen.RunId, ct);
    }
}
