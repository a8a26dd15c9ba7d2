using AiChat.Tests.Support;
using static AiChat.Tests.Operations.Nodes.NodeCluster;

namespace AiChat.Tests.Operations.Nodes;

/// <summary>Three servers on one database: it makes no difference to clients which of them they ask.</summary>
[OwnDatabase]
public sealed class NodesTests
{
    private SemaphoreSlim steps = null!;
    private NodeCluster cluster = null!;

    private AiChatProcess A => cluster.A;

    private AiChatProcess B => cluster.B;

    private AiChatProcess C => cluster.C;

    [OneTimeSetUp]
    public async Task StartNodes() => cluster = await NodeCluster.StartAsync(
        3, ("Budgets__Users__carol__TokensPerDay", "1000"));

    [OneTimeTearDown]
    public async Task StopNodes()
    {
        if (cluster is not null)
            await cluster.DisposeAsync();
    }

    [SetUp]
    public void SetUp() => steps = new SemaphoreSlim(0);

    [TearDown]
    public void TearDown() => steps.Dispose();

    [Test]
    public async Task Follow_RunOfAnotherNode_ShowsEachCharacterOnceUnderTheSameIds()
    {
        cluster.Answer("A story", LlmReplies.SteppedStream(steps, "Once ", "upon ", "a ", "time."));
        await using var owner = await SendAsync(A, "A story");
        steps.Release(2);
        var shown = await owner.ReadTextAsync("Once upon ".Length);
        await using var whole = await FollowAsync(B, shown[0].RunId);
        await using var rest = await FollowAsync(C, shown[0].RunId, shown[^1].Id);

        steps.Release(3);

        var (onA, onB, onC) = (await owner.ReadToEndAsync(), await whole.ReadToEndAsync(), await rest.ReadToEndAsync());
        Assert.Multiple(() =>
        {
            Assert.That(StreamEvent.Join(onB), Is.EqualTo("Once upon a time."));
            Assert.That(onC.Select(e => e.Name), Does.Not.Contain("run.started").And.Not.Contain("run.snapshot"));
            Assert.That(StreamEvent.Join(onC, "Once upon "), Is.EqualTo("Once upon a time."));
            Assert.That(onB[0].ToString(), Is.EqualTo(shown[0].ToString()));
            Assert.That(new[] { onB[^1].ToString(), onC[^1].ToString() }, Is.All.EqualTo(onA[^1].ToString()));
            Assert.That(onB.Concat(onC).Where(e => e.Name == "message.delta").Select(ToPosition), Is.All.EqualTo(ToPosition(shown[1])));
        });
    }

    [Test]
    public async Task Get_MessagesWhileAnotherNodeWritesTheReply_ShowWhatThereIs()
    {
        cluster.Answer("A long story", LlmReplies.SteppedStream(steps, "Once ", "upon ", "a time."));
        await using var owner = await SendAsync(A, "A long story");
        steps.Release(2);
        var shown = await owner.ReadTextAsync("Once upon ".Length);
        var path = $"/chats/{shown[0].Data.Text("chat_id")}/messages";

        // It is stored a moment after it is shown.
        Assert.That(async () => (await B.GetAsync(path))[1].Text("content"), Is.EqualTo("Once upon ").After(5_000, 20));

        steps.Release(2);
        await owner.ReadToEndAsync();
        Assert.That((await B.GetAsync(path))[1].Text("content"), Is.EqualTo("Once upon a time."));
    }

    [Test]
    public async Task Follow_EndedRunOfAnotherNode_IsReplayed()
    {
        await using var owner = await SendAsync(A, "Short");
        var shown = await owner.ReadToEndAsync();

        await using var whole = await FollowAsync(B, shown[0].RunId);
        await using var rest = await FollowAsync(C, shown[0].RunId, shown[0].Id);
        var path = $"/runs/{shown[0].RunId}/events?after={shown[^1].Sequence}";
        using var nothing = await B.Client.GetAsync(path);

        Assert.That(StreamEvent.Join(await whole.ReadToEndAsync()), Is.EqualTo("echo: Short"));
        Assert.That(StreamEvent.Join(await rest.ReadToEndAsync()), Is.EqualTo("echo: Short"));
        Assert.That((int)nothing.StatusCode, Is.EqualTo(204));
    }

