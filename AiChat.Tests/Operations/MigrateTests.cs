using AiChat.Infrastructure.Persistence;
using AiChat.Tests.Infrastructure.Persistence;
using AiChat.Tests.Support;
using Dapper;

namespace AiChat.Tests.Operations;

/// <summary>The verb <c>migrate</c> as deployments run it.</summary>
[OwnDatabase]
public sealed class MigrateTests
{
    private const string HasWaitedSql = """
        select exists (
          select 1 from pg_stat_activity
          where datname = current_database() and wait_event = 'advisory' and clock_timestamp() - query_start > interval '3 seconds'
        )
        """;

    private TempFolder folder = null!;

    private string Sqlite => "sqlite:///" + folder.File("test.db");

    [SetUp]
    public void SetUp() => folder = new TempFolder();

    [TearDown]
    public void TearDown() => folder.Dispose();

    [Test]
    public async Task Migrate_Twice_AppliesWhatIsMissingAndThenNothing()
    {
        var first = await AiChatCommand.RunWithUrlAsync(folder.Path, Sqlite, "migrate");
        var second = await AiChatCommand.RunWithUrlAsync(folder.Path, Sqlite, "migrate");

        Assert.That((first.ExitCode, first.Errors), Is.EqualTo((0, "")));
        Assert.That(first.Output, Does.StartWith("Applied 0001_initial\n").And.EndWith($"The schema of {folder.File("test.db")} is current now.\n"));
        Assert.That(second, Is.EqualTo(new CommandResult(0, $"The schema of {folder.File("test.db")} is current.\n", "")));
    }

    [Test]
    public async Task Migrate_DatabaseOfASetting_IsTheServers()
    {
        var migrated = await AiChatCommand.RunAsync(folder.Path, "migrate", "--Database:Url", Sqlite);

        Assert.That(migrated.ExitCode, Is.Zero, migrated.Errors);
        Assert.That(File.Exists(folder.File("test.db")), Is.True);
    }

    [Test]
    public async Task Migrate_SeveralAtOnceOnPostgres_ApplyEachMigrationOnce()
    {
        await using var postgres = await PostgresServer.CreateDatabaseAsync();

        var migrated = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => AiChatCommand.RunWithUrlAsync(folder.Path, postgres.Url, "migrate")));

        Assert.That(migrated.Select(m => (m.ExitCode, m.Errors)), Is.All.EqualTo((0, "")));
        Assert.That(migrated.SelectMany(m => m.Output.Split('\n')).Where(l => l.StartsWith("Applied ", StringComparison.Ordinal)),
            Is.Unique.And.Contain("Applied 0005_nodes"));
        using var database = TestDatabase.Open(postgres.Url);
        Assert.That(await TestDatabase.NewMigrator(database, TimeProvider.System).IsUsableAsync(CancellationToken.None), Is.True);
    }

    [Test]
    public async Task Migrate_AnotherOneTakesLongerThanStatementsMay_WaitsForIt()
    {
        await using var postgres = await PostgresServer.CreateDatabaseAsync();
        await using var another = await PostgresServer.ConnectAsync(postgres.Url);
        await another.ExecuteAsync("select pg_advisory_lock(@LockKey)", new { Migrator.LockKey });
        var migrating = AiChatCommand.RunWithUrlAsync(folder.Path, postgres.Url, "migrate", "--Database:CommandTimeout", "00:00:01");
        while (!migrating.IsCompleted && !await another.ExecuteScalarAsync<bool>(HasWaitedSql))
            await Task.Delay(20);

        await another.ExecuteAsync("select pg_advisory_unlock(@LockKey)", new { Migrator.LockKey });

        var migrated = await migrating;
        Assert.That((migrated.ExitCode, migrated.Errors), Is.EqualTo((0, "")));
    }

    [Test]
    public async Task Migrate_DatabaseIsNotThere_SaysSoWithoutThePassword()
    {
        var url = new UriBuilder(PostgresServer.RequireUrl()) { Path = "no_such_database" }.ToString();

        var migrated = await AiChatCommand.RunWithUrlAsync(folder.Path, url, "migrate");

        Assert.That((migrated.ExitCode, migrated.Output), Is.EqualTo((1, "")));
        Assert.That(migrated.Errors, Does.StartWith("Nothing was migrated: ").And.Contain("no_such_database").And.Not.Contain("aichat:aichat").And.Not.Contain("   at "));
    }

    [Test]
    public async Task Migrate_ServerIsNotThere_SaysSo()
    {
        var url = $"postgresql://anna:s3cret@127.0.0.1:{FreePort.Find()}/db";

        var migrated = await AiChatCommand.RunWithUrlAsync(folder.Path, url, "migrate");

        Assert.That(migrated.ExitCode, Is.EqualTo(1));
        Assert.That(migrated.Errors, Does.StartWith("Nothing was migrated: ").And.Not.Contain("s3cret").And.Not.Contain("   at "));
    }

    [Test]
    public async Task Migrate_JournalOfAnotherProgram_SaysSo()
    {
        await using var postgres = await PostgresServer.CreateDatabaseAsync();
        await using (var connection = await PostgresServer.ConnectAsync(postgres.Url))
            await connection.ExecuteAsync("create table schema_migrations (version bigint)");

        var migrated = await AiChatCommand.RunWithUrlAsync(folder.Path, postgres.Url, "migrate");

        Assert.That((migrated.ExitCode, migrated.Output), Is.EqualTo((1, "")));
        Assert.That(migrated.Errors, Does.StartWith("Nothing was migrated: The database ").And.Contain("of its own").And.Not.Contain("   at "));
    }

    [Test]
    public async Task Migrate_TargetSessionWithOneHost_IsTaken()
    {
        await using var postgres = await PostgresServer.CreateDatabaseAsync();

        var migrated = await AiChatCommand.RunWithUrlAsync(folder.Path, postgres.Url + "?target_session_attrs=read-write", "migrate");

        Assert.That((migrated.ExitCode, migrated.Errors), Is.EqualTo((0, "")));
    }

    [Test]
    public async Task Migrate_WrongSetting_SaysHowToMendIt()
    {
        var migrated = await AiChatCommand.RunWithUrlAsync(folder.Path, "mysql://host/db", "migrate");

        Assert.That(migrated.ExitCode, Is.EqualTo(1));
        Assert.That(migrated.Errors, Does.StartWith("DATABASE_URL (or Database:Url) is not the URL"));
    }

    [Test]
    public async Task Migrate_WordThatIsNoSetting_IsAWrongCommandLine()
    {
        var migrated = await AiChatCommand.RunAsync(folder.Path, "migrate", "postgresql://anna:s3cret@host/db");

        Assert.That((migrated.ExitCode, migrated.Output), Is.EqualTo((2, "")));
        Assert.That(migrated.Errors, Does.StartWith("Word 1 behind migrate is no setting.").And.Not.Contain("s3cret"));
    }
}
