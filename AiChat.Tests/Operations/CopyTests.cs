using System.Net.Http.Json;
using System.Text.RegularExpressions;
using AiChat.Benchmarks.Seed;
using AiChat.Tests.Infrastructure.Persistence;
using AiChat.Tests.Infrastructure.Persistence.Copying;
using AiChat.Tests.Support;
using Npgsql;

namespace AiChat.Tests.Operations;

/// <summary>The verb <c>copy</c> as operators run it.</summary>
[OwnDatabase]
public sealed partial class CopyTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private TempFolder folder = null!;

    private string Sqlite => "sqlite:///" + folder.File("source.db");

    private string SqliteBack => "sqlite:///" + folder.File("back.db");

    [SetUp]
    public void SetUp() => folder = new TempFolder();

    [TearDown]
    public void TearDown() => folder.Dispose();

    [Test]
    public async Task Copy_KilledAgainAndAgainThereAndBack_EndsWithTheSameRows()
    {
        await using var postgres = await PostgresServer.CreateDatabaseAsync();
        await SeedAsync(Sqlite, chats: 40, messages: 1000);
        using (var database = TestDatabase.OpenSqlite(folder.File("source.db")))
            await CopySample.FillAsync(database);

        foreach (var rows in new[] { 5_000, 15_000, 25_000 })
            await KillAsync(Sqlite, postgres.Url, async () => await CountCopiedAsync(postgres.Url) >= rows);
        var there = await AiChatCommand.RunAsync(folder.Path, "copy", "--from", Sqlite, "--to", postgres.Url);
        foreach (var bytes in new[] { 1_000_000, 5_000_000 })
            await KillAsync(postgres.Url, SqliteBack, () => Task.FromResult(GetSize("back.db") >= bytes));
        var back = await AiChatCommand.RunAsync(folder.Path, "copy", "--from", postgres.Url, "--to", SqliteBack);

        Assert.That((there.ExitCode, back.ExitCode), Is.EqualTo((0, 0)), there.Errors + back.Errors);
        Assert.That(there.Output, Does.Contain("rows had been copied before."));
        Assert.That(back.Output, Does.Contain("rows had been copied before."));
        Assert.That(ReadHashes(there.Output), Has.Count.EqualTo(10).And.EqualTo(ReadHashes(back.Output)));
        using var first = TestDatabase.OpenSqlite(folder.File("source.db"));
        using var second = TestDatabase.OpenSqlite(folder.File("back.db"));
        Assert.That(await CopySample.DumpAsync(second), Is.EqualTo(await CopySample.DumpAsync(first)));
    }

    [Test]
    public async Task Copy_Interrupted_SaysHowToGoOn()
    {
        await using var postgres = await PostgresServer.CreateDatabaseAsync();
        await SeedAsync(Sqlite, chats: 40, messages: 1000);
        using var copy = AiChatCommand.Start(folder.Path, "copy", "--from", Sqlite, "--to", postgres.Url);
        await WaitAsync(async () => await CountCopiedAsync(postgres.Url) >= 5_000, copy);

        copy.Interrupt();
        var ended = await copy.WaitForExitAsync();
        var again = await AiChatCommand.RunAsync(folder.Path, "copy", "--from", Sqlite, "--to", postgres.Url);

        Assert.That(ended.ExitCode, Is.EqualTo(1), ended.Output);
        Assert.That(ended.Errors, Does.Contain("run the same command again to go on there"));
        Assert.That(again.ExitCode, Is.Zero, again.Errors);
    }

    [Test]
    public async Task Copy_ServerStartedOnTheCopy_GoesOnWithTheSameChats()
    {
        await using var llm = await FakeLlm.StartAsync();
        await using var postgres = await PostgresServer.CreateDatabaseAsync();
        string chats;
        string finished;
        string unfinished;
        using (var server = await StartAsync(Sqlite, llm))
        {
            finished = (await server.PostAsync("/chat", new { message = "My name is Ada 😀." })).GetProperty("chat_id").GetString()!;
            unfinished = (await server.PostAsync("/chat", new { message = "Wait." })).GetProperty("chat_id").GetString()!;
            llm.Enqueue(LlmReplies.Slow());
            var lost = server.Client.PostAsJsonAsync("/chat", new { chat_id = unfinished, message = "Go on." });
            await llm.WaitForRequestsAsync(3);
            chats = await server.Client.GetStringAsync("/chats");
            await server.KillAsync();
            Assert.That(async () => await lost, Throws.InstanceOf<HttpRequestException>());
        }

        var copied = await AiChatCommand.RunAsync(folder.Path, "copy", "--from", Sqlite, "--to", postgres.Url);
        using var again = await StartAsync(postgres.Url, llm);

        Assert.That(copied.ExitCode, Is.Zero, copied.Errors);
        Assert.That(await again.Client.GetStringAsync("/chats"), Is.EqualTo(chats));
        var answer = await again.PostAsync("/chat", new { chat_id = finished, message = "What is my name?" });
        Assert.That(answer.GetProperty("reply").GetString(), Is.EqualTo("echo: What is my name?"));
        Assert.That(llm.Requests[^1].Messages.Select(m => m.Content), Does.Contain("My name is Ada 😀."));
        await WaitAsync(async () => (await again.GetAsync($"/chats/{unfinished}/messages"))[3].GetProperty("status").GetString() == "incomplete");
    }

    [Test]
    public async Task Copy_ServerHasTheSource_IsRefused()
    {
        await using var llm = await FakeLlm.StartAsync();
        using var server = await StartAsync(Sqlite, llm);

        var copied = await AiChatCommand.RunAsync(folder.Path, "copy", "--from", Sqlite, "--to", SqliteBack);

        Assert.That((copied.ExitCode, copied.Output), Is.EqualTo((1, "")));
        Assert.That(copied.Errors, Does.StartWith("Not copied: ").And.Contain("is in use by another AiChat process"));
    }

    [Test]
    public async Task Copy_ServerHasTheTarget_IsRefused()
    {
        await using var llm = await FakeLlm.StartAsync();
        await using var postgres = await PostgresServer.CreateDatabaseAsync();
        await SeedAsync(Sqlite, chats: 1, messages: 2);
        using var server = await StartAsync(postgres.Url, llm);

        var copied = await AiChatCommand.RunAsync(folder.Path, "copy", "--from", Sqlite, "--to", postgres.Url);

        Assert.That(copied.ExitCode, Is.EqualTo(1));
        Assert.That(copied.Errors, Does.Contain("1 AiChat process uses the database").And.Not.Contain("aichat:aichat"));
    }

    [Test]
    public async Task Copy_UnfinishedCopy_IsNoDatabaseForAServer()
    {
        await SeedAsync(Sqlite, chats: 20, messages: 1000);
        await KillAsync(Sqlite, SqliteBack, () => Task.FromResult(GetSize("back.db") >= 2_000_000));

        var (exitCode, errors) = await AiChatProcess.RefuseAsync(folder.Path, ("DATABASE_URL", SqliteBack));

        Assert.That(exitCode, Is.EqualTo(1));
        Assert.That(errors, Does.Contain("is a copy that has not come to its end. Run the same copy command again"));
    }

    [Test]
    public async Task Copy_SourceIsNotThere_IsRefusedAndNothingIsMade()
    {
        var copied = await AiChatCommand.RunAsync(folder.Path, "copy", "--from", Sqlite, "--to", SqliteBack);

        Assert.That(copied.ExitCode, Is.EqualTo(1));
        Assert.That(copied.Errors, Does.StartWith($"Not copied: There is no file {folder.File("source.db")}."));
        Assert.That(Directory.EnumerateFileSystemEntries(folder.Path), Is.Empty);
    }

    [Test]
    public async Task Copy_PasswordIsWrong_SaysSoWithoutIt()
    {
        await using var postgres = await PostgresServer.CreateDatabaseAsync();
        var wrong = new UriBuilder(postgres.Url) { Password = "s3cret" }.ToString();

        var copied = await AiChatCommand.RunAsync(folder.Path, "copy", "--from", wrong, "--to", SqliteBack);

        Assert.That(copied.ExitCode, Is.EqualTo(1));
        Assert.That(copied.Errors, Does.StartWith("Not copied: ").And.Contain("password").And.Not.Contain("s3cret").And.Not.Contain("   at "));
    }

    [Test]
    public async Task Copy_WrongCommandLine_SaysEverythingAtOnceWithoutPasswords()
    {
        var copied = await AiChatCommand.RunAsync(
            folder.Path, "copy", "--from", "postgresql://anna:s3cret@host", "--into=postgresql://anna:s3cret@host/db", "x", "postgresql://anna:s3cret@host/db");

        Assert.That((copied.ExitCode, copied.Output), Is.EqualTo((2, "")));
        Assert.That(copied.Errors, Does.StartWith("""
            '--into' is no option of copy.
            A word without '--' before it is no option of copy.
            --from names no database. Write postgresql://user:password@host:5432/database.
            --to is missing: write the URL of the database to fill.
            Usage: AiChat.Api copy --from URL --to URL
            """).And.Not.Contain("s3cret"));
    }

    [TestCase("""{ "ConnectTimeout": "5", "MaxConnections": 0 }""", "Database:MaxConnections is 0: ", "Database:ConnectTimeout is 5.00:00:00: ")]
    [TestCase("""{ "MaxConnections": "abc" }""", "'abc' at 'Database:MaxConnections'", "Write a value of that type.")]
    public async Task Copy_WrongSettings_SaysHowToMendThem(string settings, string first, string last)
    {
        await File.WriteAllTextAsync(folder.File("appsettings.json"), $$"""{ "Database": {{settings}} }""");

        var copied = await AiChatCommand.RunAsync(folder.Path, "copy", "--from", Sqlite, "--to", "postgresql://anna:s3cret@host/db");

        Assert.That((copied.ExitCode, copied.Output), Is.EqualTo((1, "")));
        Assert.That(copied.Errors, Does.Contain(first).And.Contain(last).And.Not.Contain("s3cret").And.Not.Contain("   at "));
    }

    [Test]
    public async Task Copy_OneDatabaseTwice_IsAWrongCommandLine()
    {
        var copied = await AiChatCommand.RunAsync(folder.Path, "copy", "--from", Sqlite, "--to", Sqlite);

        Assert.That(copied.ExitCode, Is.EqualTo(2));
        Assert.That(copied.Errors, Does.StartWith("--from and --to are the same: write two databases."));
    }

    [TestCase("copy", "--help", "Usage: AiChat.Api copy --from URL --to URL")]
    [TestCase("migrate", "--help", "Usage: AiChat.Api migrate")]
    [TestCase("--help", null, "AiChat.Api copy --from URL --to URL")]
    public async Task Help_OfVerbs_IsShown(string first, string? second, string expected)
    {
        var helped = await AiChatCommand.RunAsync(folder.Path, second is null ? [first] : [first, second]);

        Assert.That((helped.ExitCode, helped.Errors), Is.EqualTo((0, "")));
        Assert.That(helped.Output, Does.Contain(expected));
    }

    [Test]
    public async Task Verb_ThatIsNone_IsAWrongCommandLine()
    {
        var ended = await AiChatCommand.RunAsync(folder.Path, "migrat");

        Assert.That(ended.ExitCode, Is.EqualTo(2));
        Assert.That(ended.Errors, Does.StartWith("'migrat' is no verb.\nUsage:"));
    }

    private static async Task SeedAsync(string url, int chats, int messages)
    {
        using var errors = new StringWriter();
        var exitCode = await SeedCommand.RunAsync(["--database", url, "--chats", $"{chats}", "--messages", $"{messages}"], TextWriter.Null, errors);
        Assert.That(exitCode, Is.Zero, errors.ToString());
    }

    private Task<AiChatProcess> StartAsync(string url, FakeLlm llm) => AiChatProcess.StartAsync(
        folder.Path, ("DATABASE_URL", url), ("GROQ_API_KEY", "test-key"), ("Providers__groq__BaseUrl", llm.BaseUrl));

    private async Task KillAsync(string from, string to, Func<Task<bool>> isFarEnough)
    {
        using var copy = AiChatCommand.Start(folder.Path, "copy", "--from", from, "--to", to);
        await WaitAsync(isFarEnough, copy);
        Assert.That(copy.HasExited, Is.False, "The copy was done before it was killed.");
        await copy.KillAsync();
    }

    private static async Task WaitAsync(Func<Task<bool>> condition, AiChatCommand? command = null)
    {
        using var limit = new CancellationTokenSource(Patience);
        while (!await condition())
        {
            if (command is { HasExited: true })
                Assert.Fail((await command.WaitForExitAsync()).Errors);
            await Task.Delay(5, limit.Token);
        }
    }

    /// <summary>Of the database file and its log.</summary>
    private long GetSize(string name) =>
        new[] { name, name + "-wal" }.Select(n => new FileInfo(folder.File(n))).Where(f => f.Exists).Sum(f => f.Length);

    private static async Task<long> CountCopiedAsync(string url)
    {
        await using var connection = await PostgresServer.ConnectAsync(url);
        await using var command = new NpgsqlCommand("select coalesce(sum(row_count), 0)::bigint from copy_progress", connection);
        try
        {
            return (long)(await command.ExecuteScalarAsync())!;
        }
        catch (PostgresException failure) when (failure.SqlState == PostgresErrorCodes.UndefinedTable)
        {
            return 0;
        }
    }

    /// <summary>The lines that name tables, their rows and their hashes.</summary>
    private static List<string> ReadHashes(string output) => [.. TableLine().Matches(output).Select(m => m.Value)];

    [GeneratedRegex(@"^  [a-z_]+ +[\d,]+  [0-9a-f]{64}$", RegexOptions.Multiline)]
    private static partial Regex TableLine();
}
