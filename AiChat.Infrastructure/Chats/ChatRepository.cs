using System.Data.Common;
using AiChat.Core.Chats;
using AiChat.Core.Idempotency;
using AiChat.Infrastructure.Idempotency;
using AiChat.Infrastructure.Persistence;
using Dapper;

namespace AiChat.Infrastructure.Chats;

public sealed class ChatRepository(IDatabase database) : IChatRepository
{
    internal const string InsertSql = """
        insert into chats (id, user_id, title, model, system_prompt, metadata, message_count, created_at, updated_at)
        values (@Id, @UserId, @Title, @Model, @SystemPrompt, @Metadata, @MessageCount, @CreatedAt, @UpdatedAt)
        """;

    internal const string CountUpSql = """
        insert into users (id, chat_count) values (@UserId, 1)
        on conflict (id) do update set chat_count = users.chat_count + 1
        """;

    public Task<KeyedRequest?> CreateAsync(Chat chat, IdempotencyKey? key, CancellationToken cancellationToken) => CreateAsync(chat, [], key);

    public Task<KeyedRequest?> CreateAsync(Chat chat, Message message, IdempotencyKey? key, CancellationToken cancellationToken) =>
        CreateAsync(chat, [MessageRepository.ToInsert(message)], key);

    /// <summary>The user is counted for last: others who make chats of his wait for his row.</summary>
    private Task<KeyedRequest?> CreateAsync(Chat chat, IEnumerable<BoundStatement> insertMessages, IdempotencyKey? key) =>
        database.WriteEndingAsync(async connection =>
        {
            if (key is not null && await IdempotencyRepository.ClaimAsync(connection, key, chat.Id, chat.CreatedAt) is { } earlier)
                return Ending.With<KeyedRequest?>(earlier);
            return Ending.With(
                default(KeyedRequest?), [new BoundStatement(InsertSql, chat), .. insertMessages, new BoundStatement(CountUpSql, new { chat.UserId })]);
        });

    private const string GetSql = """
        select id, user_id, title, model, system_prompt, metadata, message_count, created_at, updated_at
        from chats
        where id = @ChatId and user_id = @UserId
        """;

    public Task<Chat?> GetAsync(string userId, string chatId, CancellationToken cancellationToken) => database.ReadAsync(
        connection => connection.QuerySingleOrDefaultAsync<Chat?>(Statement.Of(GetSql, new { ChatId = chatId, UserId = userId }, cancellationToken)),
        cancellationToken);

    public async Task<Chat> GetNewestOrCreateAsync(Chat chat, CancellationToken cancellationToken) =>
        (await ListAsync(chat.UserId, limit: 1, after: null, cancellationToken)).Chats is [var newest] ? newest : await GetNewestOrCreateAsync(chat);

    /// <summary>Counts a chat before it is looked whether there is one: whoever asks at the same moment waits for the user's row.</summary>
    private Task<Chat> GetNewestOrCreateAsync(Chat chat) => database.WriteAsync(async connection =>
    {
        await connection.ExecuteAsync(Statement.Of(CountUpSql, new { chat.UserId }));
        var newest = await ReadAsync(connection, Statement.Of(ListFirstSql, new { chat.UserId, Limit = 1 }));
        if (newest.Count > 0)
        {
            await connection.ExecuteAsync(Statement.Of(CountDownSql, new { chat.UserId }));
            return newest[0];
        }

        await connection.ExecuteAsync(Statement.Of(InsertSql, chat));
        return chat;
    });

    private const string FindOwnerSql = "select user_id from chats where id = @ChatId";

    public Task<string?> FindOwnerAsync(string chatId, CancellationToken cancellationToken) => database.ReadAsync(
        connection => connection.QuerySingleOrDefaultAsync<string?>(Statement.Of(FindOwnerSql, new { ChatId = chatId }, cancellationToken)),
        cancellationToken);

    private const string ListFirstSql = """
        select id, user_id, title, model, system_prompt, metadata, message_count, created_at, updated_at
        from chats
        where user_id = @UserId
        order by updated_at desc, id desc
        limit @Limit
        """;

    private const string ListAfterSql = """
        select id, user_id, title, model, system_prompt, metadata, message_count, created_at, updated_at
        from chats
        where user_id = @UserId and (updated_at, id) < (@UpdatedAt, @Id)
        order by updated_at desc, id desc
        limit @Limit
        """;

    private const string TotalSql = "select chat_count from users where id = @UserId";

    public Task<ChatPage> ListAsync(string userId, int limit, ChatCursor? after, CancellationToken cancellationToken) =>
        database.ReadAsync(connection => ListAsync(connection, userId, limit, after, cancellationToken), cancellationToken);

