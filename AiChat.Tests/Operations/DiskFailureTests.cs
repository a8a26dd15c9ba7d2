using System.Net.Http.Json;
using System.Text.Json;
using AiChat.Tests.Support;
using Microsoft.Data.Sqlite;

namespace AiChat.Tests.Operations;

/// <summary>The real process on a disk that is full or fails, and on the same disk when it works again.</summary>
[Platform(Include = "Linux")]
[OwnDatabase]
public sealed class DiskFailureTests
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(30);

    private TempFolder folder = null!;
    private FakeLlm llm = null!;

    /// <summary>Everything of the database, and nothing else: the log of the server goes on.</summary>
    private string[] DatabaseFiles => [Database, Database + "-wal", Database + "-shm"];

    private string Database => folder.File("ai_chat.db");

    [SetUp]
    public async Task SetUp()
    {
        folder = new TempFolder();
        llm = await FakeLlm.StartAsync();
    }

    [TearDown]
    public async Task TearDown()
    {
        await llm.DisposeAsync();
        folder.Dispose();
    }

    [TestCase(Strace.Writes, "ENOSPC")]
    [TestCase(Strace.Writes, "EIO")]
    [TestCase(Strace.Flushes, "EIO")]
    public async Task Send_DiskTakesNoWrites_IsRefusedAndTheServerRecoversByItself(string calls, string error)
    {
        using var server = await StartAsync();
        var chatId = (await SendAsync(server, null, "before")).Json.Text("chat_id")!;

        await using var strace = await Strace.FailAsync(server, folder.File("strace.log"), calls, error, DatabaseFiles);
        var refused = await Task.WhenAll(Enumerable.Range(0, 10).Select(i => SendAsync(server, i % 2 == 0 ? chatId : null, $"refused {i}")));
        var unready = await GetAsync(server, "/health/ready");
        var stillUnready = await GetAsync(server, "/health/ready");
        var others = await Task.WhenAll(new[] { "/health", "/health/live", $"/chats/{chatId}/messages" }.Select(path => GetAsync(server, path)));
        await strace.StopAsync();
        var ready = await GetAsync(server, "/health/ready");
        var after = await SendAsync(server, chatId, "after");

        Assert.That(refused.Select(r => (r.Status, r.Code)), Has.All.EqualTo((503, "database_unavailable")));
        Assert.That(new[] { unready.Status, stillUnready.Status }, Has.All.EqualTo(503));
        Assert.That(unready.Json.Text("database"), Is.EqualTo("the database takes no writes; its disk may be full or failing"));
        Assert.That(others.Select(r => r.Status), Has.All.EqualTo(200));
        Assert.That((ready.Status, ready.Json.Text("database")), Is.EqualTo((200, "ok")));
        Assert.That(after.Status, Is.EqualTo(200), after.Text);
        Assert.That((await GetTurnsAsync(server, chatId)).Select(t => t.Message), Is.EqualTo(new[] { "before", "after" }));
        Assert.That((await GetAsync(server, "/chats")).Json.GetProperty("chats").Items(), Has.Count.EqualTo(1));
        await AssertDatabaseIsWholeAsync(server);
    }

    [TestCase(Strace.Writes, "ENOSPC")]
    [TestCase(Strace.Flushes, "EIO")]
    public async Task Send_DiskFailsAmongManySends_AcknowledgedIsKeptAndRefusedIsNot(string calls, string error)
    {
        using var server = await StartAsync();
        var senders = Enumerable.Range(0, 8).Select(_ => new Sender()).ToList();
        using var stop = new CancellationTokenSource();
        var sending = Task.WhenAll(senders.Select(s => s.SendUntilAsync(server, stop.Token)));

        await WaitUntilAsync(() => senders.TrueForAll(s => s.Answered.Count > 2));
        await using (await Strace.FailAsync(server, folder.File("strace.log"), calls, error, DatabaseFiles))
            await WaitUntilAsync(() => senders.Exists(s => s.Refused.Count > 2));
        var answered = senders.ConvertAll(s => s.Answered.Count);
        await WaitUntilAsync(() => senders.Zip(answered).All(s => s.First.Answered.Count > s.Second + 2));
        await stop.CancelAsync();
        await sending;

        foreach (var sender in senders)
        {
            var turns = await GetTurnsAsync(server, sender.ChatId!);
            Assert.That(turns.Select(t => t.Message), Is.EqualTo(turns.Select(t => t.Message).Distinct()));
            Assert.That(turns.Select(t => t.Message), Is.SupersetOf(sender.Answered));
            Assert.That(turns.Select(t => t.Message).Intersect(sender.Refused), Is.Empty);
            Assert.That(turns.Select(t => t.Reply), Is.EqualTo(turns.Select(t => $"echo: {t.Message}")));
        }

        await AssertDatabaseIsWholeAsync(server);
    }

    [Test]
    public async Task Send_DiskFullWhenTheReplyComes_ReplyIsStoredWhenItHasRoom()
    {
        using var server = await StartAsync();
        var chatId = (await SendAsync(server, null, "before")).Json.Text("chat_id")!;
        llm.Enqueue(LlmReplies.Slow(LlmReplies.Answer("better late")));
        var sending = SendAsync(server, chatId, "Hello");
        await llm.WaitForRequestsAsync(2);

        await using (await Strace.FailAsync(server, folder.File("strace.log"), Strace.Writes, "ENOSPC", DatabaseFiles))
        {
            llm.Release();
            var unstored = await sending;
            Assert.That((unstored.Status, unstored.Code), Is.EqualTo((503, "database_unavailable")));
        }

        Assert.That((await GetTurnsAsync(server, chatId))[1], Is.EqualTo(("Hello", "better late")));
    }

    /// <summary>The transaction is in the file, whole, when its flush fails; nobody may find it there later.</summary>
    [Test]
    public async Task Kill_AfterAFlushFailed_RefusedMessageDoesNotComeBack()
    {
        string chatId;
        using (var server = await StartAsync())
        {
            chatId = (await SendAsync(server, null, "before")).Json.Text("chat_id")!;
            await using (await Strace.FailAsync(server, folder.File("strace.log"), Strace.Flushes, "EIO", DatabaseFiles))
                Assert.That((await SendAsync(server, chatId, "refused")).Status, Is.EqualTo(503));
            await server.KillAsync();
        }

        using var again = await StartAsync();

        Assert.That((await GetTurnsAsync(again, chatId)).Select(t => t.Message), Is.EqualTo(new[] { "before" }));
    }

    [Test]
    public async Task Get_DiskCannotBeRead_IsRefusedUntilItCan()
    {
        string chatId;
        using (var first = await StartAsync())
            chatId = (await SendAsync(first, null, "before")).Json.Text("chat_id")!;
        // Started anew, so that nothing of the chat is in its memory.
        using var server = await StartAsync();

        await using var strace = await Strace.FailAsync(server, folder.File("strace.log"), Strace.Reads, "EIO", DatabaseFiles);
        var unreadable = await GetAsync(server, $"/chats/{chatId}/messages");
        await strace.StopAsync();

        Assert.That((unreadable.Status, unreadable.Code), Is.EqualTo((503, "database_unavailable")));
        Assert.That((await GetTurnsAsync(server, chatId)).Select(t => t.Message), Is.EqualTo(new[] { "before" }));
    }

    /// <summary>The log takes everything, but cannot be copied into the file.</summary>
    [Test]
    public async Task Send_CheckpointFails_IsAnsweredAllTheSame()
    {
        using var server = await StartAsync();
        llm.Handler = _ => LlmReplies.Answer(new string('y', 1_000_000));

        await using var strace = await Strace.FailAsync(server, folder.File("strace.log"), Strace.Writes, "ENOSPC", Database);
        var replies = new List<ApiReply>();
        for (var i = 0; i < 12; i++)
            replies.Add(await SendAsync(server, null, $"message {i}"));
        var ready = await GetAsync(server, "/health/ready");
        var calls = await strace.StopAsync();

        Assert.That(calls, Is.Not.Empty, "There was no checkpoint.");
        Assert.That(replies.Select(r => r.Status), Has.All.EqualTo(200));
        Assert.That(ready.Status, Is.EqualTo(200));
        await AssertDatabaseIsWholeAsync(server);
    }

    private static async Task<ApiReply> SendAsync(AiChatProcess server, string? chatId, string message)
    {
        using var response = await server.Client.PostAsJsonAsync("/chat", new { chat_id = chatId, message });
        return await ApiReply.ReadAsync(response);
    }

    private static async Task<ApiReply> GetAsync(AiChatProcess server, string path)
    {
        using var response = await server.Client.GetAsync(path);
        return await ApiReply.ReadAsync(response);
    }

    /// <summary>All turns of a chat when its last one has ended; each is checked to be whole, and the sequences to have no gap.</summary>
    private static async Task<IReadOnlyList<(string Message, string Reply)>> GetTurnsAsync(AiChatProcess server, string chatId)
    {
        IReadOnlyList<JsonElement> messages = [];
        await WaitUntilAsync(async () =>
        {
            messages = (await GetAsync(server, $"/chats/{chatId}/messages")).Json.Items();
            return messages.All(m => m.Text("status") is not "in_progress");
        });
        var chat = (await GetAsync(server, $"/chats/{chatId}")).Json;

        Assert.That(messages.Select(m => m.Text("role")), Is.EqualTo(messages.Select((_, i) => i % 2 == 0 ? "user" : "assistant")));
        Assert.That(messages.Select(m => m.Number("sequence")), Is.EqualTo(Enumerable.Range(1, messages.Count)));
        Assert.That(messages.Select(m => m.Text("status")), Has.All.EqualTo("completed"));
        Assert.That(chat.Number("message_count"), Is.EqualTo(messages.Count));
        return [.. messages.Chunk(2).Select(turn => (turn[0].Text("content")!, turn[1].Text("content")!))];
    }

    private static async Task WaitUntilAsync(Func<Task<bool>> condition)
    {
        using var limit = new CancellationTokenSource(LongestWait);
        while (!await condition())
            await Task.Delay(10, limit.Token);
    }

    private static Task WaitUntilAsync(Func<bool> condition) => WaitUntilAsync(() => Task.FromResult(condition()));

    /// <summary>Stops the server, which must still be able to, and lets SQLite check the file.</summary>
    private async Task AssertDatabaseIsWholeAsync(AiChatProcess server)
    {
        Assert.That(server.HasExited, Is.False);
        server.Terminate();
        Assert.That(await server.WaitForExitAsync(), Is.Zero);

        await using var connection = new SqliteConnection($"Data Source={Database};Pooling=False");
        await connection.OpenAsync();
        await using var check = connection.CreateCommand();
        check.CommandText = "pragma integrity_check";
        Assert.That(await check.ExecuteScalarAsync(), Is.EqualTo("ok"));
    }

    private Task<AiChatProcess> StartAsync() =>
        AiChatProcess.StartAsync(folder.Path, ("GROQ_API_KEY", "test-key"), ("Providers__groq__BaseUrl", llm.BaseUrl));

    /// <summary>Sends to a chat of its own, one message after the other, and keeps what became of each.</summary>
    private sealed class Sender
    {
        public string? ChatId { get; private set; }

        public List<string> Answered { get; } = [];

        /// <summary>Those that the server said it stored nothing of.</summary>
        public List<string> Refused { get; } = [];

        public async Task SendUntilAsync(AiChatProcess server, CancellationToken stop)
        {
            for (var i = 0; !stop.IsCancellationRequested; i++)
            {
                var message = $"message {i}";
                var reply = await SendAsync(server, ChatId, message);
                if (reply.Status == 200)
                {
                    ChatId ??= reply.Json.Text("chat_id");
                    Answered.Add(message);
                }
                else if (reply.Json.Text("detail")!.Contains("Nothing of this request was stored", StringComparison.Ordinal))
                {
                    Refused.Add(message);
                }
            }
        }
    }
}
