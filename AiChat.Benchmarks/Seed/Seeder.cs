using System.Data.Common;
using AiChat.Core.Chats;
using AiChat.Infrastructure.Chats;
using AiChat.Infrastructure.Persistence;
using AiChat.Infrastructure.Persistence.Sqlite;
using Dapper;

namespace AiChat.Benchmarks.Seed;

/// <summary>What is stored so far.</summary>
internal readonly record struct SeedProgress(int Chats, int AllChats, long Messages);

/// <summary>
/// Fills a database with finished conversations, many chats in one transaction. It goes through the database's one writer, so what it
/// leaves behind is what a server would have left: the same schema, sequences without gaps, counters that are right.
/// </summary>
internal sealed class Seeder(SqliteDatabase database, TimeProvider time)
{
    /// <summary>Chats are committed whole, as soon as there are this many messages.</summary>
    private const int MessagesPerTransaction = 50_000;

    private const int ChatsPerTransaction = 10_000;

    private const string Model = "seed";

    private const string InsertTurnSql = """
        insert into messages (chat_id, sequence, id, role, content, status, model, created_at, updated_at)
        values
          (@ChatId, @Sequence, @QuestionId, 'user', @Question, 'completed', null, @CreatedAt, @CreatedAt),
          (@ChatId, @Sequence + 1, @ReplyId, 'assistant', @Reply, 'completed', @Model, @CreatedAt, @CreatedAt)
        """;

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
        for (var i = 0; i < count; i++)
        {
            var turns = options.Messages / 2;
            var chat = new Chat
            {
                Id = NewId(now),
                UserId = options.UserId,
                Title = text.NextTitle(),
                MessageCount = options.Messages,
                CreatedAt = now,
                UpdatedAt = now.AddMilliseconds(turns),
            };
            await connection.ExecuteAsync(Statement.Of(ChatRepository.InsertSql, chat));
            await connection.ExecuteAsync(Statement.Of(ChatRepository.CountUpSql, new { chat.UserId }));
            InsertTurns(connection, chat, turns);
            chats.Add(chat);
            now = chat.UpdatedAt.AddMilliseconds(1);
        }

        return chats;
    }

    /// <summary>One command for all turns: setting its parameters anew is cheaper than Dapper's reading them from an object.</summary>
    private void InsertTurns(DbConnection connection, Chat chat, int turns)
    {
        using var command = connection.CreateCommand();
        command.CommandText = InsertTurnSql;
        Add("@ChatId", chat.Id);
        Add("@Model", Model);
        var sequence = Add("@Sequence", 0L);
        var questionId = Add("@QuestionId", "");
        var question = Add("@Question", "");
        var replyId = Add("@ReplyId", "");
        var reply = Add("@Reply", "");
        var createdAt = Add("@CreatedAt", 0L);

        for (var turn = 1; turn <= turns; turn++)
        {
            var now = chat.CreatedAt.AddMilliseconds(turn);
            sequence.Value = (2L * turn) - 1;
            questionId.Value = NewId(now);
            question.Value = text.NextQuestion();
            replyId.Value = NewId(now);
            reply.Value = text.NextReply();
            createdAt.Value = now.ToUnixTimeMilliseconds();
            command.ExecuteNonQuery();
        }

        DbParameter Add(string name, object value)
        {
            var parameter = command.CreateParameter();
            parameter.ParameterName = name;
            parameter.Value = value;
            command.Parameters.Add(parameter);
            return parameter;
        }
    }

    private static string NewId(DateTimeOffset now) => Guid.CreateVersion7(now).ToString();
}