    private static async Task<ChatPage> ListAsync(
        DbConnection connection, string userId, int limit, ChatCursor? after, CancellationToken cancellationToken)
    {
        // One more than asked for tells whether there is another page. Page and total in one go over the network.
        var command = after is { } cursor
            ? Statement.Of(ListAfterSql + ";" + TotalSql, new { UserId = userId, cursor.UpdatedAt, cursor.Id, Limit = limit + 1 }, cancellationToken)
            : Statement.Of(ListFirstSql + ";" + TotalSql, new { UserId = userId, Limit = limit + 1 }, cancellationToken);

        // Not DisposeAsync, as below.
        using var rows = await connection.ExecuteReaderAsync(command);
        var chats = await ReadAsync(rows, cancellationToken);
        await rows.NextResultAsync(cancellationToken);
        var total = await rows.ReadAsync(cancellationToken) ? rows.GetInt32(0) : 0;

        var hasMore = chats.Count > limit;
        if (hasMore)
            chats.RemoveAt(limit);
        return new ChatPage { Chats = chats, Total = total, Next = hasMore ? new ChatCursor(chats[^1].UpdatedAt, chats[^1].Id) : null };
    }

    private static async Task<List<Chat>> ReadAsync(DbConnection connection, CommandDefinition command)
    {
        // Not DisposeAsync: Dapper's reader then keeps the command, and its statement is compiled again next time.
        using var rows = await connection.ExecuteReaderAsync(command);
        return await ReadAsync(rows, command.CancellationToken);
    }

    /// <summary>Row by row and by position: mapping by name boxes every number, which is felt in lists.</summary>
    private static async Task<List<Chat>> ReadAsync(DbDataReader row, CancellationToken cancellationToken)
    {
        var chats = new List<Chat>();
        while (await row.ReadAsync(cancellationToken))
        {
            chats.Add(new Chat
            {
                Id = row.GetString(0),
                UserId = row.GetString(1),
                Title = row.GetTextOrNull(2),
                Model = row.GetTextOrNull(3),
                SystemPrompt = row.GetTextOrNull(4),
                Metadata = row.GetTextOrNull(5),
                MessageCount = row.GetInt32(6),
                CreatedAt = row.GetInstant(7),
                UpdatedAt = row.GetInstant(8),
            });
        }

        return chats;
    }

    private const string UpdateSql = """
        update chats set
          title = case when @SetTitle then @Title else title end,
          model = case when @SetModel then @Model else model end,
          system_prompt = case when @SetSystemPrompt then @SystemPrompt else system_prompt end,
          metadata = case when @SetMetadata then @Metadata else metadata end,
          updated_at = @Now
        where id = @ChatId and user_id = @UserId
        returning id, user_id, title, model, system_prompt, metadata, message_count, created_at, updated_at
        """;

    public Task<Chat?> UpdateAsync(string userId, string chatId, ChatChanges changes, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var parameters = new
        {
            ChatId = chatId,
            UserId = userId,
            SetTitle = changes.Title.IsGiven,
            Title = changes.Title.Value,
            SetModel = changes.Model.IsGiven,
            Model = changes.Model.Value,
            SetSystemPrompt = changes.SystemPrompt.IsGiven,
            SystemPrompt = changes.SystemPrompt.Value,
            SetMetadata = changes.Metadata.IsGiven,
            Metadata = changes.Metadata.Value,
            Now = changes.UpdatedAt ?? now,
        };
        return database.WriteAsync(connection => connection.QuerySingleOrDefaultAsync<Chat>(Statement.Of(UpdateSql, parameters)));
    }

    private const string SetTitleSql = "update chats set title = @Title where id = @ChatId and user_id = @UserId and title is null";

    public Task<bool> SetTitleAsync(string userId, string chatId, string title, CancellationToken cancellationToken) =>
        database.WriteAsync(async connection =>
            await connection.ExecuteAsync(Statement.Of(SetTitleSql, new { ChatId = chatId, UserId = userId, Title = title })) > 0);

    private const string DeleteSql = """
        delete from chats
        where id = @ChatId and user_id = @UserId
        returning id, user_id, title, model, system_prompt, metadata, message_count, created_at, updated_at
        """;

    private const string CountDownSql = "update users set chat_count = chat_count - 1 where id = @UserId";

    public Task<Chat?> DeleteAsync(string userId, string chatId, CancellationToken cancellationToken) => database.WriteAsync(async connection =>
    {
        var chat = await connection.QuerySingleOrDefaultAsync<Chat?>(Statement.Of(DeleteSql, new { ChatId = chatId, UserId = userId }));
        if (chat is not null)
            await connection.ExecuteAsync(Statement.Of(CountDownSql, new { UserId = userId }));
        return chat;
    });
}
