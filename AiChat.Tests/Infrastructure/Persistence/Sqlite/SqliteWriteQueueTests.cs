using System.Data.Common;
using AiChat.Core.Errors;
using AiChat.Infrastructure.Persistence.Sqlite;
using AiChat.Tests.Support;
using Dapper;

namespace AiChat.Tests.Infrastructure.Persistence.Sqlite;

public sealed class SqliteWriteQueueTests
{
    /// <summary>Only ever waited for in full by a test that fails.</summary>
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(10);

    private TempFolder folder = null!;
    private StatementCachingConnection writer = null!;
    private StatementCachingConnection reader = null!;
    private SqliteWriteQueue queue = null!;
    private int commits;

    [SetUp]
    public async Task SetUp()
    {
        SqliteLibrary.Load(null);
        folder = new TempFolder();
        writer = Open();
        await writer.ExecuteAsync("pragma journal_mode = wal; create table effects (number integer primary key autoincrement, name text unique)");
        reader = Open();
        commits = 0;
        queue = new SqliteWriteQueue(writer, () =>
        {
            commits++;
            return Task.CompletedTask;
        });
    }

    [TearDown]
    public void TearDown()
    {
        queue.Dispose();
        reader.Dispose();
        writer.Dispose();
        folder.Dispose();
    }

    [Test]
    public async Task EnqueueAsync_Work_IsVisibleToOthersWhenItReturns()
    {
        var result = await queue.EnqueueAsync(async connection =>
        {
            await InsertAsync(connection, "one");
            return "done";
        });

        Assert.That(result, Is.EqualTo("done"));
        Assert.That(await GetEffectsAsync(), Is.EqualTo(new[] { "one" }));
    }

    [Test]
    public async Task EnqueueAsync_WorkUnderWay_IsNotVisibleToOthers()
    {
        var finish = new TaskCompletionSource();

        var write = queue.EnqueueAsync(async connection =>
        {
            await InsertAsync(connection, "one");
            await finish.Task;
            return 0;
        });

        Assert.That(await GetEffectsAsync(), Is.Empty);
        finish.SetResult();
        await write;
    }

    [Test]
    public async Task EnqueueAsync_ManyWait_AreCommittedTogether()
    {
        var writes = await EnqueueBehindOneAnotherAsync(Enumerable.Range(1, 50).Select(i => Insert($"{i}")));
        await Task.WhenAll(writes).WaitAsync(LongestWait);
        await queue.EnqueueAsync(Insert("last"));

        // The one that was under way, the fifty, and maybe the last one, whose commit may not have been counted yet.
        Assert.That(commits, Is.InRange(2, 3));
    }

    [Test]
    public async Task EnqueueAsync_ManyCalls_TakeEffectInTheirOrder()
    {
        var names = Enumerable.Range(1, 500).Select(i => $"{i}").ToList();

        var writes = await EnqueueBehindOneAnotherAsync(names.Select(Insert));
        await Task.WhenAll(writes).WaitAsync(LongestWait);

        Assert.That((await GetEffectsAsync()).Skip(1), Is.EqualTo(names));
    }

    [Test]
    public async Task EnqueueAsync_OneFailsAmongOthers_OnlyThatOneHasNoEffect()
    {
        var defect = new InvalidOperationException();

        var writes = await EnqueueBehindOneAnotherAsync([Insert("a"), Insert("b"), InsertAndFail("c", defect), Insert("d"), Insert("e")]);

        Assert.That(await Task.WhenAll(writes[0], writes[1], writes[3], writes[4]).WaitAsync(LongestWait), Is.EqualTo(new[] { "a", "b", "d", "e" }));
        Assert.That(async () => await writes[2].WaitAsync(LongestWait), Throws.Exception.SameAs(defect));
        Assert.That(await GetEffectsAsync(), Is.EqualTo(new[] { "first", "a", "b", "d", "e" }));
    }

    [Test]
    public async Task EnqueueAsync_SeveralFailDifferently_EachIsToldItsOwnReason()
    {
        var defects = Enumerable.Range(0, 3).Select(i => new InvalidOperationException($"{i}")).ToList();

        var writes = await EnqueueBehindOneAnotherAsync([.. defects.Select((d, i) => InsertAndFail($"{i}", d)), Insert("first"), Insert("x")]);

        for (var i = 0; i < defects.Count; i++)
            Assert.That(async () => await writes[i].WaitAsync(LongestWait), Throws.Exception.SameAs(defects[i]));
        Assert.That(async () => await writes[3].WaitAsync(LongestWait), Throws.InstanceOf<Microsoft.Data.Sqlite.SqliteException>());
        Assert.That(await writes[4], Is.EqualTo("x"));
        Assert.That(await GetEffectsAsync(), Is.EqualTo(new[] { "first", "x" }));
    }

    [Test]
    public async Task EnqueueAsync_AloneAndFails_HasNoEffectAndTheNextOneWorks()
    {
        Assert.That(async () => await queue.EnqueueAsync(InsertAndFail("a", new InvalidOperationException())), Throws.InvalidOperationException);
        await queue.EnqueueAsync(Insert("b"));

        Assert.That(await GetEffectsAsync(), Is.EqualTo(new[] { "b" }));
    }

