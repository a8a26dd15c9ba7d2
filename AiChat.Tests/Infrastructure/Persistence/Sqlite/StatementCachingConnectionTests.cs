using System.Data.Common;
using AiChat.Core.Errors;
using AiChat.Infrastructure.Persistence.Sqlite;
using AiChat.Tests.Support;
using Dapper;
using Microsoft.Data.Sqlite;

namespace AiChat.Tests.Infrastructure.Persistence.Sqlite;

public sealed class StatementCachingConnectionTests
{
    private const string InsertSql = "insert into things (id, name) values (@Id, @Name)";
    private const string NameSql = "select name from things where id = @Id";
    private const string AllSql = "select id from things order by id";

    private TempFolder folder = null!;
    private StatementCachingConnection connection = null!;

    [SetUp]
    public async Task SetUp()
    {
        SqliteLibrary.Load(null);
        folder = new TempFolder();
        connection = new StatementCachingConnection($"Data Source={folder.File("test.db")};Pooling=False");
        connection.Open();
        PreparedStatements.Watch(connection);
        await connection.ExecuteAsync("create table things (id integer primary key, name text)");
    }

    [TearDown]
    public void TearDown()
    {
        connection.Dispose();
        folder.Dispose();
    }

    [Test]
    public async Task ExecuteAsync_SameTextManyTimes_IsCompiledOnce()
    {
        for (var i = 0; i < 10; i++)
            await connection.ExecuteAsync(InsertSql, new { Id = i, Name = $"name {i}" });

        Assert.That(PreparedStatements.GetRuns(connection)[InsertSql], Is.EqualTo(new[] { 10 }));
    }

    [Test]
    public async Task QuerySingleAsync_SameTextManyTimes_IsCompiledOnceAndSeesItsOwnParameters()
    {
        await connection.ExecuteAsync(InsertSql, new[] { new { Id = 1, Name = (string?)"one" }, new { Id = 2, Name = (string?)"two" }, new { Id = 3, Name = (string?)null } });

        var names = new[] { await GetNameAsync(1), await GetNameAsync(2), await GetNameAsync(3), await GetNameAsync(1) };

        Assert.That(names, Is.EqualTo(new[] { "one", "two", null, "one" }));
        Assert.That(PreparedStatements.GetRuns(connection)[NameSql], Is.EqualTo(new[] { 4 }));
    }

    [Test]
    public async Task ExecuteScalarAsync_SameTextManyTimes_IsCompiledOnce()
    {
        for (var i = 0; i < 5; i++)
            await connection.ExecuteScalarAsync<long>("select count(*) from things");

        Assert.That(PreparedStatements.GetRuns(connection)["select count(*) from things"], Is.EqualTo(new[] { 5 }));
    }

    /// <summary>As the repositories read lists. With DisposeAsync Dapper's reader would keep the command, and this would fail.</summary>
    [Test]
    public async Task ExecuteReaderAsync_ReadAndDisposedManyTimes_IsCompiledOnce()
    {
        await InsertAsync(3);

        for (var i = 0; i < 5; i++)
            Assert.That(await ReadAsync(await connection.ExecuteReaderAsync(AllSql)), Is.EqualTo(new[] { 0, 1, 2 }));

        Assert.That(PreparedStatements.GetRuns(connection)[AllSql], Is.EqualTo(new[] { 5 }));
    }

    [Test]
    public async Task ExecuteReaderAsync_LeftInTheMiddle_BeginsAnewNextTime()
    {
        await InsertAsync(3);

        using (var reader = await connection.ExecuteReaderAsync(AllSql))
            await reader.ReadAsync();

        Assert.That(await ReadAsync(await connection.ExecuteReaderAsync(AllSql)), Is.EqualTo(new[] { 0, 1, 2 }));
        Assert.That(PreparedStatements.GetRuns(connection)[AllSql], Is.EqualTo(new[] { 2 }));
    }

    [Test]
    public async Task ExecuteReaderAsync_SameTextWhileItIsStillRead_DoesNotDisturbIt()
    {
        await InsertAsync(3);
        using var outer = await connection.ExecuteReaderAsync(AllSql);
        await outer.ReadAsync();

        var inner = await ReadAsync(await connection.ExecuteReaderAsync(AllSql));
        await outer.ReadAsync();

        Assert.That(inner, Is.EqualTo(new[] { 0, 1, 2 }));
        Assert.That(outer.GetInt32(0), Is.EqualTo(1));
    }

    [Test]
    public async Task ExecuteReaderAsync_NestedUseIsOver_KeepsOneStatement()
    {
        await InsertAsync(3);

        using (await connection.ExecuteReaderAsync(AllSql))
        {
            await ReadAsync(await connection.ExecuteReaderAsync(AllSql));
        }

        Assert.That(PreparedStatements.GetRuns(connection)[AllSql].Count(), Is.EqualTo(1));
    }

    [Test]
    public async Task ExecuteAsync_StatementFails_IsUsableAgain()
    {
        await connection.ExecuteAsync(InsertSql, new { Id = 1, Name = "one" });

        Assert.That(async () => await connection.ExecuteAsync(InsertSql, new { Id = 1, Name = "again" }), Throws.InstanceOf<SqliteException>());
        await connection.ExecuteAsync(InsertSql, new { Id = 2, Name = "two" });

        Assert.That(await GetNameAsync(2), Is.EqualTo("two"));
    }

    [Test]
    public async Task ExecuteAsync_SchemaChangedMeanwhile_SeesIt()
    {
        await InsertAsync(1);
        await ReadAsync(await connection.ExecuteReaderAsync(AllSql));

        await connection.ExecuteAsync("alter table things add column more text default 'more'");

        Assert.That(await connection.ExecuteScalarAsync<string>("select more from things"), Is.EqualTo("more"));
        Assert.That(await ReadAsync(await connection.ExecuteReaderAsync(AllSql)), Is.EqualTo(new[] { 0 }));
    }

    [Test]
    public async Task ExecuteAsync_FileCannotBeWritten_IsUnavailable()
    {
        await connection.ExecuteAsync("pragma query_only = 1");

        var failure = Assert.ThrowsAsync<UnavailableException>(() => connection.ExecuteAsync(InsertSql, new { Id = 1, Name = "one" }));

        Assert.That(failure.Code, Is.EqualTo("database_unavailable"));
    }

    [Test]
    public async Task Dispose_StatementsAreKept_ClosesTheFile()
    {
        await InsertAsync(1);

        connection.Dispose();

        Assert.That(() => File.OpenHandle(folder.File("test.db"), FileMode.Open, FileAccess.ReadWrite, FileShare.None).Dispose(), Throws.Nothing);
    }

    private static async Task<List<int>> ReadAsync(DbDataReader reader)
    {
        using (reader)
        {
            var ids = new List<int>();
            while (await reader.ReadAsync())
                ids.Add(reader.GetInt32(0));
            return ids;
        }
    }

    private Task<string?> GetNameAsync(int id) => connection.QuerySingleAsync<string?>(NameSql, new { Id = id });

    private Task<int> InsertAsync(int count) => connection.ExecuteAsync(InsertSql, Enumerable.Range(0, count).Select(i => new { Id = i, Name = "x" }));
}
