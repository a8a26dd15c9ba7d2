using AiChat.Infrastructure.Persistence;
using AiChat.Infrastructure.Persistence.Sqlite;
using AiChat.Tests.Support;
using Dapper;

namespace AiChat.Tests.Infrastructure.Persistence;

public sealed class MigratorTests
{
    private readonly FakeTime time = new();
    private TempFolder folder = null!;
    private SqliteDatabase database = null!;

    [SetUp]
    public void SetUp()
    {
        folder = new TempFolder();
        database = TestDatabase.Open(folder.File("test.db"));
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

        Assert.That(await GetJournalAsync(), Is.EqualTo(Migrator.Known.Select(name => (name, time.GetUtcNow().ToUnixTimeMilliseconds()))));
        Assert.That(await NewMigrator().IsCurrentAsync(CancellationToken.None), Is.True);
    }

    [Test]
    public void Known_Migrations_AreNumberedWithoutGaps()
    {
        Assert.That(Migrator.Known.Select(name => name[..5]), Is.EqualTo(Enumerable.Range(1, Migrator.Known.Count).Select(n => $"{n:0000}_")));
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
        Assert.That(await NewMigrator().IsCurrentAsync(CancellationToken.None), Is.False);
    }

    [Test]
    public async Task IsCurrentAsync_MigrationMissing_IsFalse()
    {
        await NewMigrator().MigrateAsync();
        await database.WriteAsync(connection => connection.ExecuteAsync("delete from schema_migrations"));

        Assert.That(await NewMigrator().IsCurrentAsync(CancellationToken.None), Is.False);
    }

    private Migrator NewMigrator() => TestDatabase.NewMigrator(database, time);

    private async Task<List<(string Name, long AppliedAt)>> GetJournalAsync()
    {
        using var reader = await database.RentReaderAsync(CancellationToken.None);
        return (await reader.Connection.QueryAsync<(string, long)>("select name, applied_at from schema_migrations order by rowid")).AsList();
    }
}
