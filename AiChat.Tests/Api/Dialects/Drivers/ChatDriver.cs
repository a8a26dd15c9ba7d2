using System.Net.ServerSentEvents;
using System.Text;
using AiChat.Tests.Support;

namespace AiChat.Tests.Api.Dialects.Drivers;

/// <summary>A client of <c>seed-003-chat-api.md</c>. Of messages, its document only knows how to store them, and how to get the last reply.</summary>
internal sealed class ChatDriver(AiChatApplication app) : DialectDriver(app)
{
    public override int MostShown => 1;

    public override async Task<string> CreateAsync() =>
        RequireSuccess(await App.PostAsync("/chats/create", new { name = "A chat" })).Json.Text("id")!;

    public override async Task SayAsync(string chatId, string message, string? reply)
    {
        RequireSuccess(await App.PostAsync("/conversations/create", new { chat_id = chatId, role = "Human", message }));
        RequireReply(await InferAsync(chatId), reply);
    }

    public override async Task<IReadOnlyList<Turn>> ReadAsync(string chatId) => [new Turn("assistant", await InferAsync(chatId))];

    public override async Task<IReadOnlyList<string?>> ListAsync() => RequireSuccess(await App.GetAsync("/chats/")).Json.Texts("id");

    public override async Task<bool> DeleteAsync(string chatId)
    {
        RequireSuccess(await App.DeleteAsync($"/chats/delete/{chatId}"));
        return true;
    }

    public override async Task<int> LookAsync(string chatId) => (await App.GetAsync($"/conversations/inference/{chatId}")).Status;

    private async Task<string> InferAsync(string chatId)
    {
        var stream = RequireSuccess(await App.GetAsync($"/conversations/inference/{chatId}"));
        var events = SseParser.Create(new MemoryStream(Encoding.UTF8.GetBytes(stream.Text))).Enumerate().ToList();
        Assert.That(events[^1].EventType, Is.EqualTo("end"));
        return string.Concat(events.Where(e => e.EventType == SseParser.EventTypeDefault).Select(e => e.Data));
    }
}