    [Test]
    public async Task Follow_RunThatWaitsForItsTurnOnAnotherNode_ShowsAllOfIt()
    {
        cluster.Answer("Long", LlmReplies.SteppedStream(steps, "One", " two"));
        await using var running = await SendAsync(A, "Long");
        var chatId = (await running.NextAsync()).Data.Text("chat_id");
        await using var waiting = await SendAsync(A, "Next", chatId);
        var started = await waiting.NextAsync();
        await using var follower = await FollowAsync(B, started.RunId);

        steps.Release(3);

        var events = await follower.ReadToEndAsync();
        Assert.That(events[0].ToString(), Is.EqualTo(started.ToString()));
        Assert.That(StreamEvent.Join(events), Is.EqualTo("echo: Next"));
        Assert.That(events[^1].Name, Is.EqualTo("run.completed"));
    }

    [Test]
    public async Task Get_RunOfAnotherNode_ShowsHowFarItIs()
    {
        cluster.Answer("Show me", LlmReplies.SteppedStream(steps, "Once ", "more"));
        await using var owner = await SendAsync(A, "Show me");
        var runId = (await owner.NextAsync()).RunId;
        steps.Release();

        var run = await WaitForAsync(
            B, $"/runs/{runId}", r => r.GetProperty("attempts").Items() is [var attempt] && attempt.Text("reply") == "Once ");

        Assert.That((run.Text("status"), run.Text("model")), Is.EqualTo(("in_progress", "openai/gpt-oss-20b")));
        steps.Release(2);
        await owner.ReadToEndAsync();
    }

    [Test]
    public async Task Send_KeyOfARunOnAnotherNode_WaitsForItsReply()
    {
        var asked = cluster.Llm.Requests.Count;
        cluster.Answer("Once only", LlmReplies.SteppedStream(steps, "Just once."));
        var first = PostAsync(A, "/chat", new { message = "Once only" }, "key-1");
        await cluster.Llm.WaitForRequestsAsync(asked + 1);
        var again = PostAsync(B, "/chat", new { message = "Once only" }, "key-1");

        steps.Release(2);

        var replies = await Task.WhenAll(first, again);
        Assert.That(replies.Select(r => (r.Status, r.Text)), Is.All.EqualTo((200, replies[0].Text)));
        Assert.That(replies[0].Json.Text("reply"), Is.EqualTo("Just once."));
        Assert.That(replies.Count(r => r.GetHeader("Idempotency-Replayed") == "true"), Is.EqualTo(1));
        Assert.That(cluster.CountCalls("Once only"), Is.EqualTo(1));
    }

    [Test]
    public async Task Send_FiftyTimesUnderOneKeyOverThreeNodes_IsOneMessageWithOneReply()
    {
        var sends = Enumerable.Range(0, 50).Select(i => PostAsync(cluster.Nodes[i % 3], "/chat", new { message = "Fifty" }, "key-50"));

        var replies = await Task.WhenAll(sends);

        var chat = await C.GetAsync($"/chats/{replies[0].Json.Text("chat_id")}");
        Assert.Multiple(() =>
        {
            Assert.That(replies.Select(r => (r.Status, r.Text)), Is.All.EqualTo((200, replies[0].Text)));
            Assert.That(cluster.CountCalls("Fifty"), Is.EqualTo(1));
            Assert.That(chat.Number("message_count"), Is.EqualTo(2));
        });
    }

