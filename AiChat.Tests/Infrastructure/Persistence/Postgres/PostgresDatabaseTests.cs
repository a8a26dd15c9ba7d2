using AiChat.Core.Errors;
using AiChat.Infrastructure.Persistence;
using AiChat.Infrastructure.Persistence.Postgres;
using AiChat.Tests.Support;
using Dapper;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Npgsql;

namespace AiChat.Tests.Infrastructure.Persistence.Postgres;

/// <summary>A server that fails, or a network that does, in front of a table with the rows 1 to 4.</summary>
public sealed class PostgresDatabaseTests
{
    private static readonly CancellationToken None = CancellationToken.None;

    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(30);

    private PostgresCopy copy = null!;
    private CuttingProxy proxy = null!;
    private PostgresDatabase database = null!;
    private CapturedLog log = null!;
    private LoggerFactory loggers = null!;

    [SetUp]
    public async Task SetUp()
    {
        copy = await PostgresServer.CreateDatabaseAsync();
        proxy = CuttingProxy.Start(copy.Url);
        log = new CapturedLog();
        loggers = new LoggerFactory([log]);
        database = Open(copy.Url);
        await database.WriteAsync(connection => connection.ExecuteAsync(
            "create table rows (id int primary key, value int not null); insert into rows select n, 0 from generate_series(1, 4) n"));
    }

    [TearDown]
    public async Task TearDown()
    {
        if (copy is null)
            return;
        await database.DisposeAsync();
        await proxy.DisposeAsync();
        await copy.DisposeAsync();
        loggers.Dispose();
        log.Dispose();
    }

