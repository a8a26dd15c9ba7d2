using AiChat.Tests.Support;

namespace AiChat.Tests.Api.Runs;

/// <summary>Another attempt to answer a message, and what a run shows of itself.</summary>
public sealed class RetryTests : ApiTestBase
{
    private string chatId = "";

    [SetUp]
    public async Task Start()
    {
        StartApp();
        chatId = await App.CreateChatAsync();
    }

    [Test]
    public async Task Retry_FailedRun_AnswersTheSameMessage()
    {
        var failed = await FailAsync("Hello");

        var retried = await App.RetryAsync(failed.Json.Text("run_id")!);

        var messages = await App.GetMessagesAsync(chatId);
        Assert.Multiple(() =>
        {
            Assert.That((retried.Status, retried.Json.Text("reply")), Is.EqualTo((200, "echo: Hello")));
            Assert.That(retried.Json.Text("run_id"), Is.EqualTo(failed.Json.Text("run_id")));
            Assert.That(retried.Json.Text("user_message_id"), Is.EqualTo(failed.Json.Text("user_message_id")));
            Assert.That(messages.Json.Texts("id"), Is.EqualTo(new[] { retried.Json.Text("user_message_id"), retried.Json.Text("message_id") }));
            Assert.That(messages.Json.Texts("content"), Is.EqualTo(new[] { "Hello", "echo: Hello" }));
            Assert.That(messages.Json.Texts("status"), Is.All.EqualTo("completed"));
        });
    }

    [Test]
    public async Task Retry_Again_StoresNoMessage()
    {
        var failed = await FailAsync("Hello");

        await App.RetryAsync(failed.Json.Text("run_id")!);

        var chat = await App.GetAsync($"/chats/{chatId}?user_id=alice");
        Assert.That(chat.Json.Number("message_count"), Is.EqualTo(2));
    }

    [Test]
    public async Task Retry_CancelledRun_ReplacesTheReplyAndKeepsTheOldOneInItsAttempt()
    {
        var runId = await CancelAsync("A story", "Once upon ");

        var retried = await App.RetryAsync(runId);

        var run = await App.GetRunAsync(runId);
        var attempts = run.Json.GetProperty("attempts");
        Assert.Multiple(() =>
        {
            Assert.That(retried.Json.Text("reply"), Is.EqualTo("echo: A story"));
            Assert.That(attempts.Numbers("attempt"), Is.EqualTo(new[] { 1, 2 }));
            Assert.That(attempts.Texts("status"), Is.EqualTo(new[] { "cancelled", "completed" }));
            Assert.That(attempts.Texts("reply"), Is.EqualTo(new[] { "Once upon ", "echo: A story" }));
            Assert.That(attempts[0].GetProperty("error").Text("code"), Is.EqualTo("run_cancelled"));
            Assert.That(attempts[1].TryGetProperty("error", out _), Is.False);
        });
    }

    [Test]
    public async Task Retry_IncompleteRun_AsksWithoutTheOldText()
    {
        App.Log.Expect("InvalidResponse");
        Llm.Enqueue(LlmReplies.CutStream("Once upon "));
        var broken = await App.SendAsync(chatId, "A story");

        var retried = await App.RetryAsync(broken.Json.Text("run_id")!);

        Assert.Multiple(() =>
        {
            Assert.That(retried.Status, Is.EqualTo(200));
            Assert.That(Llm.Requests[^1].Messages, Is.EqualTo(new LlmMessage[] { new("user", "A story") }));
        });
    }

    [Test]
    public async Task Retry_FailsToo_CanBeTriedAgain()
    {
        var failed = await FailAsync("Hello");
        Llm.Enqueue(LlmReplies.Status(500));
        var runId = failed.Json.Text("run_id")!;

        var second = await App.RetryAsync(runId);
        var third = await App.RetryAsync(runId);

        var run = await App.GetRunAsync(runId);
        Assert.Multiple(() =>
        {
            Assert.That((second.Status, second.Code), Is.EqualTo((502, "provider_unavailable")));
            Assert.That(third.Json.Text("reply"), Is.EqualTo("echo: Hello"));
            Assert.That(run.Json.GetProperty("attempts").Texts("status"), Is.EqualTo(new[] { "failed", "failed", "completed" }));
        });
    }

    [Test]
    public async Task Retry_CompletedRun_IsAConflict()
    {
        var sent = await App.SendAsync(chatId, "Hello");

        var refused = await App.RetryAsync(sent.Json.Text("run_id")!);

        Assert.Multiple(() =>
        {
            Assert.That((refused.Status, refused.Code), Is.EqualTo((409, "run_not_retryable")));
            Assert.That(refused.Json.Text("run_id"), Is.EqualTo(sent.Json.Text("run_id")));
            Assert.That(Llm.Requests, Has.Count.EqualTo(1));
        });
    }

