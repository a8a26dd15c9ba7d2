using AiChat.Tests.Support;

namespace AiChat.Tests.Api.Dialects.Drivers;

/// <summary>A client of <c>seed-000-create-chat.md</c>.</summary>
internal sealed class CreateChatDriver(AiChatApplication app) : DialectDriver(app)
{
    public override IReadOnlyList<Turn> FirstTurns { get; } = [new("user", "#say Hello"), new("assistant", "Hello")];

    public override async Task<string> CreateAsync() => RequireSuccess(await App.PostAsync(
        "/create_chat", new { chat_title = "A chat", first_message = new { role = "user", text = FirstTurns[0].Text } })).Json[0].GetString()!;

    public override async Task SayAsync(string chatId, string message, string? reply)
    {
        var answer = RequireSuccess(await App.PostAsync($"/add_message_to_chat/{chatId}", new { role = "user", text = message }));
        RequireReply(answer.Json.Text("text"), reply);
    }

    public override async Task<IReadOnlyList<Turn>> ReadAsync(string chatId) =>
        [.. RequireSuccess(await App.GetAsync($"/get_chat/{chatId}")).Json.Items().Select(m => new Turn(m.Text("role")!, m.Text("text")!))];

    public override async Task<IReadOnlyList<string?>> ListAsync() =>
        [.. RequireSuccess(await App.GetAsync("/list_chats")).Json.Items().Select(i => i.GetString())];

    public override async Task<bool> DeleteAsync(string chatId)
    {
        RequireSuccess(await App.DeleteAsync($"/delete_chat/{chatId}"));
        return true;
    }

    public override async Task<int> LookAsync(string chatId) => (await App.GetAsync($"/get_chat/{chatId}")).Status;
}
