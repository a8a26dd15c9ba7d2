using AiChat.Core.Idempotency;

namespace AiChat.Core.Chats;

/// <summary>Stores messages. Those of runs are written by them (see <c>IRunRepository</c>).</summary>
public interface IMessageRepository
{
    /// <summary>Puts a message with this id behind the others of its chat, and claims the key with it.</summary>
    Task<MessageAdmission> AddAsync(
        string id, NewMessage message, IdempotencyKey? key, DateTimeOffset now, CancellationToken cancellationToken);

    /// <summary>Null when the user has no such message.</summary>
    Task<Message?> GetAsync(string userId, string messageId, CancellationToken cancellationToken);

    /// <summary>
    /// At most <paramref name="limit"/> messages of the range, oldest first: the oldest ones when <see cref="MessageRange.After"/> is
    /// given, else the newest ones. Null when the user has no such chat.
    /// </summary>
    Task<MessagePage?> GetPageAsync(string userId, string chatId, MessageRange range, int limit, CancellationToken cancellationToken);

    /// <summary>
    /// At most <paramref name="limit"/> messages of the user's chats from one place in the list of chats to another, both inclusive: in the
    /// order of that list, and the oldest of each chat first. A chat that was updated meanwhile has left its place.
    /// </summary>
    /// <param name="userId">The owner.</param>
    /// <param name="first">The chat to begin with.</param>
    /// <param name="after">Only messages of that first chat with a greater sequence.</param>
    /// <param name="last">The chat to end with.</param>
    /// <param name="limit">Most messages.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    Task<IReadOnlyList<Message>> GetPageOfChatsAsync(
        string userId, ChatCursor first, int after, ChatCursor last, int limit, CancellationToken cancellationToken);

    /// <summary>
    /// Messages that have content or tool calls, and all results of tools, from just before <paramref name="beforeSequence"/> backwards;
    /// replies that were cancelled or broken off are among them. Rows are read as they are asked for: whoever stops early has not paid for
    /// the rest. Enumerate at once and to an end, a connection is held meanwhile.
    /// </summary>
    IAsyncEnumerable<HistoryMessage> ReadBackwardsAsync(string userId, string chatId, int beforeSequence, CancellationToken cancellationToken);
}
