using System.Text;
using AiChat.Tests.Support;

namespace AiChat.Tests.Api;

/// <summary>The examples of the chat API this server took its contract from, byte for byte as its users know them.</summary>
public sealed class SeedExamplesTests : ApiTestBase
{
    private const string CreateBody = """
        {
            "user_id": "user123",
            "title": "My First Chat"
          }
        """;

    private const string SendBody = """
        {
            "chat_id": "chat-uuid-here",
            "user_id": "user123",
            "message": "Hello, AI!",
            "model": "fast"
          }
        """;

    private const string ChatShape = """
        "id":"<uuid>","user_id":"user123","title":"My First Chat","name":"My First Chat","model":null,"system_prompt":null,"metadata":{}
        """;

    [Test]
    public async Task CreateAChat_AsPrinted_IsCreated()
    {
        StartOfflineApp();

        var reply = await App.PostJsonAsync("/chats", CreateBody);

        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(201));
            Assert.That(reply.ContentType, Is.EqualTo("application/json"));
            Assert.That(reply.Masked, Is.EqualTo($$"""{{{ChatShape}},"message_count":0,"created_at":"<instant>","updated_at":"<instant>"}"""));
            Assert.That(reply.Json.Text("updated_at"), Is.EqualTo(reply.Json.Text("created_at")));
        });
    }

    [Test]
    public async Task SendAMessage_AsPrintedWithoutKey_IsAnsweredOffline()
    {
        StartOfflineApp();
        var chatId = (await App.PostJsonAsync("/chats", CreateBody)).Json.Text("id")!;

        var reply = await App.PostJsonAsync("/chat", SendBody.Replace("chat-uuid-here", chatId, StringComparison.Ordinal));

        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(200));
            Assert.That(reply.ContentType, Is.EqualTo("application/json"));
            Assert.That(reply.Json.Text("chat_id"), Is.EqualTo(chatId));
            Assert.That(reply.Masked, Is.EqualTo("""
                {"reply":"This is AiChat's offline backend: no model is connected, so nobody thought about this. I was sent 1 message (about 8 tokens); the newest says: \"Hello, AI!\". Set ANTHROPIC_API_KEY or GROQ_API_KEY or OPENAI_API_KEY for a real answer.","chat_id":"<uuid>","message_id":"<uuid>","user_message_id":"<uuid>","run_id":"<uuid>","model":"offline","provider":"offline","usage":{"input_tokens":8,"output_tokens":77,"estimated":false},"finish_reason":"stop","created_at":"<instant>"}
                """));
        });
    }

    [Test]
    public async Task SendAMessage_AsPrintedWithKey_IsAnsweredByTheModel()
    {
        StartApp();
        Llm.Enqueue(LlmReplies.Answer("Hello, user!", inputTokens: 12, outputTokens: 4));
        var chatId = (await App.PostJsonAsync("/chats", CreateBody)).Json.Text("id")!;

        var reply = await App.PostJsonAsync("/chat", SendBody.Replace("chat-uuid-here", chatId, StringComparison.Ordinal));

        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(200));
            Assert.That(reply.Json.Text("chat_id"), Is.EqualTo(chatId));
            Assert.That(reply.Masked, Is.EqualTo("""
                {"reply":"Hello, user!","chat_id":"<uuid>","message_id":"<uuid>","user_message_id":"<uuid>","run_id":"<uuid>","model":"openai/gpt-oss-20b","provider":"groq","usage":{"input_tokens":12,"output_tokens":4,"estimated":false},"finish_reason":"stop","created_at":"<instant>"}
                """));
            Assert.That(Llm.Requests.Single().Messages, Is.EqualTo(new[] { new LlmMessage("user", "Hello, AI!") }));
        });
    }

    [Test]
    public async Task ListAllChats_AsPrinted_ListsThem()
    {
        StartOfflineApp();
        await App.PostJsonAsync("/chats", CreateBody);

        var reply = await App.GetAsync("/chats?user_id=user123");

        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(200));
            Assert.That(reply.Masked, Is.EqualTo(
                $$"""{"chats":[{{{ChatShape}},"message_count":0,"created_at":"<instant>","updated_at":"<instant>"}],"next_cursor":null,"total":1}"""));
        });
    }

    [Test]
    public async Task GetTheMessages_OfThePrintedChat_ShowsTheTurn()
    {
        StartOfflineApp();
        var chatId = (await App.PostJsonAsync("/chats", CreateBody)).Json.Text("id")!;
        await App.PostJsonAsync("/chat", SendBody.Replace("chat-uuid-here", chatId, StringComparison.Ordinal).Replace("Hello, AI!", "#say Hi!", StringComparison.Ordinal));

        var reply = await App.GetAsync($"/chats/{chatId}/messages?user_id=user123");

        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(200));
            Assert.That(reply.Masked, Is.EqualTo("""
                [{"id":"<uuid>","chat_id":"<uuid>","sequence":1,"role":"user","content":"#say Hi!","tool_calls":null,"status":"completed","model":null,"run_id":null,"created_at":"<instant>","updated_at":"<instant>"},{"id":"<uuid>","chat_id":"<uuid>","sequence":2,"role":"assistant","content":"Hi!","tool_calls":null,"status":"completed","model":"offline","run_id":"<uuid>","created_at":"<instant>","updated_at":"<instant>"}]
                """));
            Assert.That(reply.Json.Texts("chat_id"), Is.All.EqualTo(chatId));
        });
    }

    [Test]
    public async Task CreateAChat_WithTheContentTypeCurlSendsByItself_IsRefusedWithTheCure()
    {
        StartOfflineApp();
        using var body = new StringContent(CreateBody, Encoding.UTF8, "application/x-www-form-urlencoded");

        var reply = await App.RequestAsync(HttpMethod.Post, "/chats", body);

        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(415));
            Assert.That(reply.Json.Text("detail"), Does.Contain("Content-Type: application/json"));
        });
    }
}