    [Test]
    public async Task EnqueueAsync_WorkFailsBeforeItsFirstAwait_IsReportedLikeAnyOther()
    {
        Assert.That(async () => await queue.EnqueueAsync<int>(_ => throw new InvalidOperationException()), Throws.InvalidOperationException);

        Assert.That(await queue.EnqueueAsync(Insert("b")), Is.EqualTo("b"));
    }

    [Test]
    public async Task EnqueueAsync_ParallelWriters_LoseNoUpdate()
    {
        await queue.EnqueueAsync(Insert("0"));

        await Task.WhenAll(Enumerable.Range(0, 32).Select(_ => Task.Run(async () =>
        {
            for (var i = 0; i < 25; i++)
                await queue.EnqueueAsync(CountUpAsync);
        })));

        Assert.That(await GetEffectsAsync(), Is.EqualTo(new[] { "800" }));
    }

    [Test]
    public async Task EnqueueAsync_DiskFull_IsUnavailableAndWorksAgainLater()
    {
        await writer.ExecuteAsync("pragma max_page_count = 20");

        var failure = Assert.ThrowsAsync<UnavailableException>(() => queue.EnqueueAsync(Insert(new string('x', 1 << 20))));
        await writer.ExecuteAsync("pragma max_page_count = 100000");
        await queue.EnqueueAsync(Insert("after"));

        Assert.That(failure.Code, Is.EqualTo("database_unavailable"));
        Assert.That(await GetEffectsAsync(), Is.EqualTo(new[] { "after" }));
    }

    [Test]
    public async Task IsFailing_DiskTakesNoWrites_IsTrueUntilACommitSucceeds()
    {
        await queue.EnqueueAsync(Insert("before"));
        var wasFailing = queue.IsFailing;

        await writer.ExecuteAsync("pragma query_only = 1");
        Assert.ThrowsAsync<UnavailableException>(() => queue.EnqueueAsync(Insert("lost")));
        var isFailing = queue.IsFailing;
        await writer.ExecuteAsync("pragma query_only = 0");
        var isStillFailing = queue.IsFailing;
        await queue.EnqueueAsync(Insert("after"));

        Assert.That(new[] { wasFailing, isFailing, isStillFailing, queue.IsFailing }, Is.EqualTo(new[] { false, true, true, false }));
        Assert.That(await GetEffectsAsync(), Is.EqualTo(new[] { "before", "after" }));
    }

    [Test]
    public void IsFailing_WorkFailsForADefect_IsFalse()
    {
        Assert.That(async () => await queue.EnqueueAsync(InsertAndFail("a", new InvalidOperationException())), Throws.InvalidOperationException);

        Assert.That(queue.IsFailing, Is.False);
    }

    [Test]
    public async Task EnqueueAsync_NothingToWriteAfterAFailure_WritesAllTheSame()
    {
        await writer.ExecuteAsync("pragma query_only = 1");
        Assert.ThrowsAsync<UnavailableException>(() => queue.EnqueueAsync(Insert("lost")));
        await writer.ExecuteAsync("pragma query_only = 0");
        var version = await GetDataVersionAsync();

        await queue.EnqueueAsync(_ => Task.FromResult(0));

        Assert.That(await GetDataVersionAsync(), Is.GreaterThan(version));
        Assert.That(queue.IsFailing, Is.False);
    }

    [Test]
    public async Task EnqueueAsync_NothingToWrite_WritesNothing()
    {
        await queue.EnqueueAsync(Insert("before"));
        var version = await GetDataVersionAsync();

        await queue.EnqueueAsync(_ => Task.FromResult(0));

        Assert.That(await GetDataVersionAsync(), Is.EqualTo(version));
    }

    private static async Task<int> CountUpAsync(DbConnection connection)
    {
        var number = await connection.ExecuteScalarAsync<int>("select cast(name as integer) from effects");
        await Task.Yield();
        return await connection.ExecuteAsync("update effects set name = @Name", new { Name = $"{number + 1}" });
    }

    private static Func<DbConnection, Task<string>> Insert(string name) => connection => InsertAsync(connection, name);

    private static Func<DbConnection, Task<string>> InsertAndFail(string name, Exception failure) => async connection =>
    {
        await InsertAsync(connection, name);
        throw failure;
    };

    private static async Task<string> InsertAsync(DbConnection connection, string name)
    {
        await connection.ExecuteAsync("insert into effects (name) values (@Name)", new { Name = name });
        return name;
    }

    /// <summary>Queues all of them while another one, which inserts "first", is under way; so they are committed as one.</summary>
    private async Task<List<Task<string>>> EnqueueBehindOneAnotherAsync(IEnumerable<Func<DbConnection, Task<string>>> works)
    {
        var finish = new TaskCompletionSource();
        var first = queue.EnqueueAsync(async connection =>
        {
            await InsertAsync(connection, "first");
            await finish.Task;
            return 0;
        });
        var writes = works.Select(queue.EnqueueAsync).ToList();
        finish.SetResult();
        await first;
        return writes;
    }

    /// <summary>Grows with every transaction of others that has changed something.</summary>
    private Task<long> GetDataVersionAsync() => reader.ExecuteScalarAsync<long>("pragma data_version");

    private async Task<List<string>> GetEffectsAsync() => (await reader.QueryAsync<string>("select name from effects order by number")).AsList();

    private StatementCachingConnection Open()
    {
        var connection = new StatementCachingConnection($"Data Source={folder.File("test.db")};Pooling=False");
        connection.Open();
        return connection;
    }
}