    [Test]
    public async Task Retry_RunningOrQueuedRun_IsAConflict()
    {
        Llm.Enqueue(LlmReplies.Slow());
        await using var running = await App.StreamAsync(chatId, "First");
        await using var waiting = await App.StreamAsync(chatId, "Second");

        var ofRunning = await App.RetryAsync((await running.NextAsync()).RunId);
        var ofWaiting = await App.RetryAsync((await waiting.NextAsync()).RunId);

        await Llm.WaitForRequestsAsync(1);
        Llm.Release();
        await waiting.ReadToEndAsync();
        Assert.That(new[] { ofRunning, ofWaiting }.Select(r => (r.Status, r.Code)), Is.All.EqualTo((409, "run_not_retryable")));
    }

    [Test]
    public async Task Retry_ManyAtOnce_OneIsTaken()
    {
        var failed = await FailAsync("Hello");

        var retried = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => App.RetryAsync(failed.Json.Text("run_id")!)));

        Assert.Multiple(() =>
        {
            Assert.That(retried.Count(r => r.Status == 200), Is.EqualTo(1));
            Assert.That(retried.Where(r => r.Status != 200).Select(r => r.Code), Is.All.EqualTo("run_not_retryable"));
            Assert.That(Llm.Requests, Has.Count.EqualTo(2));
        });
    }

    [Test]
    public async Task Retry_AnotherUser_FindsNoSuchRun()
    {
        var failed = await FailAsync("Hello");

        var refused = await App.RetryAsync(failed.Json.Text("run_id")!, userId: "bob");

        Assert.That((refused.Status, refused.Code), Is.EqualTo((404, "run_not_found")));
    }

    [Test]
    public async Task Retry_OlderTurn_IsAskedWithTheHistoryBeforeIt()
    {
        await App.SendAsync(chatId, "First");
        var failed = await FailAsync("Second");
        await App.SendAsync(chatId, "Third");

        await App.RetryAsync(failed.Json.Text("run_id")!);

        var messages = await App.GetMessagesAsync(chatId);
        Assert.Multiple(() =>
        {
            Assert.That(Llm.Requests[^1].Messages.Select(m => m.Content), Is.EqualTo(new[] { "First", "echo: First", "Second" }));
            Assert.That(messages.Json.Texts("content"), Is.EqualTo(new[] { "First", "echo: First", "Second", "echo: Second", "Third", "echo: Third" }));
        });
    }

    [TestCase("&stream=true", null)]
    [TestCase("", "text/event-stream")]
    public async Task Retry_Stream_StartsAnewBehindTheOldEvents(string query, string? accept)
    {
        var runId = await CancelAsync("A story", "Once upon ");
        var old = await FollowToEndAsync(runId);
        await using var stream = await EventStream.PostAsync(
            App.Client, $"/runs/{runId}/retry?user_id=alice{query}", body: null, accept is null ? [] : [("Accept", accept)]);

        var events = await stream.ReadToEndAsync();

        Assert.Multiple(() =>
        {
            Assert.That(events[0].Name, Is.EqualTo("run.started"));
            Assert.That(events[0].Data.Number("attempt"), Is.EqualTo(2));
            Assert.That(events[0].Sequence, Is.GreaterThan(old[^1].Sequence));
            Assert.That(StreamEvent.Join(events, shown: "Once upon "), Is.EqualTo("echo: A story"));
            Assert.That(events[^1].Name, Is.EqualTo("run.completed"));
        });
    }

    [Test]
    public async Task Retry_FollowerOfTheOldAttempt_IsTakenAlong()
    {
        var runId = await CancelAsync("A story", "Once upon ");
        var old = await FollowToEndAsync(runId);
        await App.RetryAsync(runId);
        await using var follower = await App.FollowAsync(runId, old[1].Id);

        var events = await follower.ReadToEndAsync();

        Assert.That(StreamEvent.Join(events, shown: "Once upon "), Is.EqualTo("echo: A story"));
        Assert.That(events[0].Name, Is.EqualTo("run.started"));
    }

    [TestCase("stream=maybe", "stream")]
    [TestCase("stream=1", "stream")]
    [TestCase("on_busy=later", "on_busy")]
    public async Task Retry_WrongQuery_IsRefused(string query, string field)
    {
        var failed = await FailAsync("Hello");

        var refused = await App.RequestAsync(HttpMethod.Post, $"/runs/{failed.Json.Text("run_id")}/retry?user_id=alice&{query}");

        Assert.Multiple(() =>
        {
            Assert.That(refused.Status, Is.EqualTo(422));
            Assert.That(refused.ErrorFields, Is.EqualTo(new[] { field }));
        });
    }

    [Test]
    public async Task Retry_BusyChat_WaitsForItsTurn()
    {
        var failed = await FailAsync("First");
        Llm.Enqueue(LlmReplies.Slow());
        await using var running = await App.StreamAsync(chatId, "Second");
        await Llm.WaitForRequestsAsync(2);

        await using var retried = await EventStream.PostAsync(
            App.Client, $"/runs/{failed.Json.Text("run_id")}/retry?user_id=alice&stream=true", body: null);

        var run = await App.GetRunAsync(failed.Json.Text("run_id")!);
        Llm.Release();
        var events = await retried.ReadToEndAsync();
        Assert.Multiple(() =>
        {
            Assert.That(run.Json.Text("status"), Is.EqualTo("queued"));
            Assert.That(events[^1].Data.Text("reply"), Is.EqualTo("echo: First"));
        });
    }

    [Test]
    public async Task Retry_InterruptingABusyChat_CancelsTheRunningReply()
    {
        var failed = await FailAsync("First");
        Llm.Enqueue(LlmReplies.Slow());
        await using var running = await App.StreamAsync(chatId, "Second");
        await Llm.WaitForRequestsAsync(2);

        var retried = await App.RequestAsync(HttpMethod.Post, $"/runs/{failed.Json.Text("run_id")}/retry?user_id=alice&on_busy=interrupt");

        var events = await running.ReadToEndAsync();
        Assert.Multiple(() =>
        {
            Assert.That((retried.Status, retried.Json.Text("reply")), Is.EqualTo((200, "echo: First")));
            Assert.That(events[^1].Name, Is.EqualTo("run.cancelled"));
        });
    }

    [Test]
    public async Task Retry_RefusedByABusyChat_LeavesTheRunAsItWas()
    {
        var failed = await FailAsync("First");
        var before = await App.GetRunAsync(failed.Json.Text("run_id")!);
        Llm.Enqueue(LlmReplies.Slow());
        await using var running = await App.StreamAsync(chatId, "Second");
        await Llm.WaitForRequestsAsync(2);

        var refused = await App.RequestAsync(HttpMethod.Post, $"/runs/{failed.Json.Text("run_id")}/retry?user_id=alice&on_busy=reject");

        var after = await App.GetRunAsync(failed.Json.Text("run_id")!);
        Llm.Release();
        await running.ReadToEndAsync();
        Assert.Multiple(() =>
        {
            Assert.That((refused.Status, refused.Code), Is.EqualTo((409, "chat_busy")));
            Assert.That(after.Text, Is.EqualTo(before.Text));
        });
    }

    [Test]
    public async Task Get_CompletedRun_ShowsWhatItIsAndTook()
    {
        var sent = await App.SendAsync(chatId, "Hello");

        var run = await App.GetRunAsync(sent.Json.Text("run_id")!);

        Assert.Multiple(() =>
        {
            Assert.That(run.Masked, Is.EqualTo("""
                {"id":"<uuid>","chat_id":"<uuid>","user_message_id":"<uuid>","message_id":"<uuid>","status":"completed","alias":"fast","model":"openai/gpt-oss-20b","provider":"groq","usage":{"input_tokens":11,"output_tokens":7,"estimated":false},"cost":0.000002925,"finish_reason":"stop","attempts":[{"attempt":1,"status":"completed","model":"openai/gpt-oss-20b","provider":"groq","usage":{"input_tokens":11,"output_tokens":7,"estimated":false},"cost":0.000002925,"reply":"echo: Hello","started_at":"<instant>","first_token_at":"<instant>","completed_at":"<instant>"}],"created_at":"<instant>","started_at":"<instant>","first_token_at":"<instant>","completed_at":"<instant>"}
                """));
            Assert.That(new[] { "created_at", "started_at", "first_token_at", "completed_at" }.Select(n => run.Json.GetProperty(n).GetDateTimeOffset()), Is.Ordered);
            Assert.That(run.Json.Text("completed_at"), Is.EqualTo(sent.Json.Text("created_at")));
        });
    }

    [Test]
    public async Task Get_FailedRun_ShowsWhy()
    {
        var failed = await FailAsync("Hello");

        var run = await App.GetRunAsync(failed.Json.Text("run_id")!);

        Assert.Multiple(() =>
        {
            Assert.That(run.Json.Text("status"), Is.EqualTo("failed"));
            Assert.That(run.Json.GetProperty("error").Text("code"), Is.EqualTo(failed.Code));
            Assert.That(run.Json.GetProperty("error").Text("detail"), Is.EqualTo(failed.Json.Text("detail")));
            Assert.That(run.Json.IsNull("first_token_at"), Is.True);
            Assert.That(run.Json.IsNull("finish_reason"), Is.True);
            Assert.That(run.Json.TryGetProperty("usage", out _), Is.False);
        });
    }

    [Test]
    public async Task Get_RunInProgress_ShowsHowFarItIs()
    {
        Llm.Enqueue(LlmReplies.PausingStream("Once upon "));
        await using var stream = await App.StreamAsync(chatId, "A story");
        var seen = await stream.ReadTextAsync("Once upon ".Length);

        var run = await App.GetRunAsync(seen[0].RunId);

        Assert.Multiple(() =>
        {
            Assert.That(run.Json.Text("status"), Is.EqualTo("in_progress"));
            Assert.That(run.Json.Text("provider"), Is.EqualTo("groq"));
            Assert.That(run.Json.GetProperty("attempts").Texts("reply"), Is.EqualTo(new[] { "Once upon " }));
            Assert.That(run.Json.IsNull("started_at"), Is.False);
            Assert.That(run.Json.IsNull("first_token_at"), Is.False);
            Assert.That(run.Json.IsNull("completed_at"), Is.True);
        });
        Llm.Release();
        await stream.ReadToEndAsync();
    }

    [Test]
    public async Task Get_QueuedRun_HasNotStarted()
    {
        Llm.Enqueue(LlmReplies.Slow());
        await using var running = await App.StreamAsync(chatId, "First");
        await using var waiting = await App.StreamAsync(chatId, "Second");

        var run = await App.GetRunAsync((await waiting.NextAsync()).RunId);

        await Llm.WaitForRequestsAsync(1);
        Llm.Release();
        await waiting.ReadToEndAsync();
        Assert.Multiple(() =>
        {
            Assert.That(run.Json.Text("status"), Is.EqualTo("queued"));
            Assert.That(run.Json.IsNull("started_at"), Is.True);
            Assert.That(run.Json.IsNull("provider"), Is.True);
            Assert.That(run.Json.IsNull("model"), Is.True);
        });
    }

    [Test]
    public async Task Get_AnotherUser_FindsNoSuchRun()
    {
        var sent = await App.SendAsync(chatId, "Hello");

        var reply = await App.GetRunAsync(sent.Json.Text("run_id")!, userId: "bob");

        Assert.That((reply.Status, reply.Code), Is.EqualTo((404, "run_not_found")));
    }

    [Test]
    public async Task Messages_ReplyInProgress_ShowItsRunAndItsTextSoFar()
    {
        Llm.Enqueue(LlmReplies.PausingStream("Once upon "));
        await using var stream = await App.StreamAsync(chatId, "A story");
        var seen = await stream.ReadTextAsync("Once upon ".Length);

        var messages = await App.GetMessagesAsync(chatId);

        Assert.Multiple(() =>
        {
            Assert.That(messages.Json.Texts("content"), Is.EqualTo(new[] { "A story", "Once upon " }));
            Assert.That(messages.Json.Texts("status"), Is.EqualTo(new[] { "completed", "in_progress" }));
            Assert.That(messages.Json.Texts("run_id"), Is.EqualTo(new[] { null, seen[0].RunId }));
        });
        Llm.Release();
        await stream.ReadToEndAsync();
    }

    private async Task<ApiReply> FailAsync(string message)
    {
        App.Log.Expect("Unavailable");
        Llm.Enqueue(LlmReplies.Status(500));
        var failed = await App.SendAsync(chatId, message);
        Assert.That(failed.Status, Is.EqualTo(502), failed.Text);
        return failed;
    }

    private async Task<string> CancelAsync(string message, string text)
    {
        Llm.Enqueue(LlmReplies.PausingStream(text));
        await using var stream = await App.StreamAsync(chatId, message);
        var seen = await stream.ReadTextAsync(text.Length);
        await App.CancelAsync(seen[0].RunId);
        return seen[0].RunId;
    }

    private async Task<IReadOnlyList<StreamEvent>> FollowToEndAsync(string runId)
    {
        await using var follower = await App.FollowAsync(runId);
        return await follower.ReadToEndAsync();
    }
}
