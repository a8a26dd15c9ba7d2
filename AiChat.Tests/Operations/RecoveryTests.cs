using System.Text.Json;
using AiChat.Tests.Support;

namespace AiChat.Tests.Operations;

/// <summary>A server that is killed while it writes a reply, and the one that is started after it.</summary>
public sealed class RecoveryTests
{
    private readonly SemaphoreSlim steps = new(0);
    private TempFolder folder = null!;
    private FakeLlm llm = null!;

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

    [OneTimeTearDown]
    public void DisposeSteps() => steps.Dispose();

    [Test]
    public async Task Settle_KilledWhileStreaming_KeepsABeginningOfWhatWasShown()
    {
        var shown = await StreamAndKillAsync(Settle);

        using var again = await RestartAsync(Settle);

        var messages = await again.GetAsync($"/chats/{shown.ChatId}/messages");
        var run = await again.GetAsync($"/runs/{shown.RunId}");
        Assert.Multiple(() =>
        {
            Assert.That(messages[1].Text("status"), Is.EqualTo("incomplete"));
            Assert.That(messages[1].Text("content"), Is.Not.Empty);
            Assert.That(shown.Text, Does.StartWith(messages[1].Text("content")!));
            Assert.That(run.Text("status"), Is.EqualTo("incomplete"));
            Assert.That(run.GetProperty("error").Text("code"), Is.EqualTo("run_interrupted"));
        });
    }

    [Test]
    public async Task Settle_FlushedTextSeenBefore_GoesOnWithTheEndAlone()
    {
        var shown = await StreamAndKillAsync(Settle, unflushed: "");
        using var again = await RestartAsync(Settle);

        await using var follower = await EventStream.GetAsync(again.Client, $"/runs/{shown.RunId}/events", ("Last-Event-ID", shown.LastEventId));

        var events = await follower.ReadToEndAsync();
        Assert.Multiple(() =>
        {
            Assert.That(events.Select(e => e.Name), Is.EqualTo(new[] { "run.incomplete" }));
            Assert.That(events[0].Data.Text("reply"), Is.EqualTo(shown.Text));
            Assert.That(events[0].Data.GetProperty("error").Text("code"), Is.EqualTo("run_interrupted"));
        });
    }

    [Test]
    public async Task Settle_PositionThatWasLost_IsShownTheWhole()
    {
        var shown = await StreamAndKillAsync(Settle);
        using var again = await RestartAsync(Settle);
        var kept = (await again.GetAsync($"/chats/{shown.ChatId}/messages"))[1].Text("content");
        // What the database has not seen: as if the process had died a moment after it showed more.
        var lost = $"{shown.RunId}:{shown.LastSequence + 1_000}";

        await using var follower = await EventStream.GetAsync(again.Client, $"/runs/{shown.RunId}/events", ("Last-Event-ID", lost));

        var events = await follower.ReadToEndAsync();
        Assert.Multiple(() =>
        {
            Assert.That(events.Select(e => e.Name), Is.EqualTo(new[] { "run.snapshot", "run.incomplete" }));
            Assert.That(StreamEvent.Join(events, shown: "much more"), Is.EqualTo(kept));
        });
    }

    [Test]
    public async Task Settle_Follower_IsToldWhichModelWrote()
    {
        var shown = await StreamAndKillAsync(Settle);
        using var again = await RestartAsync(Settle);

        await using var follower = await EventStream.GetAsync(again.Client, $"/runs/{shown.RunId}/events");

        var events = await follower.ReadToEndAsync();
        Assert.Multiple(() =>
        {
            Assert.That(events[0].Data.GetRawText(), Is.EqualTo(shown.Started));
            Assert.That(events[^1].Data.Text("provider"), Is.EqualTo("groq"));
            Assert.That(events[^1].Data.Text("model"), Is.EqualTo("openai/gpt-oss-20b"));
        });
    }

    [Test]
    public async Task Settle_NextMessage_IsAskedWithWhatWasKept()
    {
        var shown = await StreamAndKillAsync(Settle, unflushed: "");
        using var again = await RestartAsync(Settle);

        var answer = await again.PostAsync("/chat", new { chat_id = shown.ChatId, message = "Go on" });

        Assert.Multiple(() =>
        {
            Assert.That(answer.Text("reply"), Is.EqualTo("echo: Go on"));
            Assert.That(llm.Requests[^1].Messages, Is.EqualTo(new LlmMessage[] { new("user", "A story"), new("assistant", shown.Text), new("user", "Go on") }));
        });
    }

