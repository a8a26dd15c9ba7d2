using System.Data.Common;
using AiChat.Core.Models;
using AiChat.Core.Nodes;
using AiChat.Core.Runs;
using AiChat.Infrastructure.Persistence;
using AiChat.Infrastructure.Persistence.Sqlite;
using AiChat.Infrastructure.Runs;
using AiChat.Tests.Support;
using Dapper;

namespace AiChat.Tests.Infrastructure.Persistence;

public sealed class MigratorTests
{
    private const string FirstVersionSql = """
        create table schema_migrations (name text not null primary key, applied_at bigint not null);
        insert into schema_migrations (name, applied_at) values ('0001_initial', 1);
        insert into users (id, chat_count) values ('anna', 1);
        insert into chats (id, user_id, message_count, active_run_id, created_at, updated_at) values ('chat-1', 'anna', 8, 'run-4', 1, 9);
        insert into messages (chat_id, sequence, id, role, content, status, created_at, updated_at) values
          ('chat-1', 1, 'question-1', 'user', 'One?', 'completed', 1, 1), ('chat-1', 2, 'reply-1', 'assistant', 'Yes.', 'completed', 1, 2),
          ('chat-1', 3, 'question-2', 'user', 'Two?', 'completed', 3, 3), ('chat-1', 4, 'reply-2', 'assistant', '', 'failed', 3, 4),
          ('chat-1', 5, 'question-3', 'user', 'Three?', 'completed', 5, 5), ('chat-1', 6, 'reply-3', 'assistant', '', 'incomplete', 5, 6),
          ('chat-1', 7, 'question-4', 'user', 'Four?', 'completed', 7, 7), ('chat-1', 8, 'reply-4', 'assistant', '', 'in_progress', 7, 8);
        insert into runs (id, chat_id, user_id, user_message_id, assistant_message_id, user_sequence, alias, status, error_code, created_at,
          started_at, completed_at)
        values
          ('run-1', 'chat-1', 'anna', 'question-1', 'reply-1', 1, 'fast', 'completed', null, 1, 1, 2),
          ('run-2', 'chat-1', 'anna', 'question-2', 'reply-2', 3, 'fast', 'failed', 'provider_timeout', 3, 3, 4),
          ('run-3', 'chat-1', 'anna', 'question-3', 'reply-3', 5, 'fast', 'incomplete', 'run_interrupted', 5, 5, 6),
          ('run-4', 'chat-1', 'anna', 'question-4', 'reply-4', 7, 'fast', 'in_progress', null, 7, 7, null);
        """;

    private const string FinishFourthSql = """
        update runs set status = 'completed', completed_at = 9 where id = 'run-4';
        update chats set active_run_id = null;
        """;

    private const string SecondVersionSql = """
        insert into schema_migrations (name, applied_at) values ('0002_durable_runs', 2);
        update runs set attempt = 2, provider = 'groq', model = 'oss', input_tokens = 11, output_tokens = 22, usage_estimated = false where id = 'run-1';
        insert into run_attempts (run_id, attempt, status, provider, model, input_tokens, output_tokens, usage_estimated, error_code, error_message,
          reply, started_at, completed_at)
        values ('run-1', 1, 'incomplete', 'openai', 'gpt', 5, 6, true, 'provider_timeout', 'Too slow.', 'Ye', 1, 1);
        """;

    private readonly FakeTime time = new();
    private TempFolder folder = null!;
    private SqliteDatabase database = null!;

    [SetUp]
    public void SetUp()
    {
        folder = new TempFolder();
        database = TestDatabase.OpenSqlite(folder.File("test.db"));
    }

    [TearDown]
    public void TearDown()
    {
        database.Dispose();
        folder.Dispose();
    }

    [Test]
    public async Task MigrateAsync_NewFile_AppliesEveryMigrationInOrder()
    {
        await NewMigrator().MigrateAsync();

        Assert.That(await GetJournalAsync(), Is.EqualTo(NewMigrator().Known.Select(name => (name, time.GetUtcNow().ToUnixTimeMilliseconds()))));
        Assert.That(await NewMigrator().IsUsableAsync(CancellationToken.None), Is.True);
    }

    [Test]
    public void Known_Migrations_AreNumberedWithoutGaps()
    {
        Assert.That(NewMigrator().Known.Select(name => name[..5]), Is.EqualTo(Enumerable.Range(1, NewMigrator().Known.Count).Select(n => $"{n:0000}_")));
    }

    [Test]
    public async Task MigrateAsync_Again_ChangesNothing()
    {
        await NewMigrator().MigrateAsync();
        var before = await GetJournalAsync();
        time.Advance(TimeSpan.FromHours(1));

        await NewMigrator().MigrateAsync();

        Assert.That(await GetJournalAsync(), Is.EqualTo(before));
    }

