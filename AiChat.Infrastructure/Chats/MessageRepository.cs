using System.Data.Common;
using System.Runtime.CompilerServices;
using AiChat.Core.Chats;
using AiChat.Core.Idempotency;
using AiChat.Infrastructure.Idempotency;
using AiChat.Infrastructure.Persistence;
using AiChat.Infrastructure.Persistence.Sqlite;
using Dapper;

namespace AiChat.Infrastructure.Chats;

public sealed class MessageRepository(SqliteDatabase database) : IMessageRepository
{
    private const string EnterSql = """
        update chats set message_count = message_count + 1, updated_at = @Now
        where id = @ChatId and user_id = @UserId
        returning message_count
        """;

    private const string InsertSql = """
        insert into messages (chat_id, sequence, id, role, content, tool_calls, status, created_at, updated_at)
        values (@ChatId, @Sequence, @Id, @Role, @Content, @ToolCalls, 'completed', @CreatedAt, @CreatedAt)
        """;

    public Task<MessageAdmission> AddAsync(
        string id, NewMessage message, IdempotencyKey? key, DateTimeOffset now, CancellationToken cancellationToken) =>
        database.WriteAsync<MessageAdmission>(async connection =>
    {
        if (key is not null && await IdempotencyRepository.ClaimAsync(connection, key, id, now) is { } earlier)
            return new MessageAdmission.KeyTaken(earlier);
        if (await connection.ExecuteScalarAsync<int?>(Statement.Of(EnterSql, new { message.ChatId, message.UserId, Now = now })) is not { } sequence)
        {
            if (key is not null)
                await IdempotencyRepository.ReleaseAsync(connection, key);
            return new MessageAdmission.NoSuchChat();
        }

        var stored = new Message
        {
            Id = id,
            ChatId = message.ChatId,
            Sequence = sequence,
            Role = message.Role,
            Content = message.Content,
            ToolCalls = message.ToolCalls,
            Status = MessageStatus.Completed,
            CreatedAt = now,
            UpdatedAt = now,
        };
        await InsertAsync(connection, stored);
        return new MessageAdmission.Accepted(stored);
    });

    /// <summary>Stores a whole message that no run has written; its chat counts it already.</summary>
    internal static Task InsertAsync(DbConnection connection, Message message) => connection.ExecuteAsync(Statement.Of(InsertSql, new
    {
        message.ChatId,
        message.Sequence,
        message.Id,
        Role = StoredNames.ToName(message.Role),
        message.Content,
        message.ToolCalls,
        message.CreatedAt,
    }));

    private const string FindSql = """
        select m.chat_id, m.sequence from messages m join chats c on c.id = m.chat_id where m.id = @MessageId and c.user_id = @UserId
        """;

    public async Task<Message?> GetAsync(string userId, string messageId, CancellationToken cancellationToken)
    {
        using var reader = await database.RentReaderAsync(cancellationToken);
        var place = await reader.Connection.QuerySingleOrDefaultAsync<MessagePlaceRow>(
            Statement.Of(FindSql, new { MessageId = messageId, UserId = userId }, cancellationToken));
        if (place is null)
            return null;

        var parameters = new { place.ChatId, UserId = userId, After = place.Sequence - 1, Before = place.Sequence + 1, Limit = 1 };
        return (await ReadAsync(reader.Connection, Statement.Of(PageForwardsSql, parameters, cancellationToken), place.ChatId)).SingleOrDefault();
    }

    private sealed record MessagePlaceRow
    {
        public required string ChatId { get; init; }
        public required int Sequence { get; init; }
    }

    // The owner's check does not depend on the message, so it is made once per statement.
    private const string PageBackwardsSql = """
        select id, sequence, role, content, tool_calls, status, model, run_id, sources, created_at, updated_at
        from messages
        where chat_id = @ChatId and sequence > @After and sequence < @Before
          and exists (select 1 from chats where id = @ChatId and user_id = @UserId)
        order by sequence desc
        limit @Limit
        """;

    private const string PageForwardsSql = """
        select id, sequence, role, content, tool_calls, status, model, run_id, sources, created_at, updated_at
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

    private const string PageOfChatsSql = """
        select m.id, m.sequence, m.role, m.content, m.tool_calls, m.status, m.model, m.run_id, m.sources, m.created_at, m.updated_at, m.chat_id
        from chats c
        join messages m on m.chat_id = c.id
        where c.user_id = @UserId and (c.updated_at, c.id) <= (@FirstAt, @FirstId) and (c.updated_at, c.id) >= (@LastAt, @LastId)
          and m.sequence > case when c.id = @FirstId then @After else 0 end
        order by c.updated_at desc, c.id desc, m.sequence
        limit @Limit
        """;

    public async Task<IReadOnlyList<Message>> GetPageOfChatsAsync(
        string userId, ChatCursor first, int after, ChatCursor last, int limit, CancellationToken cancellationToken)
    {
        var parameters = new
        {
            UserId = userId,
            FirstAt = first.UpdatedAt,
            FirstId = first.Id,
            After = after,
            LastAt = last.UpdatedAt,
            LastId = last.Id,
            Limit = limit,
        };
        using var lease = await database.RentReaderAsync(cancellationToken);
        return await ReadAsync(lease.Connection, Statement.Of(PageOfChatsSql, parameters, cancellationToken), chatId: null);
    }

    /// <summary>
    /// Row by row and by position: pages of messages are what is read most, and mapping by name boxes every number. Without a chat's id
    /// the rows have it.
    /// </summary>
    private static async Task<List<Message>> ReadAsync(DbConnection connection, CommandDefinition command, string? chatId)
    {
        var messages = new List<Message>();
        // Not DisposeAsync: Dapper's reader then keeps the command, and its statement is compiled again next time.
        using var row = await connection.ExecuteReaderAsync(command);
        while (await row.ReadAsync(command.CancellationToken))
        {
            messages.Add(new Message
            {
                Id = row.GetString(0),
                ChatId = chatId ?? row.GetString(11),
                Sequence = row.GetInt32(1),
                Role = StoredNames.ToRole(row.GetString(2)),
                Content = row.GetString(3),
                ToolCalls = row.GetTextOrNull(4),
                Status = StoredNames.ToMessageStatus(row.GetString(5)),
                Model = row.GetTextOrNull(6),
                RunId = row.GetTextOrNull(7),
                Sources = StoredSources.FromText(row.GetTextOrNull(8)),
                CreatedAt = row.GetInstant(9),
                UpdatedAt = row.GetInstant(10),
            });
        }

        return messages;
    }

    private static Task<int?> CountAsync(
        SqliteDatabase.ReaderLease reader, string userId, string chatId, CancellationToken cancellationToken) =>
        reader.Connection.ExecuteScalarAsync<int?>(
            Statement.Of(CountSql, new { ChatId = chatId, UserId = userId }, cancellationToken));

    /// <summary>With replies that were broken off: they are what the user has seen. And with empty results of tools: a call had them.</summary>
    private const string HistorySql = """
        select sequence, role, content, tool_calls
        from messages
        where chat_id = @ChatId and sequence < @Before
          and status in ('completed', 'cancelled', 'incomplete') and (content <> '' or tool_calls is not null or role = 'tool')
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
                ToolCalls = rows.GetTextOrNull(3),
            };
        }
    }
}