    [Test]
    public async Task Settle_QueuedMessages_AreIncompleteAndCanBeTriedAgain()
    {
        string? waitingId;
        using (var server = await StartAsync(Settle))
        {
            llm.Enqueue(LlmReplies.Slow());
            await using var running = await EventStream.PostAsync(server.Client, "/chat", new { message = "First", stream = true });
            var chatId = (await running.NextAsync()).Data.Text("chat_id");
            await using var waiting = await EventStream.PostAsync(server.Client, "/chat", new { chat_id = chatId, message = "Second", stream = true });
            waitingId = (await waiting.NextAsync()).RunId;
            await llm.WaitForRequestsAsync(1);
            await server.KillAsync();
        }

        using var again = await RestartAsync(Settle);
        var run = await again.GetAsync($"/runs/{waitingId}");
        var retried = await again.PostAsync($"/runs/{waitingId}/retry", new { });

        Assert.Multiple(() =>
        {
            Assert.That(run.Text("status"), Is.EqualTo("incomplete"));
            Assert.That(retried.Text("reply"), Is.EqualTo("echo: Second"));
        });
    }

    [Test]
    public async Task Settle_KeyOfAnInterruptedMessage_AsksNobodyAndSaysSo()
    {
        var shown = await StreamAndKillAsync(Settle, key: "a-key");
        using var again = await RestartAsync(Settle);

        var plain = await PostAsync(again, "/chat", new { message = "A story" }, "a-key");
        await using var stream = await EventStream.PostAsync(again.Client, "/chat", new { message = "A story", stream = true }, ("Idempotency-Key", "a-key"));

        var events = await stream.ReadToEndAsync();
        Assert.Multiple(() =>
        {
            Assert.That((plain.Status, plain.Code), Is.EqualTo((503, "run_interrupted")));
            Assert.That(plain.Json.Text("run_id"), Is.EqualTo(shown.RunId));
            Assert.That(plain.GetHeader("Idempotency-Replayed"), Is.EqualTo("true"));
            Assert.That(events[0].Name, Is.EqualTo("run.started"));
            Assert.That(events[^1].Name, Is.EqualTo("run.incomplete"));
            Assert.That(shown.Text, Does.StartWith(StreamEvent.Join(events)));
            Assert.That(llm.Requests, Has.Count.EqualTo(1));
        });
    }

    [Test]
    public async Task Start_AfterARestart_StillKnowsTheKeys()
    {
        ApiReply sent, created;
        using (var server = await StartAsync(Settle))
        {
            sent = await PostAsync(server, "/chat", new { message = "Hello" }, "a-key");
            created = await PostAsync(server, "/chats", new { title = "A chat" }, "another-key");
            await server.KillAsync();
        }

        using var again = await StartAsync(Settle);
        var sentAgain = await PostAsync(again, "/chat", new { message = "Hello" }, "a-key");
        var createdAgain = await PostAsync(again, "/chats", new { title = "A chat" }, "another-key");

        Assert.Multiple(() =>
        {
            Assert.That((sentAgain.Status, sentAgain.Text), Is.EqualTo((200, sent.Text)));
            Assert.That((createdAgain.Status, createdAgain.Text), Is.EqualTo((201, created.Text)));
            Assert.That(llm.Requests, Has.Count.EqualTo(1));
        });
    }

    [Test]
    public async Task Continue_KilledWhileStreaming_GoesOnBehindASeam()
    {
        var shown = await StreamAndKillAsync(Continue, unflushed: "");
        llm.Enqueue(LlmReplies.Slow(LlmReplies.Answer("and they lived")));
        using var again = await RestartAsync(Continue);
        await using var follower = await EventStream.GetAsync(again.Client, $"/runs/{shown.RunId}/events", ("Last-Event-ID", shown.LastEventId));
        await llm.WaitForRequestsAsync(2);

        llm.Release();

        var events = await follower.ReadToEndAsync();
        Assert.Multiple(() =>
        {
            Assert.That(events[0].Name, Is.EqualTo("run.continued"));
            Assert.That(events[0].Data.Number("offset"), Is.EqualTo(shown.Text.Length));
            Assert.That(events[0].Data.Number("attempt"), Is.EqualTo(2));
            Assert.That(StreamEvent.Join(events, shown.Text), Is.EqualTo(shown.Text + "and they lived"));
            Assert.That(events[^1].Name, Is.EqualTo("run.completed"));
            Assert.That(events[^1].Data.Text("reply"), Is.EqualTo(shown.Text + "and they lived"));
        });
    }

