using AiChat.Tests.Infrastructure.Persistence;
using AiChat.Tests.Support;
using Dapper;

namespace AiChat.Tests.Api;

/// <summary>
/// The whole application on two PostgreSQL servers by one URL, while one hands over to the other. Neither copies the other here: what was stored
/// at one of them is not seen at the other, which shows where each send has gone.
/// </summary>
[OwnDatabase]
public sealed class DatabaseFailoverTests
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(60);

    private OwnPostgresServer? first;
    private OwnPostgresServer? second;
    private FakeLlm? llm;
    private AiChatApplication? app;

    private AiChatApplication App => app!;

    [SetUp]
    public async Task SetUp()
    {
        (first, second, app) = (null, null, null);
        llm = await FakeLlm.StartAsync();
    }

    [TearDown]
    public async Task TearDown()
    {
        try
        {
            if (app is not null)
                await app.DisposeAsync();
        }
        finally
        {
            await llm!.DisposeAsync();
            if (first is not null)
                await first.DisposeAsync();
            if (second is not null)
                await second.DisposeAsync();
        }
    }

    [Test]
    public async Task Send_OneServerHandsOverToTheOther_IsRefusedForAWhileAndGoesOnThere()
    {
        await StartServersAsync();
        Start($"127.0.0.1:{first!.Port},127.0.0.1:{second!.Port}");
        var before = await SendAsync("before");

        await SetWritableAsync(first, isWritable: false);
        await WaitUntilAsync(async () => (await App.GetAsync("/health/ready")).Status == 503);
        var meanwhile = new List<ApiReply>();
        for (var i = 0; i < 20; i++)
            meanwhile.Add(await SendAsync("meanwhile"));
        await SetWritableAsync(second, isWritable: true);
        await WaitUntilAsync(async () =>
        {
            var reply = await SendAsync("again");
            if (reply.Status != 200)
                meanwhile.Add(reply);
            return reply.Status == 200;
        });
        var ready = await App.GetAsync("/health/ready");
        var after = await SendAsync("after");

        Assert.That((before.Status, ready.Status, after.Status), Is.EqualTo((200, 200, 200)), after.Text);
        Assert.That(meanwhile.Select(r => (r.Status, r.Code)), Has.All.EqualTo((503, "database_unavailable")));
        // Signals of other nodes come from there.
        await WaitUntilAsync(() => IsListenedToAsync(second));
        Assert.That(await CountAsync(first, "before"), Is.EqualTo(1));
        Assert.That(await CountAsync(first, "after"), Is.Zero);
        Assert.That(await CountAsync(second, "after"), Is.EqualTo(1));
    }

    [Test]
    public async Task Send_ServerThatLeadsEnds_GoesOnAtTheOther()
    {
        await StartServersAsync();
        Start($"127.0.0.1:{first!.Port},127.0.0.1:{second!.Port}");
        var before = await SendAsync("before");

        await first.StopAsync(immediate: true);
        var meanwhile = await SendAsync("meanwhile");
        await SetWritableAsync(second!, isWritable: true);
        await WaitUntilAsync(async () => (await App.GetAsync("/health/ready")).Status == 200);
        var after = await SendAsync("after");

        Assert.That((before.Status, after.Status), Is.EqualTo((200, 200)), after.Text);
        Assert.That((meanwhile.Status, meanwhile.Code), Is.EqualTo((503, "database_unavailable")));
        Assert.That(await CountAsync(second!, "after"), Is.EqualTo(1));
    }

    [Test]
    public async Task Send_FirstHostDoesNotExist_IsStoredAtTheOther()
    {
        second = await OwnPostgresServer.CreateAsync();
        await MigrateAsync(second);
        Start($"nowhere.invalid,127.0.0.1:{second.Port}");

        var replies = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => SendAsync("hello")));

        Assert.That(replies.Select(r => r.Status), Has.All.EqualTo(200));
        Assert.That(await CountAsync(second, "hello"), Is.EqualTo(20));
    }

    /// <summary>Two servers with the same schema, of which the first takes writes.</summary>
    private async Task StartServersAsync()
    {
        first = await OwnPostgresServer.CreateAsync();
        second = await OwnPostgresServer.CreateAsync();
        await MigrateAsync(first);
        await MigrateAsync(second);
        await SetWritableAsync(second, isWritable: false);
    }

    private void Start(string hosts)
    {
        app = AiChatApplication.Start(
        [
            ("GROQ_API_KEY", AiChatApplication.GroqKey), ("Providers:groq:BaseUrl", llm!.BaseUrl),
            ("DATABASE_URL", $"postgresql://aichat:aichat@{hosts}/postgres"),
        ]);
        // What the new server has never heard of is no defect here, where it is no copy of the other.
        foreach (var trouble in (string[])["cannot be reached", "cannot be stored", "cannot say that it is alive", "cannot look up which runs are its own", "cannot be heard", "could not be told", "database_unavailable", "their process ended"])
            App.Log.Allow(trouble);
    }

    private Task<ApiReply> SendAsync(string message) => App.PostAsync("/chat", new { user_id = "alice", message });

    private static async Task MigrateAsync(OwnPostgresServer server)
    {
        using var database = TestDatabase.Open(server.Url);
        await TestDatabase.NewMigrator(database, TimeProvider.System).MigrateAsync();
    }

    private static async Task SetWritableAsync(OwnPostgresServer server, bool isWritable)
    {
        await using var connection = await PostgresServer.ConnectAsync(server.Url);
        await connection.ExecuteAsync("set default_transaction_read_only = off");
        await connection.ExecuteAsync($"alter system set default_transaction_read_only = {(isWritable ? "off" : "on")}");
        await connection.ExecuteAsync("select pg_reload_conf()");
    }

    private static async Task<long> CountAsync(OwnPostgresServer server, string message)
    {
        await using var connection = await PostgresServer.ConnectAsync(server.Url);
        return await connection.ExecuteScalarAsync<long>("select count(*) from messages where role = 'user' and content = @message", new { message });
    }

    private static async Task<bool> IsListenedToAsync(OwnPostgresServer server)
    {
        await using var connection = await PostgresServer.ConnectAsync(server.Url);
        return await connection.ExecuteScalarAsync<bool>("select exists (select 1 from pg_stat_activity where query = 'listen aichat')");
    }

    private static async Task WaitUntilAsync(Func<Task<bool>> condition)
    {
        using var limit = new CancellationTokenSource(LongestWait);
        while (!await condition())
            await Task.Delay(20, limit.Token);
    }
}
