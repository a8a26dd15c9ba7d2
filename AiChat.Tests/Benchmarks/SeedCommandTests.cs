using AiChat.Benchmarks.Seed;
using AiChat.Core.Chats;
using AiChat.Core.Nodes;
using AiChat.Core.Runs;
using AiChat.Infrastructure.Chats;
using AiChat.Infrastructure.Runs;
using AiChat.Tests.Infrastructure.Persistence;
using AiChat.Tests.Support;
using Dapper;

namespace AiChat.Tests.Benchmarks;

public sealed class SeedCommandTests
{
    private TempFolder folder = null!;
    private StringWriter output = null!;
    private StringWriter errors = null!;

    private string DatabasePath => folder.File("seed.db");

    private static CancellationToken None => CancellationToken.None;

    [SetUp]
    public void SetUp() => (folder, output, errors) = (new TempFolder(), new StringWriter(), new StringWriter());

    [TearDown]
    public void TearDown()
    {
        output.Dispose();
        errors.Dispose();
        folder.Dispose();
    }

    [Test]
    public async Task RunAsync_NewFile_MakesWhatWasAskedForAndSaysHowFast()
    {
        var exitCode = await SeedAsync(chats: 30, messages: 20);

        using var database = TestDatabase.OpenSqlite(DatabasePath);
        var list = await new ChatRepository(database).ListAsync("anna", 100, after: null, None);
        Assert.Multiple(() =>
        {
            Assert.That(exitCode, Is.Zero);
            Assert.That(output.ToString(), Does.Match(@"^Stored 30 chats with 600 messages in [\d.]+ s: [\d,]+ messages/s\.\n$"));
            Assert.That(errors.ToString(), Is.Empty);
            Assert.That((list.Chats.Count, list.Total), Is.EqualTo((30, 30)));
            Assert.That(list.Chats.Select(c => c.MessageCount), Is.All.EqualTo(20));
            Assert.That(list.Chats.Select(c => c.Id), Is.Unique.And.Ordered.Descending.And.All.Matches<string>(id => Guid.Parse(id).Version == 7));
        });
    }

    [Test]
    public async Task RunAsync_EveryChat_HasWholeTurnsInGaplessSequences()
    {
        await SeedAsync(chats: 3, messages: 10);

        using var database = TestDatabase.OpenSqlite(DatabasePath);
        foreach (var chat in (await new ChatRepository(database).ListAsync("anna", 100, after: null, None)).Chats)
        {
            var page = await new MessageRepository(database).GetPageAsync("anna", chat.Id, default, 100, None);
            Assert.That(page!.Messages.Select(m => (m.Sequence, m.Role, m.Status)), Is.EqualTo(Enumerable.Range(1, 10).Select(
                sequence => (sequence, sequence % 2 == 1 ? MessageRole.User : MessageRole.Assistant, MessageStatus.Completed))));
            Assert.That(page.Messages.Select(m => m.Content), Is.All.Not.Empty);
            Assert.That(page.Messages[^1].UpdatedAt, Is.EqualTo(chat.UpdatedAt));
        }
    }

    [Test]
    public async Task RunAsync_Postgres_StoresWhatItStoresInSqlite()
    {
        using var postgres = await TestDatabase.CreateAsync(Engine.Postgres);
        await SeedAsync(chats: 3, messages: 30_000);

        var exitCode = await SeedCommand.RunAsync(
            ["--database", postgres.Url, "--chats", "3", "--messages", "30000", "--user", "anna"], output, errors);

        const string countsSql = """
            select (select count(*) from messages), (select cast(max(sequence) as bigint) from messages), (select count(distinct content) from messages),
              (select count(*) from chats where message_count = 30000), (select cast(sum(chat_count) as bigint) from users)
            """;
        const string textSql = "select content from messages where chat_id in (select min(id) from chats) order by sequence limit 100";
        using var sqlite = TestDatabase.OpenSqlite(DatabasePath);
        using var reader = await sqlite.RentReaderAsync(None);
        Assert.That(exitCode, Is.Zero);
        Assert.That(await postgres.QuerySingleAsync<(long, long, long, long, long)>(countsSql),
            Is.EqualTo(await reader.Connection.QuerySingleAsync<(long, long, long, long, long)>(countsSql)));
        Assert.That(await postgres.QueryAsync<string>(textSql), Is.EqualTo(await reader.Connection.QueryAsync<string>(textSql)));
    }

    [Test]
    public async Task RunAsync_Schema_IsTheServers()
    {
        await SeedAsync(chats: 1, messages: 2);

        using var database = TestDatabase.OpenSqlite(DatabasePath);
        Assert.That(await TestDatabase.NewMigrator(database, TimeProvider.System).IsUsableAsync(None), Is.True);
    }