    [Test]
    public async Task Continue_KilledWhileStreaming_GivesTheModelWhatItHadWritten()
    {
        var shown = await StreamAndKillAsync(Continue, unflushed: "");
        llm.Enqueue(LlmReplies.Answer("and they lived"));

        using var again = await RestartAsync(Continue);

        await WaitForEndAsync(again, shown.RunId);
        Assert.That(llm.Requests[^1].Messages, Is.EqualTo(new LlmMessage[] { new("user", "A story"), new("assistant", shown.Text) }));
    }

    [Test]
    public async Task Continue_KilledWhileStreaming_RecordsBothAttempts()
    {
        var shown = await StreamAndKillAsync(Continue, unflushed: "");
        llm.Enqueue(LlmReplies.Answer("and they lived"));

        using var again = await RestartAsync(Continue);

        var run = await WaitForEndAsync(again, shown.RunId);
        var attempts = run.GetProperty("attempts");
        Assert.Multiple(() =>
        {
            Assert.That(run.Text("status"), Is.EqualTo("completed"));
            Assert.That(attempts.Numbers("attempt"), Is.EqualTo(new[] { 1, 2 }));
            Assert.That(attempts.Texts("status"), Is.EqualTo(new[] { "incomplete", "completed" }));
            Assert.That(attempts.Texts("reply"), Is.EqualTo(new[] { shown.Text, shown.Text + "and they lived" }));
            Assert.That(attempts[0].GetProperty("error").Text("code"), Is.EqualTo("run_interrupted"));
        });
    }

    [Test]
    public async Task Continue_PositionThatWasLost_IsShownTheWholeAndTheRest()
    {
        var shown = await StreamAndKillAsync(Continue);
        llm.Enqueue(LlmReplies.Slow(LlmReplies.Answer("and they lived")));
        using var again = await RestartAsync(Continue);
        var lost = $"{shown.RunId}:{shown.LastSequence + 1_000}";
        await using var follower = await EventStream.GetAsync(again.Client, $"/runs/{shown.RunId}/events", ("Last-Event-ID", lost));
        await llm.WaitForRequestsAsync(2);

        llm.Release();

        var events = await follower.ReadToEndAsync();
        Assert.Multiple(() =>
        {
            Assert.That(events[0].Name, Is.EqualTo("run.snapshot"));
            Assert.That(StreamEvent.Join(events, shown: "much more"), Is.EqualTo(events[^1].Data.Text("reply")));
            Assert.That(events[^1].Data.Text("reply"), Does.EndWith("and they lived"));
        });
    }

    [Test]
    public async Task Continue_FromTheStart_ShowsTheSeamInTheMiddle()
    {
        var shown = await StreamAndKillAsync(Continue, unflushed: "");
        llm.Enqueue(LlmReplies.Answer("and they lived"));
        using var again = await RestartAsync(Continue);
        await WaitForEndAsync(again, shown.RunId);

        await using var follower = await EventStream.GetAsync(again.Client, $"/runs/{shown.RunId}/events");

        var events = await follower.ReadToEndAsync();
        Assert.Multiple(() =>
        {
            Assert.That(events.Select(e => e.Name),
                Is.EqualTo(new[] { "run.started", "message.delta", "run.continued", "message.delta", "run.completed" }));
            Assert.That(StreamEvent.Join(events), Is.EqualTo(shown.Text + "and they lived"));
            Assert.That(events.Select(e => e.Sequence), Is.Ordered.And.Unique);
        });
    }

    [Test]
    public async Task Continue_KilledTwice_KeepsEveryPart()
    {
        var shown = await StreamAndKillAsync(Continue, unflushed: "");
        llm.Enqueue(LlmReplies.SteppedStream(steps, "and they ", "died"));
        using (var second = await RestartAsync(Continue))
        {
            await llm.WaitForRequestsAsync(2);
            await using var follower = await EventStream.GetAsync(second.Client, $"/runs/{shown.RunId}/events");
            steps.Release();
            await follower.ReadTextAsync(shown.Text.Length + "and they ".Length);
            await FlushedText.WaitForAsync(folder.Path, shown.RunId, shown.Text.Length + "and they ".Length);
            await second.KillAsync();
        }

        llm.Enqueue(LlmReplies.Answer("lived"));
        using var third = await RestartAsync(Continue);

        var run = await WaitForEndAsync(third, shown.RunId);
        await using var reader = await EventStream.GetAsync(third.Client, $"/runs/{shown.RunId}/events");
        var events = await reader.ReadToEndAsync();
        Assert.Multiple(() =>
        {
            Assert.That(StreamEvent.Join(events), Is.EqualTo(shown.Text + "and they lived"));
            Assert.That(events.Count(e => e.Name == "run.continued"), Is.EqualTo(2));
            Assert.That(run.GetProperty("attempts").Texts("status"), Is.EqualTo(new[] { "incomplete", "incomplete", "completed" }));
        });
    }

