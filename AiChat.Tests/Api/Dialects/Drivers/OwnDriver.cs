using AiChat.Tests.Support;

namespace AiChat.Tests.Api.Dialects.Drivers;

/// <summary>A client of <c>seed-002-ai-chat-backend.md</c>, and so of AiChat's own API.</summary>
internal sealed class OwnDriver(AiChatApplication app) : DialectDriver(app)
{
    public override async Task<string> CreateAsync() => RequireSuccess(await App.PostAsync("/chats", new { title = "A chat" })).Json.Text("id")!;

    public override async Task SayAsync(string chatId, string message, string? reply)
    {
        var answer = RequireSuccess(await App.PostAsync("/chat", new { chat_id = chatId, message }));
        RequireReply(answer.Json.Text("reply"), reply);
    }

    public override async Task<IReadOnlyList<Turn>> ReadAsync(string chatId) =>
        [.. RequireSuccess(await App.GetAsync($"/chats/{chatId}/messages")).Json.Items().Select(m => new Turn(m.Text("role")!, m.Text("content")!))];

    public override async Task<IReadOnlyList<string?>> ListAsync() =>
        RequireSuccess(await App.GetAsync("/chats")).Json.GetProperty("chats").Texts("id");

    public override async Task<bool> DeleteAsync(string chatId)
    {
        RequireSuccess(await App.DeleteAsync($"/chats/{chatId}"));
        return true;
    }

    public override async Task<int> LookAsync(string chatId) => (await App.GetAsync($"/chats/{chatId}")).Status;
}
