using AiChat.Api.Errors;
using AiChat.Core.Chats;
using Microsoft.AspNetCore.Mvc;

namespace AiChat.Api.Chats;

[ApiController]
[Tags("Chats")]
[Produces("application/json")]
public sealed class ChatsController(ChatService chats, IHostApplicationLifetime lifetime) : ControllerBase
{
    /// <summary>Create a chat</summary>
    [HttpPost("/chats", Name = "createChat")]
    [ProducesResponseType<ChatResponse>(StatusCodes.Status201Created)]
    public async Task<IActionResult> Create(CreateChatRequest request, CancellationToken ct)
    {
        var chat = await chats.CreateAsync(request.ToCommand(), ct);
        return Created("/chats/" + chat.Id, chat.ToResponse());
    }

    /// <summary>List a user's chats, the most recently updated first</summary>
    [HttpGet("/chats", Name = "listChats")]
    [ProducesResponseType<ChatListResponse>(StatusCodes.Status200OK)]
    public async Task<IActionResult> List([UserId] string userId, [FromQuery] ListChatsQuery query, CancellationToken ct)
    {
        var page = await chats.ListAsync(userId, query.Limit, query.ToCursor(), ct);
        return Ok(page.ToResponse());
    }

    /// <summary>Get a chat</summary>
    [HttpGet("/chats/{id}", Name = "getChat")]
    [ProducesResponseType<ChatResponse>(StatusCodes.Status200OK)]
    public async Task<IActionResult> Get(Guid id, [UserId] string userId, CancellationToken ct)
    {
        var chat = await chats.GetAsync(userId, id.ToString(), ct);
        return chat is null ? ProblemResult.NoSuchChat() : Ok(chat.ToResponse());
    }

    /// <summary>List the messages of a chat, the oldest first</summary>
    [HttpGet("/chats/{id}/messages", Name = "listMessages")]
    [ProducesResponseType<IEnumerable<MessageResponse>>(StatusCodes.Status200OK)]
    public Task<IActionResult> Messages(Guid id, [UserId] string userId, [FromQuery] ListMessagesQuery query, CancellationToken ct) =>
        query.Limit is { } limit
            ? MessagePage(id.ToString(), userId, query, limit, ct)
            : AllMessages(id.ToString(), userId, query, ct);

    /// <summary>Change a chat's title, model, system prompt or metadata</summary>
    [HttpPatch("/chats/{id}", Name = "updateChat")]
    [ProducesResponseType<ChatResponse>(StatusCodes.Status200OK)]
    public async Task<IActionResult> Update(Guid id, [UserId] string userId, UpdateChatRequest request, CancellationToken ct)
    {
        var chat = await chats.UpdateAsync(userId, id.ToString(), request.ToCommand(), ct);
        return chat is null ? ProblemResult.NoSuchChat() : Ok(chat.ToResponse());
    }

    /// <summary>Delete a chat with all its messages</summary>
    [HttpDelete("/chats/{id}", Name = "deleteChat")]
    [ProducesResponseType(StatusCodes.Status204NoContent)]
    public async Task<IActionResult> Delete(Guid id, [UserId] string userId, CancellationToken ct) =>
        await chats.DeleteAsync(userId, id.ToString(), ct) ? NoContent() : ProblemResult.NoSuchChat();

    private async Task<IActionResult> MessagePage(string chatId, string userId, ListMessagesQuery query, int limit, CancellationToken ct)
    {
        var page = await chats.GetMessagesAsync(userId, chatId, query.ToRange(), limit, ct);
        if (page is null)
            return ProblemResult.NoSuchChat();

        if (PageLinks.Create(Request, page, limit) is { Length: > 0 } links)
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

        // A reader that has stopped reading must not hold up the shutdown.
        Response.RegisterForDispose(lifetime.ApplicationStopping.Register(HttpContext.Abort));
        return Ok(messages.Select(m => m.ToResponse()));
    }
}