    [Test]
    public async Task MigrateAsync_SchemaOfANewerVersion_IsRefusedByName()
    {
        await NewMigrator().MigrateAsync();
        await database.WriteAsync(connection => connection.ExecuteAsync("insert into schema_migrations (name, applied_at) values ('9999_future', 1)"));

        var failure = Assert.ThrowsAsync<DatabaseStartupException>(NewMigrator().MigrateAsync);

        Assert.That(failure.Message, Does.Contain($"'{database.Path}' was changed by a newer AiChat (migration 9999_future)").And.Contain("DATABASE_URL"));
    }

    /// <summary>As Rails, golang-migrate and Ecto make it, and one that has the name of one column by chance.</summary>
    [Test]
    public async Task MigrateAsync_JournalOfAnotherProgram_IsRefusedAndLeftAlone(
        [Values] Engine engine,
        [Values("version text", "version bigint, dirty boolean", "version bigint, inserted_at timestamp", "name text, version bigint")] string columns)
    {
        await using var postgres = engine == Engine.Postgres ? await PostgresServer.CreateDatabaseAsync() : null;
        using var others = TestDatabase.Open(postgres?.Url ?? "sqlite:///" + folder.File("others.db"));
        await others.WriteAsync(connection => connection.ExecuteAsync($"create table schema_migrations ({columns})"));

        var failure = Assert.ThrowsAsync<DatabaseStartupException>(TestDatabase.NewMigrator(others, time).MigrateAsync);

        Assert.That(failure.Message, Is.EqualTo(
            $"The database '{others.Location}' has a table schema_migrations that AiChat has not made: another program keeps its own migrations there. AiChat wants a database of its own: name one in DATABASE_URL."));
        Assert.That(() => others.ReadAsync(connection => connection.ExecuteScalarAsync<long>("select count(*) from messages"), CancellationToken.None),
            Throws.InstanceOf<DbException>());
    }

    [Test]
    public async Task IsUsableAsync_MigratedByANewerVersionMeanwhile_IsTrue()
    {
        await NewMigrator().MigrateAsync();
        await database.WriteAsync(connection => connection.ExecuteAsync("insert into schema_migrations (name, applied_at) values ('9999_future', 1)"));

        Assert.That(await NewMigrator().IsUsableAsync(CancellationToken.None), Is.True);
    }

    [Test]
    public async Task IsUsableAsync_MigrationMissing_IsFalse()
    {
        await NewMigrator().MigrateAsync();
        await database.WriteAsync(connection => connection.ExecuteAsync("delete from schema_migrations"));

        Assert.That(await NewMigrator().IsUsableAsync(CancellationToken.None), Is.False);
    }

    private static TestCaseData[] OldRuns { get; } =
    [
        new TestCaseData("run-1", RunStatus.Completed, "Yes.", null, 6L).SetArgDisplayNames("completed"),
        new TestCaseData("run-2", RunStatus.Failed, "", "provider_timeout", 2L).SetArgDisplayNames("failed"),
        new TestCaseData("run-3", RunStatus.Incomplete, "", "run_interrupted", 2L).SetArgDisplayNames("interrupted"),
    ];

    [Test]
    public async Task MigrateAsync_DatabaseOfTheFirstVersion_GivesRepliesTheirRuns()
    {
        await CreateFirstVersionAsync();

        await NewMigrator().MigrateAsync();

        Assert.That(await QueryAsync<(string, string?)>("select id, run_id from messages order by sequence"), Is.EqualTo(new[]
        {
            ("question-1", null), ("reply-1", "run-1"), ("question-2", null), ("reply-2", "run-2"), ("question-3", null), ("reply-3", "run-3"),
            ("question-4", null), ("reply-4", (string?)"run-4"),
        }));
    }

    [TestCaseSource(nameof(OldRuns))]
    public async Task MigrateAsync_RunOfTheFirstVersion_IsReadAsAFirstAttempt(
        string id, RunStatus status, string reply, string? errorCode, long lastSequence)
    {
        await CreateFirstVersionAsync();

        await NewMigrator().MigrateAsync();

        var run = await new RunRepository(database, new Node()).GetAsync("anna", id, CancellationToken.None);
        Assert.That((run!.Status, run.Attempt, run.Reply, run.Error?.Code, run.FirstSequence, run.LastSequence), Is.EqualTo(
            (status, 1, reply, errorCode, 1L, (long?)lastSequence)));
        Assert.That(run.Error?.Message, errorCode is null ? Is.Null : Is.Not.Empty);
    }