    [Test]
    public async Task Continue_QueuedMessages_AreAnsweredToo()
    {
        string? chatId, waitingId;
        using (var server = await StartAsync(Continue))
        {
            llm.Enqueue(LlmReplies.Slow());
            await using var running = await EventStream.PostAsync(server.Client, "/chat", new { message = "First", stream = true });
            chatId = (await running.NextAsync()).Data.Text("chat_id");
            await using var second = await EventStream.PostAsync(server.Client, "/chat", new { chat_id = chatId, message = "Second", stream = true });
            await using var third = await EventStream.PostAsync(server.Client, "/chat", new { chat_id = chatId, message = "Third", stream = true });
            waitingId = (await third.NextAsync()).RunId;
            await llm.WaitForRequestsAsync(1);
            await server.KillAsync();
        }

        using var again = await RestartAsync(Continue);

        await WaitForEndAsync(again, waitingId);
        var messages = await again.GetAsync($"/chats/{chatId}/messages");
        Assert.Multiple(() =>
        {
            Assert.That(messages.Texts("content"), Is.EqualTo(new[] { "First", "echo: First", "Second", "echo: Second", "Third", "echo: Third" }));
            Assert.That(messages.Texts("status"), Is.All.EqualTo("completed"));
        });
    }

    private static (string Name, string Value) Settle => ("Runs__OnRestart", "settle");

    private static (string Name, string Value) Continue => ("Runs__OnRestart", "continue");

    /// <summary>
    /// Streams a reply until some of it is surely stored and, unless it is empty, <paramref name="unflushed"/> is shown that may be lost;
    /// kills the server, and says what its client had seen.
    /// </summary>
    private async Task<Shown> StreamAndKillAsync((string Name, string Value) onRestart, string unflushed = "a time ", string key = "any-key")
    {
        using var server = await StartAsync(onRestart);
        llm.Enqueue(LlmReplies.SteppedStream(steps, ["Once upon ", .. unflushed.Length == 0 ? Array.Empty<string>() : [unflushed], "never sent"]));
        await using var stream = await EventStream.PostAsync(
            server.Client, "/chat", new { message = "A story", stream = true }, ("Idempotency-Key", key));
        steps.Release();
        var events = new List<StreamEvent>(await stream.ReadTextAsync("Once upon ".Length));
        await FlushedText.WaitForAsync(folder.Path, events[0].RunId, "Once upon ".Length);
        if (unflushed.Length > 0)
        {
            steps.Release();
            events.Add(await stream.NextAsync());
        }

        await server.KillAsync();
        return new Shown(events[0].RunId, events[0].Data.Text("chat_id")!, events[0].Data.GetRawText(), StreamEvent.Join(events), events[^1].Id, events[^1].Sequence);
    }

    private static async Task<JsonElement> WaitForEndAsync(AiChatProcess server, string? runId)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        while (true)
        {
            var run = await server.GetAsync($"/runs/{runId}");
            if (!run.IsNull("completed_at"))
                return run;
            await Task.Delay(10, patience.Token);
        }
    }

    private static async Task<ApiReply> PostAsync(AiChatProcess server, string path, object body, string key)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = System.Net.Http.Json.JsonContent.Create(body) };
        request.Headers.Add("Idempotency-Key", key);
        using var response = await server.Client.SendAsync(request);
        return await ApiReply.ReadAsync(response);
    }

    /// <summary>The server after the one that was killed, when it has found what that one left.</summary>
    private async Task<AiChatProcess> RestartAsync((string Name, string Value) onRestart)
    {
        var server = await StartAsync(onRestart);
        await server.WaitUntilRecoveredAsync();
        return server;
    }

    private Task<AiChatProcess> StartAsync((string Name, string Value) onRestart) =>
        AiChatProcess.StartAsync(folder.Path, ("GROQ_API_KEY", "test-key"), ("Providers__groq__BaseUrl", llm.BaseUrl), onRestart);

    private sealed record Shown(string RunId, string ChatId, string Started, string Text, string LastEventId, long LastSequence);
}