    [Test]
    public async Task Cancel_RunOfAnotherNode_KeepsItsTextAndClosesTheModel()
    {
        var aborted = cluster.Llm.Aborted;
        cluster.Answer("Stop me", LlmReplies.PausingStream("Once upon "));
        await using var owner = await SendAsync(A, "Stop me");
        var runId = (await owner.ReadTextAsync("Once upon ".Length))[0].RunId;
        await using var follower = await FollowAsync(C, runId);

        var cancelled = await PostAsync(B, $"/runs/{runId}/cancel", new { });

        await cluster.Llm.WaitForAbortsAsync(aborted + 1);
        var (onA, onC) = (await owner.ReadToEndAsync(), await follower.ReadToEndAsync());
        Assert.Multiple(() =>
        {
            Assert.That((cancelled.Status, cancelled.Json.Text("status")), Is.EqualTo((200, "cancelled")));
            Assert.That((onA[^1].Name, onA[^1].Data.Text("reply")), Is.EqualTo(("run.cancelled", "Once upon ")));
            Assert.That((onC[^1].Name, onC[^1].Id, onC[^1].Data.Text("reply")), Is.EqualTo(("run.cancelled", onA[^1].Id, "Once upon ")));
            Assert.That(StreamEvent.Join(onC), Is.EqualTo("Once upon "));
        });
    }

    [Test]
    public async Task Cancel_RunThatWaitsOnAnotherNode_EndsItWithoutATurn()
    {
        cluster.Answer("Busy", LlmReplies.SteppedStream(steps, "Done"));
        await using var running = await SendAsync(A, "Busy");
        var chatId = (await running.NextAsync()).Data.Text("chat_id");
        await using var waiting = await SendAsync(A, "Never asked", chatId);
        var runId = (await waiting.NextAsync()).RunId;

        var cancelled = await PostAsync(B, $"/runs/{runId}/cancel", new { });

        Assert.That(cancelled.Json.Text("status"), Is.EqualTo("cancelled"));
        Assert.That((await waiting.ReadToEndAsync())[^1].Name, Is.EqualTo("run.cancelled"));
        steps.Release(2);
        Assert.That((await running.ReadToEndAsync())[^1].Name, Is.EqualTo("run.completed"));
        Assert.That(cluster.CountCalls("Never asked"), Is.Zero);
    }

    [Test]
    public async Task Interrupt_RunOfAnotherNode_TakesItsTurn()
    {
        cluster.Answer("Go on for ever", LlmReplies.PausingStream("And then "));
        await using var owner = await SendAsync(A, "Go on for ever");
        var started = (await owner.ReadTextAsync("And then ".Length))[0];

        await using var next = await SendAsync(B, "Instead", started.Data.Text("chat_id"), "interrupt");

        Assert.That(StreamEvent.Join(await next.ReadToEndAsync()), Is.EqualTo("echo: Instead"));
        Assert.That((await owner.ReadToEndAsync())[^1].Name, Is.EqualTo("run.cancelled"));
    }

    [Test]
    public async Task Reject_ChatThatIsBusyOnAnotherNode_IsAConflict()
    {
        cluster.Answer("Occupied", LlmReplies.SteppedStream(steps, "Done"));
        await using var owner = await SendAsync(A, "Occupied");
        var started = await owner.NextAsync();

        var refused = await PostAsync(B, "/chat", new { chat_id = started.Data.Text("chat_id"), message = "Now", on_busy = "reject" });

        Assert.That((refused.Status, refused.Code, refused.Json.Text("run_id")), Is.EqualTo((409, "chat_busy", started.RunId)));
        steps.Release(2);
        await owner.ReadToEndAsync();
    }

