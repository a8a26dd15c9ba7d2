using AiChat.Tests.Support;

namespace AiChat.Tests.Api.Dialects.Drivers;

/// <summary>A client of <c>seed-001-conversations.md</c>: it asks a model of its own, and stores what was said.</summary>
internal sealed class ChatHistoryDriver(AiChatApplication app) : DialectDriver(app)
{
    public override async Task<string> CreateAsync() =>
        RequireSuccess(await App.RequestAsync(HttpMethod.Post, "/conversations?user_id=default")).Json.Text("conversation_id")!;

    public override async Task SayAsync(string chatId, string message, string? reply)
    {
        await StoreAsync(chatId, new Turn("user", message));
        await StoreAsync(chatId, new Turn("assistant", reply!));
    }

    public override async Task<IReadOnlyList<Turn>> ReadAsync(string chatId)
    {
        var history = RequireSuccess(await App.GetAsync($"/conversations/{chatId}/messages")).Json.GetProperty("messages");
        return [.. history.Items().Select(m => new Turn(m.Text("role")!, m.Text("content")!))];
    }

    public override async Task<IReadOnlyList<string?>> ListAsync() =>
        RequireSuccess(await App.GetAsync("/users/default/conversations")).Json.GetProperty("conversations").Texts("id");

    public override Task<bool> DeleteAsync(string chatId) => Task.FromResult(false);

    public override async Task<int> LookAsync(string chatId) => (await App.GetAsync($"/conversations/{chatId}/messages")).Status;

    private async Task StoreAsync(string chatId, Turn turn) => RequireSuccess(await App.RequestAsync(
        HttpMethod.Post, $"/conversations/{chatId}/messages?role={turn.Role}&content={Uri.EscapeDataString(turn.Text)}"));
}
