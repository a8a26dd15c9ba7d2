using System.Net.Http.Json;
using AiChat.Tests.Support;

namespace AiChat.Tests.Api.Runs;

/// <summary>Generation belongs to the server: a client that goes away loses nothing.</summary>
public sealed class DisconnectTests : ApiTestBase
{
    private string chatId = "";

    [SetUp]
    public async Task Start()
    {
        StartApp();
        chatId = await App.CreateChatAsync();
    }

    [Test]
    public async Task Send_ClientGoesAwayWhileWaiting_ReplyIsStoredAllTheSame()
    {
        Llm.Enqueue(LlmReplies.Slow(LlmReplies.Answer("Still here.")));
        await SendAndGoAwayAsync("Hello", requests: 1);
        Llm.Release();

        await App.WaitForStatusAsync(chatId, "completed");

        var messages = await App.GetMessagesAsync(chatId);
        Assert.Multiple(() =>
        {
            Assert.That(messages.Json.Texts("content"), Is.EqualTo(new[] { "Hello", "Still here." }));
            Assert.That(Llm.Aborted, Is.Zero);
        });
    }

    [Test]
    public async Task Send_ClientGoesAwayWhileQueued_ItsTurnComesAllTheSame()
    {
        Llm.Enqueue(LlmReplies.Slow());
        var first = App.SendAsync(chatId, "First");
        await Llm.WaitForRequestsAsync(1);
        await SendAndGoAwayAsync("Second", requests: 1, messages: 4);
        Llm.Release();
        await first;

        await App.WaitForStatusAsync(chatId, "completed");

        var messages = await App.GetMessagesAsync(chatId);
        Assert.That(messages.Json.Texts("content"), Is.EqualTo(new[] { "First", "late", "Second", "echo: Second" }));
    }

    [Test]
    public async Task Send_ClientGoesAwayAndTheModelFails_ChatGoesOn()
    {
        App.Log.Expect("Unavailable");
        Llm.Enqueue(LlmReplies.Slow(LlmReplies.Status(500)));
        await SendAndGoAwayAsync("Hello", requests: 1);
        Llm.Release();
        await App.WaitForStatusAsync(chatId, "failed");

        var sent = await App.SendAsync(chatId, "Again");

        Assert.That(sent.Json.Text("reply"), Is.EqualTo("echo: Again"));
    }

    /// <summary>Sends, hangs up when the server has the message, and returns when the server has noticed.</summary>
    private async Task SendAndGoAwayAsync(string message, int requests, int messages = 2)
    {
        using var patience = new CancellationTokenSource();
        var sending = App.Client.PostAsJsonAsync("/chat", new { chat_id = chatId, user_id = "alice", message }, patience.Token);
        await Llm.WaitForRequestsAsync(requests);
        await App.WaitForMessagesAsync(chatId, messages);
        await patience.CancelAsync();
        Assert.That(async () => await sending, Throws.InstanceOf<OperationCanceledException>());
        await App.Log.WaitForAsync("POST /chat ");
    }
}