    [Test]
    public async Task Queue_MessagesOverThreeNodes_AreAnsweredInTheirOrder()
    {
        cluster.Answer("0", LlmReplies.SteppedStream(steps, "echo: 0"));
        var streams = new List<EventStream> { await SendAsync(A, "0") };
        var chatId = (await streams[0].NextAsync()).Data.Text("chat_id")!;
        for (var i = 1; i < 9; i++)
        {
            streams.Add(await SendAsync(cluster.Nodes[i % 3], $"{i}", chatId));
            await streams[i].NextAsync();
        }

        steps.Release(2);

        foreach (var stream in streams)
        {
            Assert.That((await stream.ReadToEndAsync())[^1].Name, Is.EqualTo("run.completed"));
            await stream.DisposeAsync();
        }

        var expected = Enumerable.Range(0, 9).SelectMany(i => new[] { $"{i}", $"echo: {i}" });
        Assert.That((await C.GetAsync($"/chats/{chatId}/messages?limit=50")).Texts("content"), Is.EqualTo(expected));
        var asked = cluster.Llm.Requests.Select(r => r.LastUserMessage).Where(m => m.Length == 1);
        Assert.That(asked, Is.EqualTo(Enumerable.Range(0, 9).Select(i => $"{i}")));
    }

    [Test]
    public async Task Delete_ChatOfARunOnAnotherNode_EndsItEverywhere()
    {
        var aborted = cluster.Llm.Aborted;
        cluster.Answer("Gone soon", LlmReplies.PausingStream("Once upon "));
        await using var owner = await SendAsync(A, "Gone soon");
        var started = (await owner.ReadTextAsync("Once upon ".Length))[0];
        await using var follower = await FollowAsync(C, started.RunId);
        await follower.ReadTextAsync("Once upon ".Length);

        using var deleted = await B.Client.DeleteAsync($"/chats/{started.Data.Text("chat_id")}");

        await cluster.Llm.WaitForAbortsAsync(aborted + 1);
        StreamEvent[] ends = [(await owner.ReadToEndAsync())[^1], (await follower.ReadToEndAsync())[^1]];
        Assert.That(deleted.IsSuccessStatusCode, Is.True);
        Assert.That(
            ends.Select(e => (e.Name, e.Data.GetProperty("error").Text("code"), e.Data.Text("reply"))),
            Is.All.EqualTo(("run.cancelled", "chat_deleted", "Once upon ")));
    }

    /// <summary>The day has tokens for three of them at once.</summary>
    [Test]
    public async Task Budget_MessagesOverThreeNodes_AreLimitedTogether()
    {
        cluster.Answer("Spend", LlmReplies.SteppedStream(steps, "Spent."));
        var sends = Enumerable.Range(0, 30)
            .Select(i => PostAsync(cluster.Nodes[i % 3], "/chat", new { user_id = "carol", message = "Spend", max_tokens = 300 })).ToList();
        var refused = new List<ApiReply>();
        while (refused.Count < 27)
        {
            var answered = await Task.WhenAny(sends);
            sends.Remove(answered);
            refused.Add(await answered);
        }

        steps.Release(6);

        var accepted = await Task.WhenAll(sends);
        Assert.That(refused.Select(r => (r.Status, r.Code)), Is.All.EqualTo((429, "budget_exceeded")));
        Assert.That(accepted.Select(r => (r.Status, r.Json.Text("reply"))), Is.All.EqualTo((200, "Spent.")));
        Assert.That(cluster.CountCalls("Spend"), Is.EqualTo(3));
    }

    [Test]
    public async Task Retry_RunThatFailedOnAnotherNode_IsAnswered()
    {
        cluster.Answer("Fail first", LlmReplies.Status(400));
        var failed = await PostAsync(A, "/chat", new { message = "Fail first" });
        cluster.Answer("Fail first", LlmReplies.Answer("At last."));
        var runId = failed.Json.Text("run_id");

        var retried = await PostAsync(B, $"/runs/{runId}/retry", new { });

        var run = await A.GetAsync($"/runs/{runId}");
        Assert.That((retried.Status, retried.Json.Text("reply")), Is.EqualTo((200, "At last.")));
        Assert.That(run.Text("status"), Is.EqualTo("completed"));
        Assert.That(run.GetProperty("attempts").Texts("status"), Is.EqualTo(new[] { "failed", "completed" }));
    }

    /// <summary>Where the reply begins in its run, by what a delta says.</summary>
    private static long ToPosition(StreamEvent delta) => delta.Sequence - delta.Data.Number("offset") - delta.Data.Text("text")!.Length;
}
