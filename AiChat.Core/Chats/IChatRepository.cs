using AiChat.Core.Idempotency;

namespace AiChat.Core.Chats;

/// <summary>Stores chats. Every method sees only the chats of the given user: another user's chat is not there.</summary>
public interface IChatRepository
{
    /// <summary>
    /// Stores a new chat and claims the key with it. Returns the earlier request, with nothing stored, when the key is taken; null otherwise.
    /// </summary>
    Task<KeyedRequest?> CreateAsync(Chat chat, IdempotencyKey? key, CancellationToken cancellationToken);

    /// <summary>The same, with the first message of the chat.</summary>
    /// <inheritdoc cref="CreateAsync(Chat, IdempotencyKey?, CancellationToken)"/>
    Task<KeyedRequest?> CreateAsync(Chat chat, Message message, IdempotencyKey? key, CancellationToken cancellationToken);

    /// <summary>Null when there is no such chat.</summary>
    Task<Chat?> GetAsync(string userId, string chatId, CancellationToken cancellationToken);

    /// <summary>The user's chat with the newest <see cref="Chat.UpdatedAt"/>; when there is none, the given one is stored and returned.</summary>
    Task<Chat> GetNewestOrCreateAsync(Chat chat, CancellationToken cancellationToken);

    /// <summary>Whose chat it is, for clients that name a chat and no user; null when there is no such chat.</summary>
    Task<string?> FindOwnerAsync(string chatId, CancellationToken cancellationToken);

    /// <summary>Newest <see cref="Chat.UpdatedAt"/> first, from just after <paramref name="after"/>; from the start when it is null.</summary>
    Task<ChatPage> ListAsync(string userId, int limit, ChatCursor? after, CancellationToken cancellationToken);

    /// <summary>
    /// The changed chat; null when there is no such chat. Its <see cref="Chat.UpdatedAt"/> is <paramref name="now"/>, unless the changes say
    /// otherwise.
    /// </summary>
    Task<Chat?> UpdateAsync(string userId, string chatId, ChatChanges changes, DateTimeOffset now, CancellationToken cancellationToken);

    /// <summary>
    /// Names a chat that has no title; its place in the list stays. False when there is no such chat, or it has a title by now.
    /// </summary>
    Task<bool> SetTitleAsync(string userId, string chatId, string title, CancellationToken cancellationToken);

    /// <summary>Removes the chat with its messages and runs, and returns it as it was; null when there is no such chat.</summary>
    Task<Chat?> DeleteAsync(string userId, string chatId, CancellationToken cancellationToken);
}
