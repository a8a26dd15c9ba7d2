using System.Text.Json;
using AiChat.Tests.Support;

namespace AiChat.Tests.Api.Dialects.Drivers;

/// <summary>A client of <c>seed-004-chatai-api.md</c>.</summary>
internal sealed class ChatAiDriver(AiChatApplication app) : DialectDriver(app)
{
    public override async Task<string> CreateAsync() => RequireSuccess(await App.RequestAsync(HttpMethod.Post, "/conversation")).Json.Text("id")!;

    public override async Task SayAsync(string chatId, string message, string? reply)
    {
        var answer = RequireSuccess(await App.PostAsync($"/conversation/completion/{chatId}", new { message, stream = "false" }));
        RequireReply(answer.Json.Text("content"), reply);
    }

    public override async Task<IReadOnlyList<Turn>> ReadAsync(string chatId)
    {
        var conversation = (await GetAllAsync()).Items().Single(c => c.Text("id") == chatId);
        return [.. conversation.GetProperty("messages").Items().Select(m => new Turn(m.Text("author")!, m.Text("content")!))];
    }

    public override async Task<IReadOnlyList<string?>> ListAsync() => (await GetAllAsync()).Texts("id");

    public override Task<bool> DeleteAsync(string chatId) => Task.FromResult(false);

    public override async Task<int> LookAsync(string chatId) =>
        (await App.PostAsync($"/conversation/completion/{chatId}", new { message = "Are you there?", stream = false })).Status;

    private async Task<JsonElement> GetAllAsync() => RequireSuccess(await App.GetAsync("/conversation")).Json;
}
