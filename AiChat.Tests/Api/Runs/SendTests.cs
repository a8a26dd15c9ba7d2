using System.Text.Json;
using AiChat.Tests.Support;

namespace AiChat.Tests.Api.Runs;

public sealed class SendTests : ApiTestBase
{
    [SetUp]
    public void Start() => StartApp();

    [Test]
    public async Task Send_WithoutChat_MakesOne()
    {
        var sent = await App.PostAsync("/chat", new { user_id = "alice", message = "Hello" });

        var chat = await App.GetAsync($"/chats/{sent.Json.Text("chat_id")}?user_id=alice");
        Assert.Multiple(() =>
        {
            Assert.That(sent.Status, Is.EqualTo(200));
            Assert.That(chat.Masked, Is.EqualTo("""
                {"id":"<uuid>","user_id":"alice","title":null,"name":null,"model":null,"system_prompt":null,"metadata":{},"message_count":2,"created_at":"<instant>","updated_at":"<instant>"}
                """));
        });
    }

    [TestCase("""{"message":"Hello"}""")]
    [TestCase("""{"message":"Hello","chat_id":null,"user_id":null,"model":null,"temperature":null,"max_tokens":null}""")]
    [TestCase("""{"message":"Hello","stream":false,"unknown":{"deep":[1]},"Message":"other"}""")]
    public async Task Send_OnlyAMessage_IsEnough(string body)
    {
        var sent = await App.PostJsonAsync("/chat", body);

        var chat = await App.GetAsync($"/chats/{sent.Json.Text("chat_id")}");
        Assert.Multiple(() =>
        {
            Assert.That(sent.Json.Text("reply"), Is.EqualTo("echo: Hello"));
            Assert.That(chat.Json.Text("user_id"), Is.EqualTo("default"));
        });
    }

    [Test]
    public async Task Send_Reply_NamesWhatIsStored()
    {
        var chatId = await App.CreateChatAsync();

        var sent = await App.SendAsync(chatId, "Hello");

        var messages = await App.GetMessagesAsync(chatId);
        Assert.Multiple(() =>
        {
            Assert.That(messages.Json.Texts("id"), Is.EqualTo(new[] { sent.Json.Text("user_message_id"), sent.Json.Text("message_id") }));
            Assert.That(messages.Json.Texts("content"), Is.EqualTo(new[] { "Hello", sent.Json.Text("reply") }));
            Assert.That(messages.Json.Texts("model"), Is.EqualTo(new[] { null, "openai/gpt-oss-20b" }));
            Assert.That(messages.Json[1].Text("updated_at"), Is.EqualTo(sent.Json.Text("created_at")));
        });
    }

    [Test]
    public async Task Send_SeveralTimes_GivesTheModelEverythingSaidBefore()
    {
        var chatId = await App.CreateChatAsync(systemPrompt: "Be brief.");
        await App.SendAsync(chatId, "My name is Ann.");
        await App.SendAsync(chatId, "I like tea.");

        await App.SendAsync(chatId, "Who am I?");

        Assert.That(Llm.Requests[^1].Messages, Is.EqualTo(new LlmMessage[]
        {
            new("system", "Be brief."),
            new("user", "My name is Ann."),
            new("assistant", "echo: My name is Ann."),
            new("user", "I like tea."),
            new("assistant", "echo: I like tea."),
            new("user", "Who am I?"),
        }));
    }

    [Test]
    public async Task Send_InTwoChats_KeepsThemApart()
    {
        var one = await App.CreateChatAsync(systemPrompt: "One.");
        var two = await App.CreateChatAsync(systemPrompt: "Two.");
        await App.SendAsync(one, "Secret of one");

        await App.SendAsync(two, "What do you know?");

        Assert.That(Llm.Requests[^1].Messages, Is.EqualTo(new LlmMessage[] { new("system", "Two."), new("user", "What do you know?") }));
    }

    [TestCase(null, null, "openai/gpt-oss-20b")]
    [TestCase("smart", null, "openai/gpt-oss-120b")]
    [TestCase("smart", "fast", "openai/gpt-oss-20b")]
    [TestCase(null, "smart", "openai/gpt-oss-120b")]
    [TestCase(null, "SMART", "openai/gpt-oss-120b")]
    public async Task Send_Model_IsTheMessagesElseTheChatsElseFast(string? ofChat, string? ofMessage, string expected)
    {
        var chatId = await App.CreateChatAsync(model: ofChat);

        var sent = await App.PostAsync("/chat", new { chat_id = chatId, user_id = "alice", message = "Hello", model = ofMessage });

        Assert.Multiple(() =>
        {
            Assert.That(Llm.Requests.Single().Model, Is.EqualTo(expected));
            Assert.That(sent.Json.Text("model"), Is.EqualTo(expected));
            Assert.That(sent.Json.Text("provider"), Is.EqualTo("groq"));
        });
    }

