using System.Data.Common;
using AiChat.Core.Chats;
using AiChat.Infrastructure.Persistence;
using AiChat.Infrastructure.Persistence.Copying;
using Dapper;
using static AiChat.Infrastructure.Persistence.Copying.Column;

namespace AiChat.Benchmarks.Seed;

/// <summary>What is stored so far.</summary>
internal readonly record struct SeedProgress(int Chats, int AllChats, long Messages);

/// <summary>
/// Fills a database with finished conversations, many chats in one transaction, the quickest way the engine has. What it leaves behind is
/// what a server would have left: the same schema, sequences without gaps, counters that are right.
/// </summary>
internal sealed class Seeder(IDatabase database, TimeProvider time)
{
    /// <summary>Chats are committed whole, as soon as there are this many messages.</summary>
    private const int MessagesPerTransaction = 50_000;

    private const int ChatsPerTransaction = 10_000;

    private const string Model = "seed";

    private const string CountUpSql = """
        insert into users (id, chat_count) values (@UserId, @Count)
        on conflict (id) do update set chat_count = users.chat_count + excluded.chat_count
        """;

    private static readonly Table Chats = new("chats", 1,
        Text("id"), Text("user_id"), Text("title"), Integer("message_count"), Bigint("created_at"), Bigint("updated_at"));

    private static readonly Table Messages = new("messages", 2,
        Text("chat_id"), Integer("sequence"), Text("id"), Text("role"), Text("content"), Text("status"), Text("model"),
        Bigint("created_at"), Bigint("updated_at"));

    private readonly SeedText text = new();

    /// <param name="options">How many chats of how many messages, and whose.</param>
    /// <param name="ids">Gets the id of every chat that is stored, one a line.</param>
    /// <param name="report">Called after every transaction.</param>
    public async Task FillAsync(SeedOptions options, TextWriter ids, Action<SeedProgress> report)
    {
        // One millisecond for each turn and chat, up to now: ids and lists come out in the order things are made in.
        var now = time.GetUtcNow().AddMilliseconds(-(double)options.Chats * ((options.Messages / 2) + 1));
        var chatsAtOnce = Math.Clamp(MessagesPerTransaction / Math.Max(1, options.Messages), 1, ChatsPerTransaction);
        for (var done = 0; done < options.Chats;)
        {
            var count = Math.Min(chatsAtOnce, options.Chats - done);
            var start = now;
            var chats = await database.WriteAsync(connection => InsertAsync(connection, options, count, start));
            foreach (var chat in chats)
                await ids.WriteLineAsync(chat.Id);

            done += count;
            now = chats[^1].UpdatedAt.AddMilliseconds(1);
            report(new SeedProgress(done, options.Chats, (long)done * options.Messages));
        }
    }

    private async Task<List<Chat>> InsertAsync(DbConnection connection, SeedOptions options, int count, DateTimeOffset now)
    {
        var chats = new List<Chat>(count);
        var turns = options.Messages / 2;
        for (var i = 0; i < count; i++)
        {
            var chat = new Chat
            {
                Id = NewId(now),
                UserId = options.UserId,
                Title = text.NextTitle(),
                MessageCount = options.Messages,
                CreatedAt = now,
                UpdatedAt = now.AddMilliseconds(turns),
            };
            chats.Add(chat);
            now = chat.UpdatedAt.AddMilliseconds(1);
        }

        await connection.ExecuteAsync(CountUpSql, new { options.UserId, Count = count });
        await RowWriter.WriteAsync(connection, Chats, chats.Select(ToRow).ToAsyncEnumerable());
        await RowWriter.WriteAsync(connection, Messages, chats.SelectMany(chat => MakeMessages(chat, turns)).ToAsyncEnumerable());
        return chats;
    }

    private static object?[] ToRow(Chat chat) =>
        [chat.Id, chat.UserId, chat.Title, (long)chat.MessageCount, chat.CreatedAt.ToUnixTimeMilliseconds(), chat.UpdatedAt.ToUnixTimeMilliseconds()];

    private IEnumerable<object?[]> MakeMessages(Chat chat, int turns)
    {
        for (var turn = 1; turn <= turns; turn++)
        {
            var now = chat.CreatedAt.AddMilliseconds(turn);
            var instant = now.ToUnixTimeMilliseconds();
            var sequence = 2L * turn;
            yield return [chat.Id, sequence - 1, NewId(now), "user", text.NextQuestion(), "completed", null, instant, instant];
            yield return [chat.Id, sequence, NewId(now), "assistant", text.NextReply(), "completed", Model, instant, instant];
        }
    }

    private static string NewId(DateTimeOffset now) => Guid.CreateVersion7(now).ToString();
}
