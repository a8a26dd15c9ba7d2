using Npgsql;

namespace AiChat.Tests.Support;

public sealed class PostgresServerTests
{
    [Test]
    public async Task CreateDatabaseAsync_Twice_EachIsEmptyAndNamedInItsUrl()
    {
        await using var one = await PostgresServer.CreateDatabaseAsync();
        await using var other = await PostgresServer.CreateDatabaseAsync();

        await ExecuteAsync(one.Url, "create table things (id integer)");

        Assert.That(await ReadAsync(one.Url, "select current_database()"), Is.EqualTo(one.Name));
        Assert.That(await ReadAsync(other.Url, "select current_database()"), Is.EqualTo(other.Name));
        Assert.That(await ReadAsync(other.Url, "select to_regclass('things')::text"), Is.EqualTo(DBNull.Value));
    }

    [Test]
    public async Task Dispose_SomebodyIsConnected_DatabaseIsGone([Values] bool isAsync)
    {
        var database = await PostgresServer.CreateDatabaseAsync();
        await using var connection = await PostgresServer.ConnectAsync(database.Url);

        if (isAsync)
            await database.DisposeAsync();
        else
            database.Dispose();

        Assert.That(await ExistsAsync(database.Name), Is.False);
    }

    [Test]
    public async Task CreateFromTemplateAsync_ManyAtOnce_FilledOnceAndCopiedToAll()
    {
        var template = $"aichat_test_template_{Guid.NewGuid():N}";
        var fills = 0;
        NpgsqlConnection? left = null;

        var databases = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => PostgresServer.CreateFromTemplateAsync(template, FillAsync)));
        var things = await Task.WhenAll(databases.Select(d => ReadAsync(d.Url, "select id from things")));

        Assert.That(fills, Is.EqualTo(1));
        Assert.That(things, Is.All.EqualTo(7));

        foreach (var database in databases)
            await database.DisposeAsync();
        await left!.DisposeAsync();
        await DropAsync(template);

        async Task FillAsync(string url)
        {
            Interlocked.Increment(ref fills);
            await ExecuteAsync(url, "create table things (id integer); insert into things values (7)");
            left = await PostgresServer.ConnectAsync(url);
        }
    }

    [Test]
    public async Task CreateFromTemplateAsync_FillFailed_NextOneFillsFromTheStart()
    {
        PostgresServer.RequireUrl();
        var template = $"aichat_test_template_{Guid.NewGuid():N}";
        Assert.ThrowsAsync<TimeoutException>(() => PostgresServer.CreateFromTemplateAsync(template, async url =>
        {
            await ExecuteAsync(url, "create table half (id integer)");
            throw new TimeoutException();
        }));

        await using var database = await PostgresServer.CreateFromTemplateAsync(
            template, url => ExecuteAsync(url, "create table things (id integer)"));

        Assert.That(await ReadAsync(database.Url, "select to_regclass('half')::text"), Is.EqualTo(DBNull.Value));
        Assert.That(await ReadAsync(database.Url, "select to_regclass('things')::text"), Is.EqualTo("things"));
        await DropAsync(template);
    }

    [Test]
    public async Task OwnServer_Stopped_TakesNoConnectionsUntilItIsStarted()
    {
        await using var server = await OwnPostgresServer.CreateAsync();
        await ExecuteAsync(server.Url, "create table things (id integer)");

        await server.StopAsync();
        Assert.CatchAsync<NpgsqlException>(() => PostgresServer.ConnectAsync(server.Url));
        await server.StartAsync();

        Assert.That(await ReadAsync(server.Url, "select to_regclass('things')::text"), Is.EqualTo("things"));
    }

    [Test]
    public async Task OwnServer_CrashesAfterCommit_KeepsWhatWasCommitted()
    {
        await using var server = await OwnPostgresServer.CreateAsync();
        await ExecuteAsync(server.Url, "create table things (id integer)");
        await using var connection = await PostgresServer.ConnectAsync(server.Url);
        await using var insert = new NpgsqlCommand("insert into things values (7)", connection);
        await insert.ExecuteNonQueryAsync();

        await server.RestartAsync(immediate: true);

        Assert.That(await ReadAsync(server.Url, "select id from things"), Is.EqualTo(7));
        Assert.CatchAsync<NpgsqlException>(() => insert.ExecuteNonQueryAsync());
    }

    private static async Task<bool> ExistsAsync(string database) =>
        (bool)(await ReadAsync(PostgresServer.RequireUrl(), $"select exists (select 1 from pg_database where datname = '{database}')"))!;

    private static Task DropAsync(string database) => ExecuteAsync(PostgresServer.RequireUrl(), $"drop database {database}");

    private static async Task ExecuteAsync(string url, string sql)
    {
        await using var connection = await PostgresServer.ConnectAsync(url);
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }

    private static async Task<object?> ReadAsync(string url, string sql)
    {
        await using var connection = await PostgresServer.ConnectAsync(url);
        await using var command = new NpgsqlCommand(sql, connection);
        return await command.ExecuteScalarAsync();
    }
}
