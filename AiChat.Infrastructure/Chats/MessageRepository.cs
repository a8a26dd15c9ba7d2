using System.Data.Common;
using System.Runtime.CompilerServices;
using AiChat.Core.Chats;
using AiChat.Core.Idempotency;
using AiChat.Infrastructure.Idempotency;
using AiChat.Infrastructure.Persistence;
using Dapper;

namespace AiChat.Infrastructure.Chats;

public sealed class MessageRepository(IDatabase database) : IMessageRepository
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
        database.WriteEndingAsync(async connection =>
    {
        if (key is not null && await IdempotencyRepository.ClaimAsync(connection, key, id, now) is { } earlier)
            return Ending.With<MessageAdmission>(new MessageAdmission.KeyTaken(earlier));
        if (await connection.ExecuteScalarAsync<int?>(Statement.Of(EnterSql, new { message.ChatId, message.UserId, Now = now })) is not { } sequence)
        {
            if (key is not null)
                await IdempotencyRepository.ReleaseAsync(connection, key);
            return Ending.With<MessageAdmission>(new MessageAdmission.NoSuchChat());
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
        return Ending.With<MessageAdmission>(new MessageAdmission.Accepted(stored), ToInsert(stored));
    });

    /// <summary>Stores a whole message that no run has written; its chat counts it already.</summary>
    internal static BoundStatement ToInsert(Message message) => new(InsertSql, new
    {
        message.ChatId,
        message.Sequence,
        message.Id,
        Role = StoredNames.ToName(message.Role),
        message.Content,
        message.ToolCalls,
        message.CreatedAt,
    });

    private const string FindSql = """
        select m.chat_id, m.sequence from messages m join chats c on c.id = m.chat_id where m.id = @MessageId and c.user_id = @UserId
        """;

    public Task<Message?> GetAsync(string userId, string messageId, CancellationToken cancellationToken) =>
        database.ReadAsync(connection => GetAsync(connection, userId, messageId, cancellationToken), cancellationToken);

    private static async Task<Message?> GetAsync(DbConnection connection, string userId, string messageId, CancellationToken cancellationToken)
    {
        var place = await connection.QuerySingleOrDefaultAsync<MessagePlaceRow>(
            Statement.Of(FindSql, new { MessageId = messageId, UserId = userId }, cancellationToken));
        if (place is null)
            return null;

        var parameters = new { place.ChatId, UserId = userId, After = place.Sequence - 1, Before = place.Sequence + 1, Limit = 1 };
        return (await ReadAsync(connection, Statement.Of(PageForwardsSql, parameters, cancellationToken), place.ChatId)).SingleOrDefault();
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

    public Task<MessagePage?> GetPageAsync(
        string userId, string chatId, MessageRange range, int limit, CancellationToken cancellationToken) =>
        database.ReadAsync(connection => GetPageAsync(connection, userId, chatId, range, limit, cancellationToken), cancellationToken);

    private static async Task<MessagePage?> GetPageAsync(
        DbConnection connection, string userId, string chatId, MessageRange range, int limit, CancellationToken cancellationToken)
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

        var messages = await ReadAsync(
            connection, Statement.Of(isForwards ? PageForwardsSql : PageBackwardsSql, parameters, cancellationToken), chatId);
        if (messages.Count == 0 && await CountAsync(connection, userId, chatId, cancellationToken) is null)
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

    /// <summary>No chat gives more than the page takes, whose sequences have no gaps: PostgreSQL would read a long one to its end to sort it.</summary>
    private const string PageOfChatsSql = """
        select m.id, m.sequence, m.role, m.content, m.tool_calls, m.status, m.model, m.run_id, m.sources, m.created_at, m.updated_at, m.chat_id
        from chats c
        join messages m on m.chat_id = c.id
        where c.user_id = @UserId and (c.updated_at, c.id) <= (@FirstAt, @FirstId) and (c.updated_at, c.id) >= (@LastAt, @LastId)
          and m.sequence > case when c.id = @FirstId then @After else 0 end
          and m.sequence <= case when c.id = @FirstId then @After else 0 end + @Limit
        order by c.updated_at desc, c.id desc, m.sequence
        limit @Limit
        """;

    public Task<IReadOnlyList<Message>> GetPageOfChatsAsync(
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
        return database.ReadAsync<IReadOnlyList<Message>>(
            async connection => await ReadAsync(connection, Statement.Of(PageOfChatsSql, parameters, cancellationToken), chatId: null), cancellationToken);
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

    private static Task<int?> CountAsync(DbConnection connection, string userId, string chatId, CancellationToken cancellationToken) =>
        connection.ExecuteScalarAsync<int?>(Statement.Of(CountSql, new { ChatId = chatId, UserId = userId }, cancellationToken));

    /// <summary>Most prompts end within it.</summary>
    private const int FirstHistoryPage = 64;

    private const int LaterHistoryPages = 256;

    /// <summary>With replies that were broken off: they are what the user has seen. And with empty results of tools: a call had them.</summary>
    private const string HistorySql = """
        select sequence, role, content, tool_calls
        from messages
        where chat_id = @ChatId and sequence < @Before
          and status in ('completed', 'cancelled', 'incomplete') and (content <> '' or tool_calls is not null or role = 'tool')
          and exists (select 1 from chats where id = @ChatId and user_id = @UserId)
        order by sequence desc
        limit @Limit
        """;

    public async IAsyncEnumerable<HistoryMessage> ReadBackwardsAsync(
        string userId, string chatId, int beforeSequence, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        for (var (before, limit) = (beforeSequence, FirstHistoryPage); ; limit = LaterHistoryPages)
        {
            var parameters = new { ChatId = chatId, UserId = userId, Before = before, Limit = limit };
            var page = await database.ReadAsync(
                connection => ReadHistoryAsync(connection, Statement.Of(HistorySql, parameters, cancellationToken)), cancellationToken);
            foreach (var message in page)
                yield return message;
            if (page.Count < limit)
                yield break;
            before = page[^1].Sequence;
        }
    }

    private static async Task<List<HistoryMessage>> ReadHistoryAsync(DbConnection connection, CommandDefinition command)
    {
        var page = new List<HistoryMessage>();
        // Not DisposeAsync: Dapper's reader then keeps the command, and its statement is compiled again next time.
        using var row = await connection.ExecuteReaderAsync(command);
        while (await row.ReadAsync(command.CancellationToken))
        {
            page.Add(new HistoryMessage
            {
                Sequence = row.GetInt32(0),
                Role = StoredNames.ToRole(row.GetString(1)),
                Content = row.GetString(2),
                ToolCalls = row.GetTextOrNull(3),
            });
        }

        return page;
    }
}
