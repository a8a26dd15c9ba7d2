using System.Text.Json;
using AiChat.Tests.Support;

namespace AiChat.Tests.Api.Dialects;

/// <summary>Short ways into the dialect that keeps the history of chats.</summary>
public abstract class ChatHistoryTestBase : ApiTestBase
{
    /// <summary>Gets or makes the user's conversation.</summary>
    private protected async Task<string> OpenAsync(string userId = "alice")
    {
        var reply = await App.RequestAsync(HttpMethod.Post, $"/conversations?user_id={Uri.EscapeDataString(userId)}");
        Assert.That(reply.Status, Is.EqualTo(200), reply.Text);
        return reply.Json.Text("conversation_id")!;
    }

    /// <summary>Adds a message by its body.</summary>
    private protected Task<ApiReply> AddAsync(string id, object message, string query = "") => App.PostAsync($"/conversations/{id}/messages{query}", message);

    /// <summary>Adds a message by its query, without a body.</summary>
    private protected Task<ApiReply> AddByQueryAsync(string id, params (string Name, string Value)[] fields) =>
        App.RequestAsync(HttpMethod.Post, ToTarget(id, fields));

    private protected static string ToTarget(string id, params (string Name, string Value)[] fields) =>
        $"/conversations/{id}/messages?{string.Join('&', fields.Select(f => $"{f.Name}={Uri.EscapeDataString(f.Value)}"))}";

    private protected async Task<IReadOnlyList<JsonElement>> ReadAsync(string id) =>
        (await App.GetAsync($"/conversations/{id}/messages")).Json.GetProperty("messages").Items();
}