    [Test]
    public async Task ReadAsync_IdleConnectionsWereCut_ReadsOnANewOne()
    {
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => ReadAsync("select 1 from pg_sleep(0.05)")));

        proxy.CutAll();
        var values = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => ReadAsync("select count(*) from rows")));

        Assert.That(values, Has.All.EqualTo(4));
    }

    [Test]
    public async Task WriteAsync_CutBeforeItsCommit_IsRunAgainAndStoredOnce()
    {
        var tries = 0;

        await database.WriteAsync(async connection =>
        {
            await AddAsync(connection, 1);
            if (++tries == 1)
                proxy.CutAll();
            return await AddAsync(connection, 2);
        });

        Assert.That(tries, Is.EqualTo(2));
        Assert.That(await ReadAsync("select sum(value) from rows"), Is.EqualTo(2));
    }

    /// <summary>Nobody can know on this side what became of it, so it must not be run again.</summary>
    [TestCase(true)]
    [TestCase(false)]
    public async Task WriteAsync_CutAtItsCommit_SaysThatItMayBeStoredAndIsNotRunAgain(bool isDelivered)
    {
        var tries = 0;
        proxy.CutAtCommit("marked", isDelivered);

        var failure = Assert.ThrowsAsync<UnavailableException>(() => database.WriteEndingAsync(_ =>
        {
            tries++;
            return Task.FromResult(Ending.With(0, new BoundStatement("update rows set value = value + 1 where id = 1 and @Mark <> ''", new { Mark = "marked" })));
        }));

        Assert.That((failure.Code, failure.MayBeDone), Is.EqualTo(("database_unavailable", true)));
        Assert.That((tries, proxy.HasCut), Is.EqualTo((1, true)));
        Assert.That(await ReadAsync("select sum(value) from rows"), Is.EqualTo(isDelivered ? 1 : 0));
    }

    [Test]
    public async Task WriteAsync_Deadlock_BothAreStored()
    {
        using var meeting = new Barrier(2);
        var tries = 0;

        await Task.WhenAll(AddBothAsync(1, 2), AddBothAsync(2, 1)).WaitAsync(LongestWait);

        Assert.That(tries, Is.GreaterThan(2), "There was no deadlock.");
        Assert.That(await ReadAsync("select sum(value) from rows where id in (1, 2)"), Is.EqualTo(4));

        Task<int> AddBothAsync(int first, int second)
        {
            var isFirstTry = true;
            return Task.Run(() => database.WriteAsync(async connection =>
            {
                Interlocked.Increment(ref tries);
                await AddAsync(connection, first);
                if (isFirstTry)
                    meeting.SignalAndWait(LongestWait);
                isFirstTry = false;
                return await AddAsync(connection, second);
            }));
        }
    }

    [Test]
    public async Task WriteAsync_SerializationFailure_IsRunAgain()
    {
        var tries = 0;

        await database.WriteAsync(async connection =>
        {
            await connection.ExecuteAsync("set transaction isolation level repeatable read");
            await connection.ExecuteScalarAsync<int>("select value from rows where id = 1");
            if (++tries == 1)
                await database.WriteAsync(other => AddAsync(other, 1));
            return await AddAsync(connection, 1);
        });

        Assert.That(tries, Is.EqualTo(2));
        Assert.That(await ReadAsync("select value from rows where id = 1"), Is.EqualTo(2));
    }

    [Test]
    public async Task WriteAsync_StatementsFailed_ConnectionsAreAsGoodAsNew()
    {
        for (var i = 0; i < 5; i++)
        {
            Assert.ThrowsAsync<PostgresException>(() => database.WriteAsync(async connection =>
            {
                await AddAsync(connection, 1);
                return await connection.ExecuteAsync("insert into rows values (1, 0)");
            }));
            Assert.ThrowsAsync<PostgresException>(() => database.ReadAsync(async connection =>
            {
                await connection.ExecuteAsync(database.Dialect.BeginSnapshot);
                return await connection.ExecuteAsync("select 1 / 0");
            }, None));
        }

        Assert.That(await ReadAsync("select sum(value) from rows"), Is.Zero);
        Assert.That(await ReadAsync(
            "select count(*) from pg_stat_activity where datname = current_database() and state like 'idle in transaction%'"), Is.Zero);
        Assert.That(await database.WriteAsync(connection => AddAsync(connection, 1)), Is.EqualTo(1));
    }

    [Test]
    public async Task ReadAsync_StatementTakesTooLong_IsUnavailableAndTheConnectionIsNotLost()
    {
        await using var impatient = Open(copy.Url, commandTimeout: 1);

        var failure = Assert.ThrowsAsync<UnavailableException>(() => ReadAsync("select 1 from pg_sleep(60)", impatient));

        Assert.That(failure.Code, Is.EqualTo("database_unavailable"));
        Assert.That(await ReadAsync("select count(*) from rows", impatient), Is.EqualTo(4));
        Assert.That(await ReadAsync("select count(*) from pg_stat_activity where datname = current_database() and query like '%sleep(60)' and state = 'active'"), Is.Zero);
    }

    [Test]
    public async Task ReadAsync_ManyOverFewConnections_AllWaitForTheirTurn()
    {
        await using var small = Open(copy.Url, connections: 2);

        var counts = await Task.WhenAll(Enumerable.Range(0, 200).Select(_ => ReadAsync(
            "select count(*) from pg_stat_activity, pg_sleep(0.002) where datname = current_database() and application_name = 'small'", small)));

        Assert.That(counts, Has.All.InRange(1, 2));
    }

    [Test]
    public async Task ReadAsync_ServerTakesFewerConnectionsThanConfigured_AllGetTheirTurn()
    {
        var role = $"aichat_few_{Guid.NewGuid():N}";
        await database.WriteAsync(connection => connection.ExecuteAsync($"create role {role} login password 'few' connection limit 2"));
        try
        {
            await using var few = Open(new UriBuilder(copy.Url) { UserName = role, Password = "few" }.ToString());

            var values = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => ReadAsync("select 1 from pg_sleep(0.005)", few)));

            Assert.That(values, Has.All.EqualTo(1));
            Assert.That(log.Entries.Count(e => e.Contains("takes no further connections")), Is.EqualTo(1));
        }
        finally
        {
            await database.WriteAsync(connection => connection.ExecuteAsync($"drop role {role}"));
        }
    }

    /// <summary>A pooled connection of before would go on refusing: new ones are made, which find the server that leads now.</summary>
    [Test]
    public async Task WriteAsync_ServerIsReadOnly_IsRefusedUntilItTakesWritesAgain()
    {
        var name = copy.Name;
        await database.WriteAsync(connection => connection.ExecuteAsync($"alter database {name} set default_transaction_read_only = on"));
        await using var other = Open(copy.Url);

        var failure = Assert.ThrowsAsync<UnavailableException>(() => other.WriteAsync(connection => AddAsync(connection, 1)));
        var isWritable = await other.IsWritableAsync(None);
        await database.WriteAsync(connection => connection.ExecuteAsync($"alter database {name} reset default_transaction_read_only"));
        Assert.ThrowsAsync<UnavailableException>(() => other.WriteAsync(connection => AddAsync(connection, 1)));

        Assert.That((failure.Code, failure.MayBeDone), Is.EqualTo(("database_unavailable", false)));
        Assert.That(isWritable, Is.False);
        Assert.That(await other.WriteAsync(connection => AddAsync(connection, 1)), Is.EqualTo(1));
        Assert.That(await other.IsWritableAsync(None), Is.True);
    }

    [Test]
    public async Task ReadAsync_ServerIsAway_IsRefusedWithoutTryingAndSaidOnce()
    {
        await ReadAsync("select 1");
        proxy.IsRefusing = true;
        proxy.CutAll();
        Assert.ThrowsAsync<UnavailableException>(() => ReadAsync("select 1"));
        var accepted = proxy.Accepted;

        var refused = 0;
        for (var i = 0; i < 1000; i++)
        {
            Assert.ThrowsAsync<UnavailableException>(() => ReadAsync("select 1"));
            refused++;
        }

        var tried = proxy.Accepted - accepted;
        proxy.IsRefusing = false;
        await log.WaitForAsync("can be reached again");
        Assert.That(tried, Is.LessThan(refused / 10));
        Assert.That(await ReadAsync("select count(*) from rows"), Is.EqualTo(4));
        Assert.That(log.Entries.Count(e => e.Level >= LogLevel.Warning), Is.EqualTo(1), string.Join('\n', log.Entries.Where(e => e.Level >= LogLevel.Warning)));
    }

    [Test]
    public async Task ReadAsync_ServerComesBackAtOnce_NobodyNotices()
    {
        await ReadAsync("select 1");
        proxy.IsRefusing = true;
        proxy.CutAll();

        var reads = Enumerable.Range(0, 50).Select(_ => ReadAsync("select count(*) from rows")).ToList();
        await log.WaitForAsync("cannot be reached");
        proxy.IsRefusing = false;

        Assert.That(await Task.WhenAll(reads), Has.All.EqualTo(4));
    }

    [Test]
    public async Task ReadAsync_NetworkIsSilent_IsUnavailableAndComesBack()
    {
        await using var impatient = Open(copy.Url, commandTimeout: 1, connectTimeout: 1);
        await ReadAsync("select 1", impatient);
        proxy.Silence();

        Assert.ThrowsAsync<UnavailableException>(() => ReadAsync("select 1", impatient));
        Assert.ThrowsAsync<UnavailableException>(() => ReadAsync("select 1", impatient));
        proxy.Flow();
        proxy.CutAll();
        await log.WaitForAsync("can be reached again");

        Assert.That(await ReadAsync("select count(*) from rows", impatient), Is.EqualTo(4));
    }

    private PostgresDatabase Open(string url, int connections = 10, int commandTimeout = 10, int connectTimeout = 5) => new(
        Options.Create(new DatabaseOptions
        {
            Url = proxy.ToUrl(url) + (connections == 2 ? "?application_name=small" : ""),
            MaxConnections = connections,
            CommandTimeout = TimeSpan.FromSeconds(commandTimeout),
            ConnectTimeout = TimeSpan.FromSeconds(connectTimeout),
        }), loggers);

    private Task<long> ReadAsync(string sql, PostgresDatabase? from = null) =>
        (from ?? database).ReadAsync(connection => connection.ExecuteScalarAsync<long>(sql), None);

    private static Task<int> AddAsync(System.Data.Common.DbConnection connection, int id) =>
        connection.ExecuteAsync("update rows set value = value + 1 where id = @Id", new { Id = id });
}
