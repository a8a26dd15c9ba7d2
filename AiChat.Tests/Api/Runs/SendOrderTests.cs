using AiChat.Tests.Support;

namespace AiChat.Tests.Api.Runs;

/// <summary>Sends to one chat are answered one after the other, in order of arrival; different chats never wait for each other.</summary>
public sealed class SendOrderTests : ApiTestBase
{
    private string chatId = "";

    [SetUp]
    public async Task Start()
    {
        StartApp();
        chatId = await App.CreateChatAsync();
    }

    [Test]
    public async Task Send_TwentyAtOnceToOneChat_AreAnsweredOneAfterTheOther()
    {
        var sent = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => App.SendAsync(chatId, $"Message {i}")));

        var messages = await App.GetMessagesAsync(chatId);
        Assert.Multiple(() =>
        {
            Assert.That(sent.Select(s => s.Status), Is.All.EqualTo(200));
            Assert.That(sent.Select((s, i) => (i, s.Json.Text("reply"))), Is.All.Matches<(int I, string Reply)>(s => s.Reply == $"echo: Message {s.I}"));
            Assert.That(messages.Json.Numbers("sequence"), Is.EqualTo(Enumerable.Range(1, 40)));
            Assert.That(messages.Json.Texts("role"), Is.EqualTo(Enumerable.Repeat(new[] { "user", "assistant" }, 20).SelectMany(r => r)));
            Assert.That(Llm.PeakRunning, Is.EqualTo(1));
            AssertEveryHistoryIsComplete([.. messages.Json.Items().Select(m => new LlmMessage(m.Text("role")!, m.Text("content")!))]);
        });
    }

    [Test]
    public async Task Send_WhileAnotherIsAnswered_WaitsItsTurnInOrderOfArrival()
    {
        Llm.Enqueue(LlmReplies.Slow(LlmReplies.Answer("One")));
        var first = App.SendAsync(chatId, "First");
        await Llm.WaitForRequestsAsync(1);
        var second = App.SendAsync(chatId, "Second");
        await App.WaitForMessagesAsync(chatId, 4);
        var third = App.SendAsync(chatId, "Third");
        await App.WaitForMessagesAsync(chatId, 6);
        Llm.Release();

        await Task.WhenAll(first, second, third);

        Assert.Multiple(() =>
        {
            Assert.That(Llm.Requests.Select(r => r.LastUserMessage), Is.EqualTo(new[] { "First", "Second", "Third" }));
            Assert.That(Llm.Requests[2].Messages.Select(m => m.Content), Is.EqualTo(new[] { "First", "One", "Second", "echo: Second", "Third" }));
        });
    }

    [Test]
    public async Task Send_SlowChat_HoldsNoOther()
    {
        var slow = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => App.CreateChatAsync()));
        Llm.Enqueue([.. slow.Select(_ => LlmReplies.Slow())]);
        var waiting = slow.Select(id => App.SendAsync(id, "Take your time")).ToList();
        await Llm.WaitForRequestsAsync(50);

        var sent = await App.SendAsync(chatId, "Quick");

        Assert.Multiple(() =>
        {
            Assert.That(sent.Json.Text("reply"), Is.EqualTo("echo: Quick"));
            Assert.That(Llm.Running, Is.EqualTo(50));
            Assert.That(waiting.Select(w => w.IsCompleted), Is.All.False);
        });
        Llm.Release();
        var late = await Task.WhenAll(waiting);
        Assert.That(late.Select(r => r.Json.Text("reply")), Is.All.EqualTo("late"));
    }

    [Test]
    public async Task Send_SlowChat_CanStillBeReadAndChanged()
    {
        Llm.Enqueue(LlmReplies.Slow());
        var sending = App.SendAsync(chatId, "Hello");
        await Llm.WaitForRequestsAsync(1);

        var changed = await App.PatchAsync($"/chats/{chatId}?user_id=alice", new { title = "While you think" });

        Llm.Release();
        var sent = await sending;
        Assert.Multiple(() =>
        {
            Assert.That(changed.Json.Text("title"), Is.EqualTo("While you think"));
            Assert.That(changed.Json.Number("message_count"), Is.EqualTo(2));
            Assert.That(sent.Status, Is.EqualTo(200));
        });
    }

    /// <summary>The n-th request held everything that stands in the chat before its message, and ended with it.</summary>
    private void AssertEveryHistoryIsComplete(IReadOnlyList<LlmMessage> chat) =>
        Assert.That(Llm.Requests.Select(r => r.Messages), Is.EqualTo(Enumerable.Range(0, Llm.Requests.Count).Select(i => chat.Take((2 * i) + 1))));
}
