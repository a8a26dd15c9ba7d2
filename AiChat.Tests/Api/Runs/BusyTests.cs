using AiChat.Tests.Support;

namespace AiChat.Tests.Api.Runs;

/// <summary>What becomes of a message to a chat that still answers another one: <c>on_busy</c>.</summary>
public sealed class BusyTests : ApiTestBase
{
    private string chatId = "";

    [Test]
    public async Task Reject_BusyChat_IsAConflictThatStoresNothing()
    {
        await StartAsync();
        await using var running = await StartRunAsync("First");
        var runId = (await running.NextAsync()).RunId;

        var refused = await SendAsync("Second", "reject");

        var chat = await App.GetAsync($"/chats/{chatId}?user_id=alice");
        Assert.Multiple(() =>
        {
            Assert.That((refused.Status, refused.Code), Is.EqualTo((409, "chat_busy")));
            Assert.That(refused.Json.Text("run_id"), Is.EqualTo(runId));
            Assert.That(int.Parse(refused.GetHeader("Retry-After")!, null), Is.Positive);
            Assert.That(chat.Json.Number("message_count"), Is.EqualTo(2));
        });
        Llm.Release();
        await running.ReadToEndAsync();
    }

    [TestCase("reject")]
    [TestCase("interrupt")]
    [TestCase("queue")]
    [TestCase(null)]
    public async Task Any_FreeChat_IsAnswered(string? onBusy)
    {
        await StartAsync();
        await SendAsync("Before", null);

        var sent = await SendAsync("Hello", onBusy);

        Assert.That((sent.Status, sent.Json.Text("reply")), Is.EqualTo((200, "echo: Hello")));
    }

    [TestCase("reject")]
    [TestCase("interrupt")]
    public async Task Any_NewChat_IsAnswered(string onBusy)
    {
        await StartAsync();

        var sent = await App.PostAsync("/chat", new { user_id = "alice", message = "Hello", on_busy = onBusy });

        Assert.That((sent.Status, sent.Json.Text("reply")), Is.EqualTo((200, "echo: Hello")));
    }

    [Test]
    public async Task Queue_UpToTheLimit_IsAnsweredInOrder()
    {
        await StartAsync(("Runs:QueueLimit", "3"));
        await using var running = await StartRunAsync("First");
        var waiting = new List<EventStream>();
        foreach (var message in new[] { "Second", "Third", "Fourth" })
            waiting.Add(await App.StreamAsync(chatId, message));

        Llm.Release();

        var replies = await Task.WhenAll(waiting.Select(async w => (await w.ReadToEndAsync())[^1].Data.Text("reply")));
        Assert.That(replies, Is.EqualTo(new[] { "echo: Second", "echo: Third", "echo: Fourth" }));
        Assert.That(Llm.Requests.Select(r => r.LastUserMessage), Is.EqualTo(new[] { "First", "Second", "Third", "Fourth" }));
        await Task.WhenAll(waiting.Select(w => w.DisposeAsync().AsTask()));
    }

    [Test]
    public async Task Queue_OneMoreThanTheLimit_IsAConflictThatStoresNothing()
    {
        await StartAsync(("Runs:QueueLimit", "1"));
        await using var running = await StartRunAsync("First");
        await using var waiting = await App.StreamAsync(chatId, "Second");

        var refused = await SendAsync("Third", "queue");

        Llm.Release();
        await waiting.ReadToEndAsync();
        var messages = await App.GetMessagesAsync(chatId);
        Assert.Multiple(() =>
        {
            Assert.That((refused.Status, refused.Code), Is.EqualTo((409, "chat_busy")));
            Assert.That(refused.Json.Text("run_id"), Is.EqualTo(messages.Json[1].Text("run_id")));
            Assert.That(refused.Json.Text("detail"), Does.Contain("Runs:QueueLimit"));
            Assert.That(messages.Json.Texts("content"), Is.EqualTo(new[] { "First", "late", "Second", "echo: Second" }));
        });
    }

    [Test]
    public async Task Queue_NoneMayWait_IsAConflictUntilTheChatIsFree()
    {
        await StartAsync(("Runs:QueueLimit", "0"));
        await using var running = await StartRunAsync("First");

        var refused = await SendAsync("Second", "queue");

        Llm.Release();
        await running.ReadToEndAsync();
        var sent = await SendAsync("Third", "queue");
        Assert.That((refused.Status, sent.Status), Is.EqualTo((409, 200)));
    }

