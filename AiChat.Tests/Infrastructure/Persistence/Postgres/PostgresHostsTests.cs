using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using AiChat.Core.Errors;
using AiChat.Infrastructure.Persistence;
using AiChat.Infrastructure.Persistence.Postgres;
using AiChat.Tests.Support;
using Dapper;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace AiChat.Tests.Infrastructure.Persistence.Postgres;

/// <summary>URLs with several hosts. Of the two servers the first takes no writes, like a standby, and the second takes them.</summary>
public sealed class PostgresHostsTests
{
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(2);

    private OwnPostgresServer? first;
    private OwnPostgresServer? second;

    private string BothHosts => $"127.0.0.1:{first!.Port},127.0.0.1:{second!.Port}";

    [OneTimeSetUp]
    public async Task StartServers()
    {
        first = await OwnPostgresServer.CreateAsync();
        second = await OwnPostgresServer.CreateAsync();
        await using var connection = await PostgresServer.ConnectAsync(first.Url);
        await connection.ExecuteAsync("alter system set default_transaction_read_only = on");
        await connection.ExecuteAsync("select pg_reload_conf()");
    }

    [OneTimeTearDown]
    public async Task StopServers()
    {
        if (first is not null)
            await first.DisposeAsync();
        if (second is not null)
            await second.DisposeAsync();
    }

    [TestCase("", 2)]
    [TestCase("?target_session_attrs=read-write", 2)]
    [TestCase("?target_session_attrs=READ-WRITE&load_balance_hosts=random", 2)]
    [TestCase("?target_session_attrs=any", 1)]
    [TestCase("?target_session_attrs=read-only", 1)]
    [TestCase("?target_session_attrs=primary", 1)]
    [TestCase("?target_session_attrs=prefer-standby", 1)]
    public async Task ReadAsync_SeveralHosts_UsesTheOneThatIsAskedFor(string query, int host)
    {
        await using var database = Open(BothHosts, query);

        var port = await ReadAsync(database, "select inet_server_port()");

        Assert.That(port, Is.EqualTo(host == 1 ? first!.Port : second!.Port));
    }

    [TestCase("read-write")]
    [TestCase("primary")]
    [TestCase("prefer-standby")]
    public async Task ReadAsync_OneHost_UsesItWhateverIsAskedFor(string target)
    {
        await using var database = Open($"127.0.0.1:{first!.Port}", $"?target_session_attrs={target}");

        Assert.That(await ReadAsync(database, "select inet_server_port()"), Is.EqualTo(first.Port));
        Assert.That(await database.IsWritableAsync(CancellationToken.None), Is.False);
    }

    [TestCase("nowhere.invalid")]
    [TestCase("127.0.0.1:1")]
    public async Task WriteAsync_FirstHostIsNotThere_WritesToTheOther(string nowhere)
    {
        await using var database = Open($"{nowhere},127.0.0.1:{second!.Port}");

        var port = await database.WriteAsync(async connection =>
        {
            await connection.ExecuteAsync("create temporary table trial (id int) on commit drop");
            return await connection.ExecuteScalarAsync<long>("select inet_server_port()");
        });

        Assert.That(port, Is.EqualTo(second.Port));
    }

    /// <summary>It takes connections, and says nothing: a connection to it takes as long as one may.</summary>
    [Test]
    public async Task ReadAsync_FirstHostIsSilent_IsWaitedForOnce()
    {
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        await using var database = Open($"{silent.LocalEndpoint},127.0.0.1:{second!.Port}");
        await ReadAsync(database, "select 1");
        var begin = Stopwatch.GetTimestamp();

        for (var i = 0; i < 20; i++)
            await ReadAsync(database, "select 1");

        Assert.That(Stopwatch.GetElapsedTime(begin), Is.LessThan(ConnectTimeout));
    }

    [Test]
    public async Task ReadAsync_NoHostTakesWrites_SaysSo()
    {
        await using var database = Open($"127.0.0.1:{first!.Port},localhost:{first.Port}");

        var failure = Assert.ThrowsAsync<UnavailableException>(() => ReadAsync(database, "select 1"));

        Assert.That(database.DescribeFailure(failure.InnerException!), Does.StartWith(
            $"the PostgreSQL database 127.0.0.1:{first.Port},localhost:{first.Port}/postgres cannot be used: none of the hosts that answer takes writes. Check "));
    }

    [Test]
    public async Task ReadAsync_NoHostIsThere_SaysWhatIsWrongWithEach()
    {
        await using var database = Open("127.0.0.1:1,127.0.0.1:2");

        var failure = Assert.ThrowsAsync<UnavailableException>(() => ReadAsync(database, "select 1"));

        Assert.That(database.DescribeFailure(failure.InnerException!), Does.Contain(
            "cannot be used: none of its hosts can be used: Failed to connect to 127.0.0.1:1: Connection refused. Failed to connect to 127.0.0.1:2: Connection refused. Check "));
    }

    [Test]
    public async Task ReadAsync_IsGivenUpMeanwhile_IsNoOutage()
    {
        await using var database = Open(BothHosts);
        using var gone = new CancellationTokenSource();
        await gone.CancelAsync();

        Assert.That(
            () => database.ReadAsync(connection => connection.ExecuteScalarAsync<long>("select 1"), gone.Token), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(await ReadAsync(database, "select 1"), Is.EqualTo(1));
    }

    [Test]
    public async Task DisposeAsync_SeveralHosts_ClosesTheirConnections()
    {
        const string CountSql = "select count(*) from pg_stat_activity where application_name = 'closing'";
        await using var connection = await PostgresServer.ConnectAsync(second!.Url);
        var database = Open(BothHosts, "?application_name=closing");
        await ReadAsync(database, "select 1");
        var before = await connection.ExecuteScalarAsync<long>(CountSql);

        await database.DisposeAsync();

        Assert.That(before, Is.EqualTo(1));
        Assert.That(() => connection.ExecuteScalar<long>(CountSql), Is.Zero.After(5000, 20));
    }

    [TestCase("one,two:6432", "one:5432,two:6432/db")]
    [TestCase("[::1],[::2]:6432", "[::1]:5432,[::2]:6432/db")]
    [TestCase("one:6432", "one:6432/db")]
    public async Task Location_Hosts_AreThereWithTheirPorts(string hosts, string location)
    {
        await using var database = new PostgresDatabase(
            Options.Create(new DatabaseOptions { Url = $"postgresql://anna:secret@{hosts}/db" }), NullLoggerFactory.Instance);

        Assert.That(database.Location, Is.EqualTo(location));
    }

    private static PostgresDatabase Open(string hosts, string query = "") => new(
        Options.Create(new DatabaseOptions { Url = $"postgresql://aichat:aichat@{hosts}/postgres{query}", ConnectTimeout = ConnectTimeout }),
        NullLoggerFactory.Instance);

    private static Task<long> ReadAsync(PostgresDatabase database, string sql) =>
        database.ReadAsync(connection => connection.ExecuteScalarAsync<long>(sql), CancellationToken.None);
}