    [Test]
    public async Task MigrateAsync_RunOfTheFirstVersion_CanBeFollowed()
    {
        await CreateFirstVersionAsync();
        await NewMigrator().MigrateAsync();
        var run = (await new RunRepository(database, new Node()).GetAsync("anna", "run-1", CancellationToken.None))!;

        var log = RunLog.Restore(run.ToStarted("groq", "oss"), time, run.Reply, run.Marks, run.ToResult("anna"));

        Assert.That(await log.FollowAsync(after: 0).Select(e => e.Sequence).ToListAsync(), Is.EqualTo(new[] { 1, 5, 6 }));
    }

    [Test]
    public async Task MigrateAsync_FailedRunOfTheFirstVersion_CanBeTriedAgain()
    {
        await CreateFirstVersionAsync(isFourthFinished: true);
        await NewMigrator().MigrateAsync();

        var admission = await new RunRepository(database, new Node()).RetryAsync(
            new RunRetry
            {
                RunId = "run-2",
                ChatId = "chat-1",
                UserId = "anna",
                Attempt = 2,
                FirstSequence = 3,
                Admission = new RunAdmissionRule(MostUnfinished: 0),
                Now = time.GetUtcNow(),
            },
            CancellationToken.None);

        Assert.That(admission, Is.EqualTo(new RunAdmission.Accepted(new RunPlace(3, 4), BusyWith: null) { LeaseNumber = 2 }));
    }

    [Test]
    public async Task MigrateAsync_UnfinishedRunOfTheFirstVersion_IsSettledLikeAnyOther()
    {
        await CreateFirstVersionAsync();
        await NewMigrator().MigrateAsync();
        var runs = new RunRepository(database, new Node());

        await runs.TakeOverAsync(CancellationToken.None);
        var held = (await runs.GetHeldAsync(CancellationToken.None)).Single();
        var settled = await runs.SettleAsync(held.Id, held.LeaseNumber, time.GetUtcNow(), CancellationToken.None);

        var run = await runs.GetAsync("anna", "run-4", CancellationToken.None);
        Assert.That((settled.Outcome, run!.Status, run.LastSequence), Is.EqualTo((FinishOutcome.Stored, RunStatus.Incomplete, (long?)(RunLog.CrashGap + 1))));
    }

    [Test]
    public async Task MigrateAsync_AttemptsOfTheSecondVersion_AreInTheLedger()
    {
        await CreateFirstVersionAsync();
        await ApplyAsync("0002_durable_runs");
        await database.WriteAsync(connection => connection.ExecuteAsync(SecondVersionSql));

        await NewMigrator().MigrateAsync();

        var run = (await new RunRepository(database, new Node()).GetAsync("anna", "run-1", CancellationToken.None))!;
        Assert.That(run.Attempts.Select(a => (a.Number, a.Outcome, a.Provider, a.Model, a.Usage, a.Error?.Code, a.Reply)), Is.EqualTo(new[]
        {
            (1, AttemptOutcome.Incomplete, "openai", "gpt", (TokenUsage?)new TokenUsage(5, 6, IsEstimated: true), "provider_timeout", "Ye"),
            (2, AttemptOutcome.Completed, "groq", "oss", new TokenUsage(11, 22), null, "Yes."),
        }));
    }

    /// <summary>A database as the first version left it: a run of each kind, one of them unfinished.</summary>
    private async Task CreateFirstVersionAsync(bool isFourthFinished = false)
    {
        await ApplyAsync("0001_initial");
        await database.WriteAsync(connection => connection.ExecuteAsync(FirstVersionSql));
        if (isFourthFinished)
            await database.WriteAsync(connection => connection.ExecuteAsync(FinishFourthSql));
    }

    private async Task ApplyAsync(string migration)
    {
        await using var resource = typeof(Migrator).Assembly.GetManifestResourceStream(
            $"AiChat.Infrastructure.Persistence.Migrations.{migration}.sqlite.sql")!;
        using var text = new StreamReader(resource);
        var schema = await text.ReadToEndAsync();
        await database.WriteAsync(connection => connection.ExecuteAsync(schema));
    }

    private async Task<List<T>> QueryAsync<T>(string sql)
    {
        using var reader = await database.RentReaderAsync(CancellationToken.None);
        return (await reader.Connection.QueryAsync<T>(sql)).AsList();
    }

    private Migrator NewMigrator() => TestDatabase.NewMigrator(database, time);

    private Task<List<(string Name, long AppliedAt)>> GetJournalAsync() =>
        QueryAsync<(string, long)>("select name, applied_at from schema_migrations order by rowid");
}
