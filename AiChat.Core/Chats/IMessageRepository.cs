namespace AiChat.Core.Chats;

/// <summary>Reads messages. They are written by runs (see <c>IRunRepository</c>).</summary>
public interface IMessageRepository
{
    /// <summary>
    /// At most <paramref name="limit"/> messages of the range, oldest first: the oldest ones when <see cref="MessageRange.After"/> is
    /// given, else the newest ones. Null when the user has no such chat.
    /// </summary>
    Task<MessagePage?> GetPageAsync(string userId, string chatId, MessageRange range, int limit, CancellationToken cancellationToken);

    /// <summary>
    /// Messages of the user and the model that have content, from just before <paramref name="beforeSequence"/> backwards; replies that were
    /// cancelled or broken off are among them. Rows are read as they are asked for: whoever stops early has not paid for the rest. Enumerate
    /// at once and to an end, a connection is held meanwhile.
    /// </summary>
    IAsyncEnumerable<HistoryMessage> ReadBackwardsAsync(string userId, string chatId, int beforeSequence, CancellationToken cancellationToken);
}
