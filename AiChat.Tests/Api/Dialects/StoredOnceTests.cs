using System.Net.Http.Json;

namespace AiChat.Tests.Api.Dialects;

/// <summary>A message that is only stored may be sent again with its key, through whichever API it comes.</summary>
public sealed class StoredOnceTests : ApiTestBase
{
    private static readonly object[] Ways =
    [
        new object[] { "/add_message_to_chat/{0}", new Func<string, object>(_ => new { role = "assistant", text = "Hi" }) },
        new object[] { "/conversations/{0}/messages", new Func<string, object>(_ => new { role = "assistant", content = "Hi" }) },
        new object[] { "/conversations/create", new Func<string, object>(chatId => new { chat_id = chatId, role = "Assistant", message = "Hi" }) },
    ];

    [TestCaseSource(nameof(Ways))]
    public async Task Post_AgainWithItsKey_IsStoredOnce(string path, Func<string, object> body)
    {
        StartOfflineApp();
        var chatId = await App.CreateChatAsync("default");

        var first = await PostAsync(path, chatId, body(chatId));
        var second = await PostAsync(path, chatId, body(chatId));

        Assert.Multiple(async () =>
        {
            Assert.That((first.GetHeader("Idempotency-Replayed"), second.GetHeader("Idempotency-Replayed")), Is.EqualTo(((string?)null, "true")));
            Assert.That((second.Status, second.Text), Is.EqualTo((first.Status, first.Text)));
            Assert.That((await App.GetMessagesAsync(chatId, "default")).Json.GetArrayLength(), Is.EqualTo(1));
        });
    }

    [TestCaseSource(nameof(Ways))]
    public async Task Post_KeyOfAnotherMessage_IsRefused(string path, Func<string, object> body)
    {
        StartOfflineApp();
        var chatId = await App.CreateChatAsync("default");
        await App.RequestAsync(HttpMethod.Post, "/chats", JsonContent.Create(new { title = "Other" }), ("Idempotency-Key", "key-1"));

        var reply = await PostAsync(path, chatId, body(chatId));

        Assert.That(reply.Status, Is.EqualTo(422));
    }

    private Task<Support.ApiReply> PostAsync(string path, string chatId, object body) => App.RequestAsync(
        HttpMethod.Post, path.Replace("{0}", chatId, StringComparison.Ordinal), JsonContent.Create(body), ("Idempotency-Key", "key-1"));
}