    [Test]
    public async Task Send_TemperatureAndMaxTokens_ReachTheModel()
    {
        await App.PostAsync("/chat", new { message = "Hello", temperature = 0.7, max_tokens = 99 });

        var request = Llm.Requests.Single().Json;
        Assert.Multiple(() =>
        {
            Assert.That(request.GetProperty("temperature").GetRawText(), Is.EqualTo("0.7"));
            Assert.That(request.Number("max_completion_tokens"), Is.EqualTo(99));
        });
    }

    [Test]
    public async Task Send_WithoutSettings_LeavesThemToTheModel()
    {
        await App.PostAsync("/chat", new { message = "Hello" });

        Assert.That(Llm.Requests.Single().Json.EnumerateObject().Select(p => p.Name), Is.EqualTo(new[] { "model", "messages", "stream", "stream_options" }));
    }

    [Test]
    public async Task Send_Key_GoesToTheProviderAsBearer()
    {
        await App.PostAsync("/chat", new { message = "Hello" });

        Assert.That(Llm.Requests.Single().Headers["Authorization"], Is.EqualTo("Bearer " + AiChatApplication.GroqKey));
    }

    [Test]
    public async Task Send_ReplyThatReachedItsLength_SaysSo()
    {
        Llm.Enqueue(LlmReplies.Answer("Once upon", finishReason: "length", inputTokens: 123, outputTokens: 2));

        var sent = await App.PostAsync("/chat", new { message = "A story", max_tokens = 2 });

        Assert.Multiple(() =>
        {
            Assert.That(sent.Json.Text("finish_reason"), Is.EqualTo("length"));
            Assert.That(sent.Json.GetProperty("usage").GetRawText(), Is.EqualTo("""{"input_tokens":123,"output_tokens":2,"estimated":false}"""));
        });
    }

    [Test]
    public async Task Send_AnswerWithoutUsage_IsEstimated()
    {
        Llm.Enqueue(LlmReplies.Json("""{"choices":[{"message":{"role":"assistant","content":"123456"}}]}"""));

        var sent = await App.PostAsync("/chat", new { message = "123456789" });

        Assert.Multiple(() =>
        {
            Assert.That(sent.Json.GetProperty("usage").GetRawText(), Is.EqualTo("""{"input_tokens":7,"output_tokens":2,"estimated":true}"""));
            Assert.That(sent.Json.Text("finish_reason"), Is.EqualTo("stop"));
        });
    }

    [TestCase("Grüße, 漢字, עברית 👩‍👩‍👧‍👦 \"quoted\" \\ <b>&amp;</b> \t\r\n\u2028")]
    [TestCase("😀")]
    [TestCase("{\"role\":\"system\",\"content\":\"ignore\"}")]
    [TestCase("  spaces around  ")]
    public async Task Send_AnyText_ReachesTheModelAndTheChatAsItIs(string text)
    {
        var chatId = await App.CreateChatAsync(systemPrompt: text);

        var sent = await App.SendAsync(chatId, text);

        var messages = await App.GetMessagesAsync(chatId);
        Assert.Multiple(() =>
        {
            Assert.That(Llm.Requests.Single().Messages, Is.EqualTo(new LlmMessage[] { new("system", text), new("user", text) }));
            Assert.That(sent.Json.Text("reply"), Is.EqualTo("echo: " + text));
            Assert.That(messages.Json.Texts("content"), Is.EqualTo(new[] { text, "echo: " + text }));
        });
    }

    [Test]
    public async Task Send_LongMessage_IsKeptWhole()
    {
        var text = string.Concat(Enumerable.Repeat("0123456789 Grüße ", 15_000));

        var sent = await App.PostAsync("/chat", new { user_id = "alice", message = text });

        var messages = await App.GetMessagesAsync(sent.Json.Text("chat_id")!);
        Assert.Multiple(() =>
        {
            Assert.That(Llm.Requests.Single().LastUserMessage, Is.EqualTo(text));
            Assert.That(messages.Json.Texts("content"), Is.EqualTo(new[] { text, "echo: " + text }));
        });
    }

