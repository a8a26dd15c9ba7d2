using System.Runtime.CompilerServices;
using AiChat.Core.Models;
using AiChat.Core.Runs;

namespace AiChat.Core.Chats;

/// <summary>Makes, shows, changes and removes a user's chats.</summary>
public sealed class ChatService(
    IChatRepository chats, IMessageRepository messages, ModelRegistry models, RunExecutor executor, TimeProvider time)
{
    /// <summary>How many messages are held at once while a whole chat is read.</summary>
    private const int StreamPageSize = 500;

    /// <exception cref="Errors.InvalidRequestException"><c>unknown_model</c>.</exception>
    public async Task<Chat> CreateAsync(NewChat request, CancellationToken cancellationToken)
    {
        RequireModel(request.Model);
        var chat = Build(request, time.GetUtcNow());
        await chats.CreateAsync(chat, cancellationToken);
        return chat;
    }

    /// <summary>Null when the user has no such chat.</summary>
    public Task<Chat?> GetAsync(string userId, string chatId, CancellationToken cancellationToken) =>
        chats.GetAsync(userId, chatId, cancellationToken);

    public Task<ChatPage> ListAsync(string userId, int limit, ChatCursor? after, CancellationToken cancellationToken) =>
        chats.ListAsync(userId, limit, after, cancellationToken);

    /// <summary>One page, oldest first; null when the user has no such chat.</summary>
    public Task<MessagePage?> GetMessagesAsync(
        string userId, string chatId, MessageRange range, int limit, CancellationToken cancellationToken) =>
        messages.GetPageAsync(userId, chatId, range, limit, cancellationToken);

    /// <summary>
    /// Every message of the range, oldest first, in constant memory; null when the user has no such chat. Read page by page, so a slow
    /// reader holds no transaction open.
    /// </summary>
    public async Task<IAsyncEnumerable<Message>?> StreamMessagesAsync(
        string userId, string chatId, MessageRange range, CancellationToken cancellationToken)
    {
        var first = await messages.GetPageAsync(userId, chatId, From(range, range.After ?? 0), StreamPageSize, cancellationToken);
        return first is null ? null : ReadOn(first, cancellationToken);

        async IAsyncEnumerable<Message> ReadOn(MessagePage page, [EnumeratorCancellation] CancellationToken ct)
        {
            while (true)
            {
                foreach (var message in page.Messages)
                    yield return message;
                if (!page.HasNewer)
                    yield break;
                // Null when the chat was deleted meanwhile: what was there has been shown.
                var next = await messages.GetPageAsync(userId, chatId, From(range, page.Messages[^1].Sequence), StreamPageSize, ct);
                if (next is null)
                    yield break;
                page = next;
            }
        }

        static MessageRange From(MessageRange range, int after) => range with { After = after };
    }

    /// <summary>The changed chat; null when the user has no such chat. Changing nothing leaves <see cref="Chat.UpdatedAt"/> as it was.</summary>
    /// <exception cref="Errors.InvalidRequestException"><c>unknown_model</c>.</exception>
    public Task<Chat?> UpdateAsync(string userId, string chatId, ChatChanges changes, CancellationToken cancellationToken)
    {
        RequireModel(changes.Model.Value);
        return changes.IsEmpty
            ? chats.GetAsync(userId, chatId, cancellationToken)
            : chats.UpdateAsync(userId, chatId, changes, time.GetUtcNow(), cancellationToken);
    }

    /// <summary>Removes the chat with its messages and stops its replies; false when the user has no such chat.</summary>
    public async Task<bool> DeleteAsync(string userId, string chatId, CancellationToken cancellationToken)
    {
        if (!await chats.DeleteAsync(userId, chatId, cancellationToken))
            return false;
        executor.AbandonChat(chatId);
        return true;
    }

    /// <summary>A chat as it will be stored.</summary>
    internal static Chat Build(NewChat request, DateTimeOffset now) => new()
    {
        Id = Guid.CreateVersion7(now).ToString(),
        UserId = request.UserId,
        Title = request.Title,
        Model = request.Model,
        SystemPrompt = request.SystemPrompt,
        Metadata = request.Metadata,
        CreatedAt = now,
        UpdatedAt = now,
    };

    private void RequireModel(string? alias)
    {
        if (alias is not null)
            models.Get(alias);
    }
}
