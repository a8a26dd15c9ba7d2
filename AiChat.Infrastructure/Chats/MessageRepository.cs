using System.Data.Common;
using System.Runtime.CompilerServices;
using AiChat.Core.Chats;
using AiChat.Infrastructure.Persistence;
using AiChat.Infrastructure.Persistence.Sqlite;
using Dapper;

namespace AiChat.Infrastructure.Chats;

public sealed class MessageRepository(SqliteDatabase database) : IMessageRepository
{
    // The owner's check does not depend on the message, so it is made once per statement.
    private const string PageBackwardsSql = """
        select id, sequence, role, content, tool_calls, status, model, run_id, created_at, updated_at
        from messages
        where chat_id = @ChatId and sequence > @After and sequence < @Before
          and exists (select 1 from chats where id = @ChatId and user_id = @UserId)
        order by sequence desc
        limit @Limit
        """;

    private const string PageForwardsSql = """
        select id, sequence, role, content, tool_calls, status, model, run_id, created_at, updated_at
        from messages
        where chat_id = @ChatId and sequence > @After and sequence < @Before
          and exists (select 1 from chats where id = @ChatId and user_id = @UserId)
        order by sequence
        limit @Limit
        """;

    private const string CountSql = "select message_count from chats where id = @ChatId and user_id = @UserId";

    public async Task<MessagePage?> GetPageAsync(
        string userId, string chatId, MessageRange range, int limit, CancellationToken cancellationToken)
    {
        var isForwards = range.After is not null;
        var parameters = new
        {
            ChatId = chatId,
            UserId = userId,
            After = range.After ?? 0,
            Before = range.Before ?? int.MaxValue,
            Limit = limit + 1,
        };

        using var lease = await database.RentReaderAsync(cancellationToken);
        var messages = await ReadAsync(
            lease.Connection, Statement.Of(isForwards ? PageForwardsSql : PageBackwardsSql, parameters, cancellationToken), chatId);
        if (messages.Count == 0 && await CountAsync(lease, userId, chatId, cancellationToken) is null)
            return null;

        var hasMore = messages.Count > limit;
        if (hasMore)
            messages.RemoveAt(limit);
        if (!isForwards)
            messages.Reverse();
        return new MessagePage
        {
            Messages = messages,
            HasOlder = isForwards ? messages.Count > 0 && messages[0].Sequence > 1 : hasMore,
            HasNewer = isForwards && hasMore,
        };
    }

    /// <summary>Row by row and by position: pages of messages are what is read most, and mapping by name boxes every number.</summary>
    private static async Task<List<Message>> ReadAsync(DbConnection connection, CommandDefinition command, string chatId)
    {
        var messages = new List<Message>();
        // Not DisposeAsync: Dapper's reader then keeps the command, and its statement is compiled again next time.
        using var row = await connection.ExecuteReaderAsync(command);
        while (await row.ReadAsync(command.CancellationToken))
        {
            messages.Add(new Message
            {
                Id = row.GetString(0),
                ChatId = chatId,
                Sequence = row.GetInt32(1),
                Role = StoredNames.ToRole(row.GetString(2)),
                Content = row.GetString(3),
                ToolCalls = row.GetTextOrNull(4),
                Status = StoredNames.ToMessageStatus(row.GetString(5)),
                Model = row.GetTextOrNull(6),
                RunId = row.GetTextOrNull(7),
                CreatedAt = row.GetInstant(8),
                UpdatedAt = row.GetInstant(9),
            });
        }

        return messages;
    }

    private static Task<int?> CountAsync(
        SqliteDatabase.ReaderLease reader, string userId, string chatId, CancellationToken cancellationToken) =>
        reader.Connection.ExecuteScalarAsync<int?>(
            Statement.Of(CountSql, new { ChatId = chatId, UserId = userId }, cancellationToken));

    /// <summary>With replies that were broken off: they are what the user has seen.</summary>
    private const string HistorySql = """
        select sequence, role, content
        from messages
        where chat_id = @ChatId and sequence < @Before and role in ('user', 'assistant')
          and status in ('completed', 'cancelled', 'incomplete') and content <> ''
          and exists (select 1 from chats where id = @ChatId and user_id = @UserId)
        order by sequence desc
        """;

    public async IAsyncEnumerable<HistoryMessage> ReadBackwardsAsync(
        string userId, string chatId, int beforeSequence, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var lease = await database.RentReaderAsync(cancellationToken);
        // Not DisposeAsync: Dapper's reader then keeps the command, and its statement is compiled again next time.
        using var rows = await lease.Connection.ExecuteReaderAsync(
            Statement.Of(HistorySql, new { ChatId = chatId, UserId = userId, Before = beforeSequence }, cancellationToken));
        while (await rows.ReadAsync(cancellationToken))
        {
            yield return new HistoryMessage
            {
                Sequence = rows.GetInt32(0),
                Role = StoredNames.ToRole(rows.GetString(1)),
                Content = rows.GetString(2),
            };
        }
    }
}