    [Test]
    public async Task Send_MoreThanTheModelTakes_IsRefusedAndStoresNothing()
    {
        var reply = await App.PostAsync("/chat", new { user_id = "alice", message = new string('x', 400_000) });

        var list = await App.GetAsync("/chats?user_id=alice");
        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(422));
            Assert.That(reply.Code, Is.EqualTo("message_too_long"));
            Assert.That(reply.ErrorFields, Is.EqualTo(new[] { "message" }));
            Assert.That(list.Json.Number("total"), Is.Zero);
            Assert.That(Llm.Requests, Is.Empty);
        });
    }

    [Test]
    public async Task Send_UnknownChat_IsNotFoundAndMakesNone()
    {
        var reply = await App.SendAsync(Guid.CreateVersion7().ToString(), "Hello");

        var list = await App.GetAsync("/chats?user_id=alice");
        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(404));
            Assert.That(reply.Code, Is.EqualTo("chat_not_found"));
            Assert.That(list.Json.Number("total"), Is.Zero);
            Assert.That(Llm.Requests, Is.Empty);
        });
    }

    [Test]
    public async Task Send_IdInAnotherSpelling_FindsTheChat()
    {
        var chatId = await App.CreateChatAsync();

        var sent = await App.SendAsync(chatId.ToUpperInvariant(), "Hello");

        Assert.That(sent.Json.Text("chat_id"), Is.EqualTo(chatId));
    }

    [TestCase("chat-uuid-here")]
    [TestCase("")]
    [TestCase("1")]
    [TestCase("0199c0de-0000-7000-8000-00000000000")]
    [TestCase("0199c0de-0000-7000-8000-000000000000'--")]
    public async Task Send_MalformedChatId_IsABadRequest(string chatId)
    {
        var reply = await App.SendAsync(chatId, "Hello");

        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(400));
            Assert.That(reply.Code, Is.EqualTo("invalid_id"));
            Assert.That(reply.ErrorFields, Is.EqualTo(new[] { "chat_id" }));
        });
    }

    [TestCase("""{}""", "message")]
    [TestCase("""{"message":null}""", "message")]
    [TestCase("""{"message":""}""", "message")]
    [TestCase("""{"message":" \n\t"}""", "message")]
    [TestCase("""{"message":"Hi","model":"genius"}""", "model")]
    [TestCase("""{"message":"Hi","temperature":-0.1}""", "temperature")]
    [TestCase("""{"message":"Hi","temperature":2.1}""", "temperature")]
    [TestCase("""{"message":"Hi","max_tokens":0}""", "max_tokens")]
    [TestCase("""{"message":"Hi","user_id":""}""", "user_id")]
    [TestCase("""{"message":"","model":"genius","temperature":3,"max_tokens":-1,"user_id":" "}""", "max_tokens message model temperature user_id")]
    public async Task Send_WrongFields_AreToldAtOnce(string body, string fields)
    {
        var reply = await App.PostJsonAsync("/chat", body);

        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(422));
            Assert.That(string.Join(' ', reply.ErrorFields), Is.EqualTo(fields));
            Assert.That(Llm.Requests, Is.Empty);
        });
    }

    [Test]
    public async Task Send_MalformedIdAndWrongFields_AreToldAtOnce()
    {
        var reply = await App.PostAsync("/chat", new { chat_id = "x", message = "", temperature = 9 });

        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(400));
            Assert.That(reply.ErrorFields, Is.EqualTo(new[] { "chat_id", "message", "temperature" }));
        });
    }

    [Test]
    public async Task Send_AnsweredMessage_MovesTheChatsCounterAndInstant()
    {
        var chatId = await App.CreateChatAsync();

        var sent = await App.SendAsync(chatId, "Hello");

        var chat = await App.GetAsync($"/chats/{chatId}?user_id=alice");
        Assert.Multiple(() =>
        {
            Assert.That(chat.Json.Number("message_count"), Is.EqualTo(2));
            Assert.That(chat.Json.Text("updated_at"), Is.EqualTo(sent.Json.Text("created_at")));
        });
    }

    [Test]
    public async Task Send_Contents_StayOutOfTheLog()
    {
        await App.PostAsync("/chat", new { user_id = "alice-in-private", message = "my secret words" });

        Assert.That(JsonSerializer.Serialize(App.Log.Entries.Select(e => e.Message)),
            Does.Contain("POST /chat 200").And.Not.Contain("secret").And.Not.Contain("private").And.Not.Contain(AiChatApplication.GroqKey));
    }
}
