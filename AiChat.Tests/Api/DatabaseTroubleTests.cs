using System.Net.Http.Json;
using AiChat.Tests.Infrastructure.Persistence;
using AiChat.Tests.Support;
using Dapper;

namespace AiChat.Tests.Api;

/// <summary>
/// The whole application while PostgreSQL, or the way to it, fails: what was accepted is answered and stored once, what was not is refused,
/// and all of it goes on by itself.
/// </summary>
[OwnDatabase]
public sealed class DatabaseTroubleTests
{
    private const int Streams = 32;

    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(60);

    private PostgresCopy? copy;
    private CuttingProxy? proxy;
    private OwnPostgresServer? server;
    private AiChatApplication? app;

    private FakeLlm Llm { get; set; } = null!;

    private AiChatApplication App => app!;

    private CuttingProxy Proxy => proxy!;

    [SetUp]
    public async Task SetUp()
    {
        (copy, proxy, server, app) = (null, null, null, null);
        Llm = await FakeLlm.StartAsync();
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
            await Llm.DisposeAsync();
            if (proxy is not null)
                await proxy.DisposeAsync();
            if (copy is not null)
                await copy.DisposeAsync();
            if (server is not null)
                await server.DisposeAsync();
        }
    }

    [TestCase(false)]
    [TestCase(true)]
    public async Task Stream_ServerRestartsMeanwhile_EveryReplyIsWholeAndStoredAndAskedForOnce(bool immediate)
    {
        await StartOnOwnServerAsync();
        using var steps = new SemaphoreSlim(0);
        string[] pieces = [.. Enumerable.Range(0, 12).Select(i => $"{i} ünd 😀 ")];
        Llm.Handler = _ => LlmReplies.SteppedStream(steps, pieces);
        var client = new SseClient(App.Client.BaseAddress!);
        var streams = await Task.WhenAll(Enumerable.Range(0, Streams).Select(i =>
            client.SendAsync(new { user_id = "alice", message = $"Question {i}", stream = true })));
        var transcripts = streams.Select(_ => new RunTranscript()).ToList();
        steps.Release(Streams * 3);
        var reading = Task.WhenAll(streams.Zip(transcripts, (stream, transcript) => transcript.ReadAsync(stream)));

        var restarting = server!.RestartAsync(immediate);
        while (!restarting.IsCompleted)
        {
            steps.Release(4);
            await Task.Delay(20);
        }

        await restarting;
        steps.Release(Streams * 13);
        await reading.WaitAsync(LongestWait);

        foreach (var (transcript, stream) in transcripts.Zip(streams))
        {
            var messages = await App.GetMessagesAsync(transcript.Started!.Json.Text("chat_id")!);
            Assert.That(transcript.Violations, Is.Empty);
            Assert.That(transcript.EndStatus, Is.EqualTo("completed"));
            Assert.That(transcript.Text, Is.EqualTo(string.Concat(pieces)));
            Assert.That(messages.Json.Texts("content")[1], Is.EqualTo(string.Concat(pieces)));
            Assert.That(messages.Json.Texts("status"), Has.All.EqualTo("completed"));
            stream.Dispose();
        }

        Assert.That(Llm.Requests, Has.Count.EqualTo(Streams));
    }

    [Test]
    public async Task Server_IsAwayForAWhile_RunsGoOnSendsAreRefusedAndProbesTellIt()
    {
        await StartOnOwnServerAsync(("Runs:MaxReplyTokens", "10"));
        App.Log.Expect("longer than Runs:MaxReplyTokens");
        using var steps = new SemaphoreSlim(0);
        Llm.Enqueue(LlmReplies.SteppedStream(steps, "Hello", " to", " you", string.Concat(Enumerable.Repeat(" and you", 100)), "never"));
        using var stream = await new SseClient(App.Client.BaseAddress!).SendAsync(
            new { user_id = "alice", message = "Hi", stream = true }, idempotencyKey: "key-1");
        var transcript = new RunTranscript();
        steps.Release();
        await transcript.ReadAsync(stream, t => t.Length == 5);

        await server!.StopAsync();
        var refusals = new List<ApiReply>();
        for (var i = 0; i < 50; i++)
            refusals.Add(await App.PostAsync("/chat", new { user_id = "alice", message = "Refused" }));
        var (ready, live) = (await App.GetAsync("/health/ready"), await App.GetAsync("/health/live"));
        // Ten tokens are thirty bytes: that is what is kept in memory, whatever the model says and however long the server is away.
        steps.Release(3);
        await transcript.ReadAsync(stream, t => t.Length == 30);
        await server.StartAsync();
        await transcript.ReadAsync(stream);

        var messages = await App.GetMessagesAsync(transcript.Started!.Json.Text("chat_id")!);
        var replay = await App.RequestAsync(
            HttpMethod.Post, "/chat", JsonContent.Create(new { user_id = "alice", message = "Hi" }), ("Idempotency-Key", "key-1"));
        var chats = await App.GetAsync("/chats?user_id=alice");
        Assert.Multiple(() =>
        {
            Assert.That(refusals.Select(r => (r.Status, r.Code)), Has.All.EqualTo((503, "database_unavailable")));
            Assert.That(refusals.Select(r => r.GetHeader("Retry-After")), Has.All.EqualTo("5"));
            Assert.That((ready.Status, ready.Json.Text("database")), Is.EqualTo((503, "the database cannot be reached or read")));
            Assert.That(live.Status, Is.EqualTo(200));
            Assert.That(transcript.Violations, Is.Empty);
            Assert.That((transcript.EndStatus, transcript.Length), Is.EqualTo(("completed", 30)));
            Assert.That(messages.Json.Texts("content"), Is.EqualTo(new[] { "Hi", transcript.Text }));
            Assert.That((replay.Status, replay.Json.Text("reply")), Is.EqualTo((200, transcript.Text)));
            Assert.That(chats.Json.Number("total"), Is.EqualTo(1));
            Assert.That(Llm.Requests, Has.Count.EqualTo(1));
            Assert.That(CountLogged("cannot be reached"), Is.EqualTo(1));
            Assert.That(CountLogged("running replies cannot be stored"), Is.LessThanOrEqualTo(1));
        });
    }

    /// <summary>Whatever is cut, and however far the send had come: what is answered is stored, once, and a repetition adds nothing.</summary>
    [Test]
    public async Task Send_ConnectionsAreCutAtAnyMoment_IsStoredOnceOrRefused()
    {
        await StartBehindProxyAsync();
        var chatId = await App.CreateChatAsync();
        await App.SendAsync(chatId, "warm up");

        var cuts = 0;
        for (var bytes = 0; bytes < 6000; bytes += 150)
        {
            var message = $"message {bytes}";
            Proxy.CutAfter(bytes);
            var first = await SendAsync(chatId, message, $"key-{bytes}");
            cuts += Proxy.HasCut ? 1 : 0;
            Proxy.CutAfter(long.MaxValue);
            var second = await SendAsync(chatId, message, $"key-{bytes}");

            Assert.That(first.Status is 200 || (first.Status, first.Code) is (503, "database_unavailable"), Is.True, first.Text);
            Assert.That((second.Status, second.Json.Text("reply")), Is.EqualTo((200, $"echo: {message}")), second.Text);
        }

        var contents = (await App.GetAsync($"/chats/{chatId}/messages?user_id=alice&limit=200")).Json.Texts("content");
        Assert.That(cuts, Is.GreaterThan(10), "Most cuts came too late.");
        Assert.That(contents, Is.Unique);
        Assert.That(contents, Has.Count.EqualTo(Llm.Requests.Count * 2));
    }

    /// <summary>Nobody on this side knows whether the server has stored it. Where it has, that is found out.</summary>
    [Test]
    public async Task Send_AnswerToItsCommitIsLost_IsAnsweredAllTheSame()
    {
        await StartBehindProxyAsync();
        var chatId = await App.CreateChatAsync();
        Proxy.CutAtCommit("marked message", isDelivered: true);

        var reply = await SendAsync(chatId, "marked message", "key-1");

        Assert.That(Proxy.HasCut, Is.True);
        Assert.That((reply.Status, reply.Json.Text("reply")), Is.EqualTo((200, "echo: marked message")));
        Assert.That((await App.GetMessagesAsync(chatId)).Json.Texts("status"), Is.EqualTo(new[] { "completed", "completed" }));
    }

    [Test]
    public async Task Send_ItsCommitIsLost_IsRefusedAndTheRepetitionIsAnswered()
    {
        await StartBehindProxyAsync();
        var chatId = await App.CreateChatAsync();
        Proxy.CutAtCommit("marked message", isDelivered: false);

        var first = await SendAsync(chatId, "marked message", "key-1");
        var second = await SendAsync(chatId, "marked message", "key-1");

        Assert.That((first.Status, first.Code), Is.EqualTo((503, "database_unavailable")));
        Assert.That(first.Json.Text("detail"), Does.Contain("may be stored or not"));
        Assert.That((second.Status, second.Json.Text("reply")), Is.EqualTo((200, "echo: marked message")));
        Assert.That((await App.GetMessagesAsync(chatId)).Json.Texts("content"), Is.EqualTo(new[] { "marked message", "echo: marked message" }));
    }

    /// <summary>The run is in the database, and its process could not learn that: it settles it like one that a dead process left behind.</summary>
    [Test]
    public async Task Send_AnswerToItsCommitIsLostAndTheDatabaseIsAwayThen_IsStoredOnceAndCanBeTriedAgain()
    {
        await StartBehindProxyAsync(("Runs:LeaseTime", "00:00:02"));
        App.Log.Allow("their process ended");
        var chatId = await App.CreateChatAsync();
        Proxy.CutAtCommit("marked message", isDelivered: true);
        Proxy.IsRefusing = true;

        var first = await SendAsync(chatId, "marked message", "key-1");
        Proxy.IsRefusing = false;
        await App.Log.WaitForAsync("can be reached again");
        var second = await SendAsync(chatId, "marked message", "key-1");
        var third = await App.PostAsync($"/runs/{second.Json.Text("run_id")}/retry?user_id=alice", new { });

        Assert.That((first.Status, first.Code), Is.EqualTo((503, "database_unavailable")));
        Assert.That((second.Status, second.Code), Is.EqualTo((503, "run_interrupted")));
        Assert.That((third.Status, third.Json.Text("reply")), Is.EqualTo((200, "echo: marked message")));
        Assert.That((await App.GetMessagesAsync(chatId)).Json.Texts("content"), Is.EqualTo(new[] { "marked message", "echo: marked message" }));
    }

    [Test]
    public async Task Send_ServerIsReadOnly_IsRefusedAndUnreadyUntilItTakesWrites()
    {
        await StartOnOwnServerAsync();
        var chatId = await App.CreateChatAsync();
        await ExecuteAsync("alter system set default_transaction_read_only = on", "select pg_reload_conf()");
        await WaitUntilAsync(async () => (await App.GetAsync("/health/ready")).Status == 503);

        var refused = await App.SendAsync(chatId, "Hello");
        var (ready, read) = (await App.GetAsync("/health/ready"), await App.GetMessagesAsync(chatId));
        await ExecuteAsync("set default_transaction_read_only = off; alter system reset default_transaction_read_only", "select pg_reload_conf()");
        await WaitUntilAsync(async () => (await App.GetAsync("/health/ready")).Status == 200);
        var answered = await App.SendAsync(chatId, "Hello");

        Assert.That((refused.Status, refused.Code), Is.EqualTo((503, "database_unavailable")));
        Assert.That(ready.Json.Text("database"), Is.EqualTo("the database takes no writes; its server is a standby, or was told to be read-only"));
        Assert.That(read.Status, Is.EqualTo(200));
        Assert.That(answered.Status, Is.EqualTo(200));
    }

    [Test]
    public async Task Send_ManyOverFewConnections_AllAreAnswered()
    {
        await StartBehindProxyAsync(("Database:MaxConnections", "2"));

        var replies = await Task.WhenAll(Enumerable.Range(0, 200).Select(i => App.PostAsync("/chat", new { user_id = "alice", message = $"message {i}" })));

        Assert.That(replies.Select(r => r.Status), Has.All.EqualTo(200));
    }

    [Test]
    public async Task Get_ReadyWhileTheNetworkIsSilent_IsUnreadyAndDoesNotHang()
    {
        await StartBehindProxyAsync(("Database:CommandTimeout", "00:00:03"), ("Database:ConnectTimeout", "00:00:03"));
        await App.GetAsync("/health/ready");
        Proxy.Silence();

        var ready = await App.GetAsync("/health/ready");
        Proxy.Flow();
        Proxy.CutAll();
        await WaitUntilAsync(async () => (await App.GetAsync("/health/ready")).Status == 200);

        Assert.That((ready.Status, ready.Json.Text("database")), Is.EqualTo((503, "the database does not answer within 2 seconds")));
    }

    [Test]
    public async Task Log_AtItsLowestLevelWhileTheDatabaseFails_HasNoContents()
    {
        await StartBehindProxyAsync(("Logging:LogLevel:Default", "Trace"), ("Logging:LogLevel:Microsoft", "Trace"), ("Logging:LogLevel:Npgsql", "Trace"));
        App.Log.Allow("Exception while");
        Proxy.CutAtCommit("secret message", isDelivered: false);
        await SendAsync(chatId: null, "secret message", "secret-key");
        await SendAsync(chatId: null, "secret message", "secret-key");

        var lines = App.Log.Entries.Where(e => !e.Category.StartsWith("Microsoft.", StringComparison.Ordinal)).Select(e => $"{e.Message} {e.Exception}").ToList();
        Assert.That(lines, Has.Some.Contains("insert into messages"), "Statements are not logged at this level.");
        Assert.That(lines, Has.None.Contains("secret"));
        Assert.That(lines, Has.None.Contains("aichat:aichat").And.None.Contains("Password=aichat"));
    }

    private async Task StartOnOwnServerAsync(params (string Key, string Value)[] settings)
    {
        server = await OwnPostgresServer.CreateAsync();
        Start(server.Url, settings);
    }

    private async Task StartBehindProxyAsync(params (string Key, string Value)[] settings)
    {
        copy = await TestDatabase.CreatePostgresAsync();
        proxy = CuttingProxy.Start(copy.Url);
        // A renewal would be among the bytes that are counted.
        Start(proxy.ToUrl(copy.Url), [("Runs:LeaseTime", "00:10:00"), .. settings]);
    }

    private void Start(string url, (string Key, string Value)[] settings)
    {
        app = AiChatApplication.Start(
            [("GROQ_API_KEY", AiChatApplication.GroqKey), ("Providers:groq:BaseUrl", Llm.BaseUrl), ("DATABASE_URL", url), .. settings]);
        foreach (var trouble in (string[])["cannot be reached", "cannot be stored", "cannot say that it is alive", "cannot look up which runs are its own", "cannot be taken care of", "cannot be heard", "could not be told", "database_unavailable"])
            App.Log.Allow(trouble);
    }

    private Task<ApiReply> SendAsync(string? chatId, string message, string key) => App.RequestAsync(
        HttpMethod.Post, "/chat", JsonContent.Create(new { chat_id = chatId, user_id = "alice", message }), ("Idempotency-Key", key));

    private int CountLogged(string text) => App.Log.Entries.Count(e => e.Contains(text));

    private async Task ExecuteAsync(params string[] statements)
    {
        await using var connection = await PostgresServer.ConnectAsync(server!.Url);
        foreach (var statement in statements.SelectMany(s => s.Split("; ")))
            await connection.ExecuteAsync(statement);
    }

    private static async Task WaitUntilAsync(Func<Task<bool>> condition)
    {
        using var limit = new CancellationTokenSource(LongestWait);
        while (!await condition())
            await Task.Delay(20, limit.Token);
    }
}