    [Test]
    public async Task Queue_OtherChat_HasALimitOfItsOwn()
    {
        await StartAsync(("Runs:QueueLimit", "0"));
        await using var running = await StartRunAsync("First");
        var other = await App.CreateChatAsync();

        var sent = await App.SendAsync(other, "Hello");

        Assert.That(sent.Status, Is.EqualTo(200));
        Llm.Release();
        await running.ReadToEndAsync();
    }

    [Test]
    public async Task Interrupt_BusyChat_CancelsTheRunningReplyFirst()
    {
        await StartAsync();
        Llm.Enqueue(LlmReplies.PausingStream("Once upon "));
        await using var running = await App.StreamAsync(chatId, "A story");
        await running.ReadTextAsync("Once upon ".Length);

        var sent = await SendAsync("Stop. Hello", "interrupt");

        var events = await running.ReadToEndAsync();
        Assert.Multiple(() =>
        {
            Assert.That(events.Select(e => e.Name), Is.EqualTo(new[] { "run.cancelled" }));
            Assert.That((sent.Status, sent.Json.Text("reply")), Is.EqualTo((200, "echo: Stop. Hello")));
            Assert.That(Llm.Requests[^1].Messages, Is.EqualTo(new LlmMessage[]
            {
                new("user", "A story"), new("assistant", "Once upon "), new("user", "Stop. Hello"),
            }));
        });
    }

    [Test]
    public async Task Interrupt_OthersWait_KeepsTheOrder()
    {
        await StartAsync();
        await using var running = await StartRunAsync("First");
        await using var waiting = await App.StreamAsync(chatId, "Second");

        var sent = await SendAsync("Third", "interrupt");

        var waited = await waiting.ReadToEndAsync();
        Assert.Multiple(() =>
        {
            Assert.That(waited[^1].Data.Text("reply"), Is.EqualTo("echo: Second"));
            Assert.That(sent.Json.Text("reply"), Is.EqualTo("echo: Third"));
            Assert.That(Llm.Requests.Select(r => r.LastUserMessage), Is.EqualTo(new[] { "First", "Second", "Third" }));
        });
    }

    [Test]
    public async Task Interrupt_FullQueue_FindsTheRoomOfTheInterruptedOne()
    {
        await StartAsync(("Runs:QueueLimit", "1"));
        await using var running = await StartRunAsync("First");
        await using var waiting = await App.StreamAsync(chatId, "Second");

        var sent = await SendAsync("Third", "interrupt");

        Assert.That(sent.Status, Is.EqualTo(200));
    }

    [Test]
    public async Task Interrupt_FollowerOfTheInterruptedOne_IsToldThatItWasCancelled()
    {
        await StartAsync();
        Llm.Enqueue(LlmReplies.Slow());
        var first = App.SendAsync(chatId, "First");
        await Llm.WaitForRequestsAsync(1);

        await SendAsync("Second", "interrupt");

        Assert.That(((await first).Status, (await first).Code), Is.EqualTo((409, "run_cancelled")));
    }

    [TestCase("Queue")]
    [TestCase("later")]
    [TestCase("")]
    [TestCase("0")]
    public async Task Any_NoSuchValue_IsRefused(string onBusy)
    {
        await StartAsync();

        var refused = await SendAsync("Hello", onBusy);

        Assert.Multiple(() =>
        {
            Assert.That((refused.Status, refused.Code), Is.EqualTo((422, "validation_failed")));
            Assert.That(refused.ErrorFields, Is.EqualTo(new[] { "on_busy" }));
        });
    }

    private async Task StartAsync(params (string Key, string Value)[] settings)
    {
        StartApp(settings);
        chatId = await App.CreateChatAsync();
    }

    /// <summary>A run whose model waits for its release.</summary>
    private async Task<EventStream> StartRunAsync(string message)
    {
        Llm.Enqueue(LlmReplies.Slow());
        var stream = await App.StreamAsync(chatId, message);
        await Llm.WaitForRequestsAsync(1);
        return stream;
    }

    private Task<ApiReply> SendAsync(string message, string? onBusy) =>
        App.PostAsync("/chat", new { chat_id = chatId, user_id = "alice", message, on_busy = onBusy });
}
