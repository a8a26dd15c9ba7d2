using AiChat.Api.Errors;
using AiChat.Api.OpenApi;
using AiChat.Api.Runs;
using AiChat.Core.Chats;
using AiChat.Core.Errors;
using AiChat.Core.Idempotency;
using AiChat.Core.Runs;
using Microsoft.AspNetCore.Mvc;

namespace AiChat.Api.Chats;

[ApiController]
[Tags("Chats")]
[Produces("application/json")]
[Problems(UnavailableException.DatabaseUnavailable)]
public sealed class ChatsController(ChatService chats, RunExecutor executor) : ControllerBase
{
    /// <summary>Create a chat</summary>
    /// <remarks>Every field may be left out. A chat is also created by sending a message without <c>chat_id</c>.</remarks>
    /// <response code="201">The new chat.</response>
    [HttpPost("/chats", Name = "createChat")]
    [Problems(Errors.Problem.UnknownModel, IdempotencyKey.Reused)]
    [ProducesResponseType<ChatResponse>(StatusCodes.Status201Created), AnswerHeader(StatusCodes.Status201Created, "Location")]
    [AnswerHeader(StatusCodes.Status201Created, IdempotencyKeyAttribute.ReplayedHeader)]
    public async Task<IActionResult> Create(CreateChatRequest request, [IdempotencyKey] string? idempotencyKey, CancellationToken ct)
    {
        var (chat, isReplay) = await chats.CreateAsync(request.ToCommand(idempotencyKey), ct);
        if (isReplay)
            IdempotencyKeyAttribute.MarkReplayed(Response);
        return Created(chat.ToLocation(), chat.ToResponse());
    }

    /// <summary>List a user's chats, the most recently updated first</summary>
    /// <remarks>A page at a time: give the <c>next_cursor</c> of an answer as <c>cursor</c> for the page after it.</remarks>
    /// <response code="200">One page of the user's chats.</response>
    [HttpGet("/chats", Name = "listChats")]
    [ProducesResponseType<ChatListResponse>(StatusCodes.Status200OK)]
    public async Task<IActionResult> List([UserId] string userId, [FromQuery] ListChatsQuery query, CancellationToken ct)
    {
        var page = await chats.ListAsync(userId, query.Limit, query.ToCursor(), ct);
        return Ok(page.ToResponse());
    }

    /// <summary>Get a chat</summary>
    /// <remarks>The chat without its messages; <c>message_count</c> says how many there are.</remarks>
    /// <response code="200">The chat.</response>
    [HttpGet("/chats/{id}", Name = "getChat")]
    [Problems(Errors.Problem.ChatNotFound)]
    [ProducesResponseType<ChatResponse>(StatusCodes.Status200OK)]
    public async Task<IActionResult> Get(Guid id, [UserId] string userId, CancellationToken ct)
    {
        var chat = await chats.GetAsync(userId, id.ToString(), ct);
        return chat is null ? ProblemResult.NoSuchChat() : Ok(chat.ToResponse());
    }

    /// <summary>List the messages of a chat, the oldest first</summary>
    /// <remarks>
    /// Without <c>limit</c> all of them. With it the newest, or those right before <c>before</c> or right after <c>after</c>, and a
    /// <c>Link</c> header that leads to the pages beside them.
    /// </remarks>
    /// <response code="200">The messages.</response>
    [HttpGet("/chats/{id}/messages", Name = "listMessages"), Tags("Messages")]
    [ProducesResponseType<IEnumerable<MessageResponse>>(StatusCodes.Status200OK), AnswerHeader(StatusCodes.Status200OK, "Link")]
    [Problems(Errors.Problem.ChatNotFound)]
    public Task<IActionResult> Messages(Guid id, [UserId] string userId, [FromQuery] ListMessagesQuery query, CancellationToken ct) =>
        query.Limit is { } limit
            ? MessagePage(id.ToString(), userId, query, limit, ct)
            : AllMessages(id.ToString(), userId, query, ct);

    /// <summary>Change a chat's title, model, system prompt or metadata</summary>
    /// <remarks>A field that is left out stays as it is; one that is null is emptied.</remarks>
    /// <response code="200">The chat as it is now.</response>
    [HttpPatch("/chats/{id}", Name = "updateChat")]
    [Problems(Errors.Problem.ChatNotFound, Errors.Problem.UnknownModel)]
    [ProducesResponseType<ChatResponse>(StatusCodes.Status200OK)]
    public async Task<IActionResult> Update(Guid id, [UserId] string userId, UpdateChatRequest request, CancellationToken ct)
    {
        var chat = await chats.UpdateAsync(userId, id.ToString(), request.ToCommand(), ct);
        return chat is null ? ProblemResult.NoSuchChat() : Ok(chat.ToResponse());
    }

    /// <summary>Delete a chat with all its messages</summary>
    /// <remarks>It cannot be undone. A reply that is being written is not stored any more.</remarks>
    /// <response code="204">The chat is gone.</response>
    [HttpDelete("/chats/{id}", Name = "deleteChat")]
    [Problems(Errors.Problem.ChatNotFound)]
    [ProducesResponseType(StatusCodes.Status204NoContent)]
    public async Task<IActionResult> Delete(Guid id, [UserId] string userId, CancellationToken ct) =>
        await chats.DeleteAsync(userId, id.ToString(), ct) is null ? ProblemResult.NoSuchChat() : NoContent();

    private async Task<IActionResult> MessagePage(string chatId, string userId, ListMessagesQuery query, int limit, CancellationToken ct)
    {
        var page = await chats.GetMessagesAsync(userId, chatId, query.ToRange(), limit, ct);
        if (page is null)
            return ProblemResult.NoSuchChat();

        if (PageLinks.Create(Request, page, query) is { Length: > 0 } links)
            Response.Headers.Link = links;
        var messages = new MessageResponse[page.Messages.Count];
        for (var i = 0; i < messages.Length; i++)
            messages[i] = page.Messages[i].ToResponse();
        return Ok(messages);
    }

    private async Task<IActionResult> AllMessages(string chatId, string userId, ListMessagesQuery query, CancellationToken ct)
    {
        var messages = await chats.StreamMessagesAsync(userId, chatId, query.ToRange(), ct);
        if (messages is null)
            return ProblemResult.NoSuchChat();

        HttpContext.AbortAtShutdown(executor);
        return Ok(messages.Select(m => m.ToResponse()));
    }
}
