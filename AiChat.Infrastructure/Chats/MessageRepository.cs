using System.Runtime.CompilerServices;
using AiChat.Core.Chats;
using AiChat.Infrastructure.Persistence.Sqlite;
using Dapper;

namespace AiChat.Infrastructure.Chats;

public sealed class MessageRepository(SqliteDatabase database) : IMessageRepository
{
    // The owner's check does not depend on the message, so it is made once per statement.
    private const string PageBackwardsSql = """
        select id, sequence, role, content, tool_calls, status, model, created_at, updated_at
        from messages
        where chat_id = @ChatId and sequence > @After and sequence < @Before
          and exists (select 1 from chats where id = @ChatId and user_id = @UserId)
        order by sequence desc
        limit @Limit
        """;

    private const string PageForwardsSql = """
        select id, sequence, role, content, tool_calls, status, model, created_at, updated_at
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

        using var reader = await database.RentReaderAsync(cancellationToken);
        var rows = (await reader.Connection.QueryAsync<MessageRow>(
            new CommandDefinition(isForwards ? PageForwardsSql : PageBackwardsSql, parameters, cancellationToken: cancellationToken))).AsList();
        if (rows.Count == 0 && await CountAsync(reader, userId, chatId, cancellationToken) is null)
            return null;

        var hasMore = rows.Count > limit;
        if (hasMore)
            rows.RemoveAt(limit);
        if (!isForwards)
            rows.Reverse();
        return new MessagePage
        {
            Messages = rows.ConvertAll(r => r.ToMessage(chatId)),
            HasOlder = isForwards ? rows.Count > 0 && rows[0].Sequence > 1 : hasMore,
            HasNewer = isForwards && hasMore,
        };
    }

    private static Task<int?> CountAsync(
        SqliteDatabase.ReaderLease reader, string userId, string chatId, CancellationToken cancellationToken) =>
        reader.Connection.ExecuteScalarAsync<int?>(
            new CommandDefinition(CountSql, new { ChatId = chatId, UserId = userId }, cancellationToken: cancellationToken));

    private const string HistorySql = """
        select sequence, role, content
        from messages
        where chat_id = @ChatId and sequence < @Before and role in ('user', 'assistant') and status = 'completed' and content <> ''
          and exists (select 1 from chats where id = @ChatId and user_id = @UserId)
        order by sequence desc
        """;

    public async IAsyncEnumerable<HistoryMessage> ReadBackwardsAsync(
        string userId, string chatId, int beforeSequence, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var lease = await database.RentReaderAsync(cancellationToken);
        await using var rows = await lease.Connection.ExecuteReaderAsync(
            new CommandDefinition(HistorySql, new { ChatId = chatId, UserId = userId, Before = beforeSequence }, cancellationToken: cancellationToken));
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

    private sealed record MessageRow
    {
        public required string Id { get; init; }
        public required int Sequence { get; init; }
        public required string Role { get; init; }
        public required string Content { get; init; }
        public string? ToolCalls { get; init; }
        public required string Status { get; init; }
        public string? Model { get; init; }
        public required DateTimeOffset CreatedAt { get; init; }
        public required DateTimeOffset UpdatedAt { get; init; }

        public Message ToMessage(string chatId) => new()
        {
            Id = Id,
            ChatId = chatId,
            Sequence = Sequence,
            Role = StoredNames.ToRole(Role),
            Content = Content,
            ToolCalls = ToolCalls,
            Status = StoredNames.ToMessageStatus(Status),
            Model = Model,
            CreatedAt = CreatedAt,
            UpdatedAt = UpdatedAt,
        };
    }
}
