using AiChat.Tests.Support;

namespace AiChat.Tests.Api.Dialects;

/// <summary>Short ways to the routes of the dialect.</summary>
public abstract class ChatApiTestBase : ApiTestBase
{
    private protected async Task<string> CreateAsync(string name = "A chat", string query = "")
    {
        var reply = await App.PostAsync($"/chats/create{query}", new { name });
        Assert.That(reply.Status, Is.EqualTo(201), reply.Text);
        return reply.Json.Text("id")!;
    }

    /// <summary>Stores a message and returns its id.</summary>
    private protected async Task<string> SayAsync(string chatId, string message, string role = "Human", string query = "")
    {
        var reply = await App.PostAsync($"/conversations/create{query}", new { chat_id = chatId, role, message });
        Assert.That(reply.Status, Is.EqualTo(201), reply.Text);
        return reply.Json.Text("id")!;
    }

    /// <summary>A chat with one message of a human.</summary>
    private protected async Task<string> AskAsync(string message = "Hi")
    {
        var chatId = await CreateAsync();
        await SayAsync(chatId, message);
        return chatId;
    }

    private protected TextTranscript Infer(string id, string query = "") => new(App.Client.BaseAddress!, $"/conversations/inference/{id}{query}");
}
