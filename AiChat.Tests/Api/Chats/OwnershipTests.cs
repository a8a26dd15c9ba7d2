using AiChat.Tests.Support;

namespace AiChat.Tests.Api.Chats;

/// <summary>Another user's chat cannot be told from one that is not there.</summary>
public sealed class OwnershipTests : ApiTestBase
{
    private const string NotFound =
        """{"type":"urn:aichat:problem:chat_not_found","title":"No such chat","status":404,"detail":"There is no such chat of this user. Check chat_id and user_id, or list the user's chats.","code":"chat_not_found","trace_id":"<trace>"}""";

    private static readonly string[] Users = ["?user_id=mallory", "?user_id=Alice", "?user_id=alice%20", ""];

    private string chatId = "";

    [SetUp]
    public async Task Start()
    {
        StartApp();
        chatId = await App.CreateChatAsync("alice");
        await App.SendAsync(chatId, "My secret");
    }

    [TestCaseSource(nameof(Users))]
    public async Task Get_ChatOfAnotherUser_IsNotFound(string user) => AssertNotFound(await App.GetAsync($"/chats/{chatId}{user}"));

    [TestCaseSource(nameof(Users))]
    public async Task Messages_OfAnotherUser_AreNotFound(string user) => AssertNotFound(await App.GetAsync($"/chats/{chatId}/messages{user}"));

    [TestCase("limit=10")]
    [TestCase("limit=10&before=3")]
    [TestCase("limit=10&after=0")]
    [TestCase("after=100")]
    public async Task Messages_PageOfAnotherUser_IsNotFound(string query) =>
        AssertNotFound(await App.GetAsync($"/chats/{chatId}/messages?user_id=mallory&{query}"));

    [TestCaseSource(nameof(Users))]
    public async Task Update_ChatOfAnotherUser_IsNotFound(string user) =>
        AssertNotFound(await App.PatchAsync($"/chats/{chatId}{user}", new { title = "Mine now" }));

    [TestCaseSource(nameof(Users))]
    public async Task Update_NothingInChatOfAnotherUser_IsNotFound(string user) =>
        AssertNotFound(await App.PatchJsonAsync($"/chats/{chatId}{user}", "{}"));

    [TestCaseSource(nameof(Users))]
    public async Task Delete_ChatOfAnotherUser_IsNotFound(string user) => AssertNotFound(await App.DeleteAsync($"/chats/{chatId}{user}"));

    [TestCase("mallory")]
    [TestCase("Alice")]
    [TestCase(null)]
    public async Task Send_ToChatOfAnotherUser_IsNotFound(string? user) =>
        AssertNotFound(await App.PostAsync("/chat", new { chat_id = chatId, user_id = user, message = "What was said?" }));

    [Test]
    public async Task EveryRoute_AbsentChat_GivesTheSameBody()
    {
        var absent = Guid.CreateVersion7();

        ApiReply[] replies =
        [
            await App.GetAsync($"/chats/{absent}?user_id=mallory"),
            await App.GetAsync($"/chats/{absent}/messages?user_id=mallory"),
            await App.GetAsync($"/chats/{absent}/messages?user_id=mallory&limit=1"),
            await App.PatchAsync($"/chats/{absent}?user_id=mallory", new { title = "x" }),
            await App.DeleteAsync($"/chats/{absent}?user_id=mallory"),
            await App.PostAsync("/chat", new { chat_id = absent, user_id = "mallory", message = "x" }),
        ];

        Assert.Multiple(() =>
        {
            Assert.That(replies.Select(r => r.Status), Is.All.EqualTo(404));
            Assert.That(replies.Select(r => r.Masked), Is.All.EqualTo(NotFound));
        });
    }

    [Test]
    public async Task EveryRoute_ChatOfAnotherUser_ChangesNothing()
    {
        var chat = await App.GetAsync($"/chats/{chatId}?user_id=alice");
        var messages = await App.GetMessagesAsync(chatId);

        await App.PatchAsync($"/chats/{chatId}?user_id=mallory", new { title = "Mine now" });
        await App.PostAsync("/chat", new { chat_id = chatId, user_id = "mallory", message = "Hi" });
        await App.DeleteAsync($"/chats/{chatId}?user_id=mallory");

        var chatAfter = await App.GetAsync($"/chats/{chatId}?user_id=alice");
        var messagesAfter = await App.GetMessagesAsync(chatId);
        var list = await App.GetAsync("/chats?user_id=alice");
        var foreignList = await App.GetAsync("/chats?user_id=mallory");
        Assert.Multiple(() =>
        {
            Assert.That(chatAfter.Text, Is.EqualTo(chat.Text));
            Assert.That(messagesAfter.Text, Is.EqualTo(messages.Text));
            Assert.That(list.Json.Number("total"), Is.EqualTo(1));
            Assert.That(foreignList.Json.Number("total"), Is.Zero);
            Assert.That(Llm.Requests, Has.Count.EqualTo(1));
        });
    }

    [Test]
    public async Task Delete_ByAnotherUserWhileTheReplyIsGenerated_DoesNotStopIt()
    {
        Llm.Enqueue(LlmReplies.Slow());
        var sending = App.SendAsync(chatId, "Go on");
        await Llm.WaitForRequestsAsync(2);
        await App.DeleteAsync($"/chats/{chatId}?user_id=mallory");
        Llm.Release();

        var sent = await sending;

        Assert.That(sent.Status, Is.EqualTo(200));
    }

    private static void AssertNotFound(ApiReply reply) => Assert.Multiple(() =>
    {
        Assert.That(reply.Status, Is.EqualTo(404));
        Assert.That(reply.ContentType, Is.EqualTo("application/problem+json"));
        Assert.That(reply.Masked, Is.EqualTo(NotFound));
        Assert.That(reply.Json.Text("trace_id"), Is.EqualTo(reply.RequestId));
    });
}
