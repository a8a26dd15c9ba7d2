using AiChat.Api.Chats;
using AiChat.Api.Errors;
using AiChat.Api.OpenApi;
using AiChat.Api.Runs;
using AiChat.Core.Chats;
using AiChat.Core.Errors;
using AiChat.Core.Idempotency;
using AiChat.Core.Runs;
using Microsoft.AspNetCore.Mvc;

namespace AiChat.Api.Dialects.ChatHistory;

[ApiController]
[Tags(DialectTags.ChatHistory)]
[Produces("application/json")]
[Problems(UnavailableException.DatabaseUnavailable)]
[FastApiErrors(NotFound = "Conversation not found", DatabaseFailure = StatusCodes.Status500InternalServerError)]
public sealed class ChatHistoryController(ChatService chats, RunExecutor executor) : ControllerBase
{
    /// <summary>Get a user's conversation, or create one</summary>
    /// <remarks>The most recently updated conversation of the user. A new one is made when there is none; however many ask at once, one.</remarks>
    /// <response code="200">The conversation.</response>
    [HttpPost("/conversations", Name = "getOrCreateConversation")]
    [ProducesResponseType<HistoryConversationResponse>(StatusCodes.Status200OK)]
    public async Task<IActionResult> GetOrCreate([FromQuery] HistoryUserQuery query, CancellationToken ct)
    {
        var chat = await chats.GetNewestOrCreateAsync(query.UserId!, ct);
        return Ok(chat.ToHistory());
    }

    /// <summary>Add a message to a conversation</summary>
    /// <remarks>
    /// The message is stored, no model is asked. Its fields stand in the body, in the query, or in both; what the body does not give is taken
    /// from the query. Use the body: what stands in a query is kept by the logs of proxies and by histories of browsers.
    /// </remarks>
    /// <response code="200">The stored message.</response>
    [HttpPost("/conversations/{id}/messages", Name = "addConversationMessage")]
    [Problems(Errors.Problem.ChatNotFound, IdempotencyKey.Reused)]
    [ProducesResponseType<HistoryMessageResponse>(StatusCodes.Status200OK)]
    [AnswerHeader(StatusCodes.Status200OK, IdempotencyKeyAttribute.ReplayedHeader)]
    public async Task<IActionResult> AddMessage(
        Guid id, [FromQuery] HistoryOwnerQuery owner, [QueryOrBody] HistoryMessageRequest request, [IdempotencyKey] string? idempotencyKey,
        CancellationToken ct)
    {
        if (await FindOwnerAsync(id, owner, ct) is not { } userId
            || await chats.AddMessageAsync(request.ToCommand(userId, id, idempotencyKey), ct) is not { } added)
            return ProblemResult.NoSuchChat();
        if (added.IsReplay)
            IdempotencyKeyAttribute.MarkReplayed(Response);
        return Ok(added.Message.ToHistory());
    }

    /// <summary>List the messages of a conversation, the oldest first</summary>
    /// <remarks>
    /// Without `limit` all of them. With it the newest, or those right before `before` or right after `after`, and a `Link` header that
    /// leads to the pages beside them. Messages with neither text nor calls of tools are left out, such as replies that failed; a page then
    /// has fewer.
    /// </remarks>
    /// <response code="200">The messages.</response>
    [HttpGet("/conversations/{id}/messages", Name = "listConversationMessages")]
    [Problems(Errors.Problem.ChatNotFound)]
    [ProducesResponseType<HistoryMessageListResponse>(StatusCodes.Status200OK), AnswerHeader(StatusCodes.Status200OK, "Link")]
    public async Task<IActionResult> Messages(
        Guid id, [FromQuery] HistoryOwnerQuery owner, [FromQuery] ListMessagesQuery query, CancellationToken ct)
    {
        if (await FindOwnerAsync(id, owner, ct) is not { } userId)
            return ProblemResult.NoSuchChat();
        return query.Limit is { } limit ? await MessagePage(id, userId, query, limit, ct) : await AllMessages(id, userId, query, ct);
    }

    /// <summary>List a user's conversations, the most recently updated first</summary>
    /// <remarks>All of them, or with `limit` a page and a `Link` header that leads to the next one. A user nobody knows has none.</remarks>
    /// <param name="userId">The owner of the conversations.</param>
    /// <param name="query">Which part of the list.</param>
    /// <param name="ct">Ends the answer.</param>
    /// <response code="200">The user's conversations.</response>
    [HttpGet("/users/{user_id}/conversations", Name = "listUserConversations")]
    [ProducesResponseType<HistoryConversationListResponse>(StatusCodes.Status200OK), AnswerHeader(StatusCodes.Status200OK, "Link")]
    public async Task<IActionResult> Conversations([PathUserId] string userId, [FromQuery] ListQuery query, CancellationToken ct)
    {
        if (query.IsWhole)
            return Stream(new HistoryConversationStream { UserId = userId, Conversations = chats.StreamAsync(userId, ct).Select(c => c.ToHistory()) });

        var page = await chats.ListAsync(userId, query.Limit ?? ChatLimits.UsualChats, query.ToCursor(), ct);
        ChatLinks.Announce(HttpContext, page.Next, $"/users/{Uri.EscapeDataString(userId)}/conversations");
        return Ok(page.ToHistory(userId));
    }

    /// <summary>
    /// Whose conversation it must be; null when there is none of this id. The document names no user where it names a conversation: the id,
    /// which nobody can guess, lets in whoever knows it. A user who is named must be the owner, as everywhere else.
    /// </summary>
    private async Task<string?> FindOwnerAsync(Guid id, HistoryOwnerQuery owner, CancellationToken ct) =>
        owner.UserId ?? await chats.FindOwnerAsync(id.ToString(), ct);

    private async Task<IActionResult> MessagePage(Guid id, string userId, ListMessagesQuery query, int limit, CancellationToken ct)
    {
        var page = await chats.GetMessagesAsync(userId, id.ToString(), query.ToRange(), limit, ct);
        if (page is null)
            return ProblemResult.NoSuchChat();

        if (PageLinks.Create(Request, page, query) is { Length: > 0 } links)
            Response.Headers.Link = links;
        return Ok(page.ToHistory(id));
    }

    private async Task<IActionResult> AllMessages(Guid id, string userId, ListMessagesQuery query, CancellationToken ct)
    {
        var messages = await chats.StreamMessagesAsync(userId, id.ToString(), query.ToRange(), ct);
        return messages is null
            ? ProblemResult.NoSuchChat()
            : Stream(new HistoryMessageStream { ConversationId = id.ToString(), Messages = messages.ToHistory() });
    }

    private OkObjectResult Stream(object answer)
    {
        HttpContext.AbortAtShutdown(executor);
        return Ok(answer);
    }
}