    [Test]
    public async Task RunAsync_SeededChat_TakesANewMessage()
    {
        await SeedAsync(chats: 1, messages: 10);

        using var database = TestDatabase.OpenSqlite(DatabasePath);
        var chat = (await new ChatRepository(database).ListAsync("anna", 1, after: null, None)).Chats[0];
        var accepted = await new RunRepository(database, new Node()).StartAsync(NewRun(chat.Id), None);

        var history = await new MessageRepository(database).ReadBackwardsAsync("anna", chat.Id, ((RunAdmission.Accepted)accepted).Place.UserSequence, None).ToListAsync();
        Assert.That(accepted, Is.EqualTo(new RunAdmission.Accepted(new RunPlace(11, 12), BusyWith: null)));
        Assert.That(history, Has.Count.EqualTo(10));
    }

    [Test]
    public async Task RunAsync_Twice_AddsToWhatIsThere()
    {
        await SeedAsync(chats: 2, messages: 2);
        await SeedAsync(chats: 3, messages: 0);

        using var database = TestDatabase.OpenSqlite(DatabasePath);
        var list = await new ChatRepository(database).ListAsync("anna", 100, after: null, None);
        Assert.That((list.Total, list.Chats.Sum(c => c.MessageCount)), Is.EqualTo((5, 4)));
    }

    [Test]
    public async Task RunAsync_MoreThanOneTransaction_CountsRight()
    {
        await SeedAsync(chats: 3, messages: 30_000);

        using var database = TestDatabase.OpenSqlite(DatabasePath);
        using var reader = await database.RentReaderAsync(None);
        var counts = await reader.Connection.QuerySingleAsync<(long, long, long, long)>("""
            select (select count(*) from messages), (select max(sequence) from messages), (select sum(message_count) from chats), (select chat_count from users)
            """);
        Assert.That(counts, Is.EqualTo((90_000L, 30_000L, 90_000L, 3L)));
    }

    [Test]
    public async Task RunAsync_Ids_AreWrittenOneALine()
    {
        await RunAsync("--chats", "3", "--messages", "2", "--ids", folder.File("ids.txt"));

        using var database = TestDatabase.OpenSqlite(DatabasePath);
        var list = await new ChatRepository(database).ListAsync("default", 100, after: null, None);
        Assert.That(await File.ReadAllLinesAsync(folder.File("ids.txt")), Is.EqualTo(list.Chats.Select(c => c.Id).Reverse()));
    }

    [Test]
    public async Task RunAsync_ServerHasTheFile_IsRefused()
    {
        using var server = TestDatabase.OpenSqlite(DatabasePath);

        var exitCode = await SeedAsync(chats: 1, messages: 2);

        Assert.That(exitCode, Is.EqualTo(1));
        Assert.That(errors.ToString(), Does.Contain("is in use by another AiChat process"));
    }

    [Test]
    public async Task RunAsync_IdsFileCannotBeWritten_IsRefusedBeforeAnythingIsMade()
    {
        var exitCode = await RunAsync("--chats", "3", "--messages", "2", "--ids", folder.File("missing/ids.txt"));

        Assert.That((exitCode, File.Exists(DatabasePath)), Is.EqualTo((1, false)));
        Assert.That(errors.ToString(), Does.StartWith("The file of --ids cannot be written: "));
    }

    [Test]
    public async Task RunAsync_WrongCommandLine_SaysWhyAndHow()
    {
        var exitCode = await RunAsync("--chats", "many");

        Assert.That(exitCode, Is.EqualTo(2));
        Assert.That(errors.ToString(), Does.Contain("--chats is 'many'").And.Contain("--messages is missing").And.Contain("Usage: seed --database URL"));
    }

    [Test]
    public async Task RunAsync_Help_ShowsTheUsage()
    {
        var exitCode = await SeedCommand.RunAsync(["--help"], output, errors);

        Assert.That((exitCode, output.ToString()), Is.EqualTo((0, SeedOptions.Usage + Environment.NewLine)));
    }

    private static NewRun NewRun(string chatId) => new()
    {
        Id = "run-1",
        ChatId = chatId,
        UserId = "anna",
        UserMessageId = "question-1",
        AssistantMessageId = "reply-1",
        Message = "And then?",
        Alias = "fast",
        CreatedAt = DateTimeOffset.UtcNow,
    };

    private Task<int> SeedAsync(int chats, int messages) => RunAsync("--chats", $"{chats}", "--messages", $"{messages}", "--user", "anna");

    private Task<int> RunAsync(params string[] args) => SeedCommand.RunAsync(["--database", "sqlite:///" + DatabasePath, .. args], output, errors);
}
