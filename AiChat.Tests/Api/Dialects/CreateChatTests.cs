using System.Net.Http.Json;
using AiChat.Tests.Support;

namespace AiChat.Tests.Api.Dialects;

/// <summary>Clients of the document <c>seed-000-create-chat.md</c>.</summary>
public sealed class CreateChatTests : ApiTestBase
{
    private const string Unknown = "0199c0de-0000-7000-8000-000000000000";

    [Test]
    public async Task Everything_InARow_IsAnsweredAsRecorded()
    {
        StartApp();

        await Transcript.AssertAsync(App.Client, "Dialects/create-chat.http");
    }

    [TestCase(null, TestName = "Create_NoTitle_HasNone")]
    [TestCase("", TestName = "Create_EmptyTitle_HasNone")]
    [TestCase(" ", TestName = "Create_BlankTitle_HasNone")]
    public async Task Create_WithoutTitle_HasNone(string? title)
    {
        StartApp();

        var created = await CreateAsync("user", "Hello", title);

        var chat = await App.GetAsync($"/chats/{created.Json[0].GetString()}");
        Assert.That((created.Status, chat.Json.IsNull("title")), Is.EqualTo((200, true)));
    }

    [Test]
    public async Task Create_Question_IsOneChatOfTheDefaultUserForEverybody()
    {
        StartApp();

        var created = await CreateAsync("user", "Hello", "Trip");

        var chatId = created.Json[0].GetString()!;
        var chat = await App.GetAsync($"/chats/{chatId}");
        var messages = await App.GetMessagesAsync(chatId, "default");
        Assert.Multiple(() =>
        {
            Assert.That((chat.Json.Text("title"), chat.Json.Text("user_id")), Is.EqualTo(("Trip", "default")));
            Assert.That(messages.Json.Texts("content"), Is.EqualTo(new[] { "Hello", "echo: Hello" }));
            Assert.That(created.GetHeader("X-Message-Id"), Is.EqualTo(messages.Json[1].Text("id")));
            Assert.That(created.GetHeader("X-Run-Id"), Is.EqualTo(messages.Json[1].Text("run_id")));
            Assert.That(App.Log.Entries, Has.Some.Matches<LogEntry>(e => e.Contains($"POST /create_chat 200") && e.Contains(messages.Json[1].Text("run_id")!)));
        });
    }

    [TestCase("system")]
    [TestCase("assistant")]
    [TestCase("tool")]
    public async Task Create_OtherRole_StoresTheChatWithItsMessageAndAsksNobody(string role)
    {
        StartApp();

        var created = await CreateAsync(role, "Be kind.");

        var chatId = created.Json[0].GetString()!;
        var messages = await App.GetMessagesAsync(chatId, "default");
        var chat = await App.GetAsync($"/chats/{chatId}");
        Assert.Multiple(() =>
        {
            Assert.That(created.Json[1].GetRawText(), Is.EqualTo($$"""{"role":"{{role}}","text":"Be kind."}"""));
            Assert.That(messages.Json.Items().Select(m => (m.Text("role"), m.Text("content"), m.Text("status"))), Is.EqualTo(new[] { (role, "Be kind.", "completed") }));
            Assert.That(chat.Json.Number("message_count"), Is.EqualTo(1));
            Assert.That(Llm.Requests, Is.Empty);
        });
    }

    [Test]
    public async Task Create_Instructions_AreInTheNextPrompt()
    {
        StartApp();
        var created = await CreateAsync("system", "Be kind.");

        await AddAsync(created.Json[0].GetString()!, "user", "Hello");

        Assert.That(Llm.Requests.Single().Messages, Is.EqualTo(new[] { new LlmMessage("system", "Be kind."), new LlmMessage("user", "Hello") }));
    }

    [TestCase("""{}""", "first_message")]
    [TestCase("""{"first_message":null}""", "first_message")]
    [TestCase("""{"first_message":"Hello"}""", "first_message")]
    [TestCase("""{"first_message":{}}""", "first_message,role", "first_message,text")]
    [TestCase("""{"first_message":{"role":"human","text":"Hello"}}""", "first_message,role")]
    [TestCase("""{"first_message":{"role":"User","text":"Hello"}}""", "first_message,role")]
    [TestCase("""{"first_message":{"role":1,"text":"Hello"}}""", "first_message,role")]
    [TestCase("""{"first_message":{"role":"user","text":" \n"}}""", "first_message,text")]
    [TestCase("""{"first_message":{"role":"system","text":""}}""", "first_message,text")]
    [TestCase("""{"first_message":{"role":"user","text":"\u0000"}}""", "first_message,text")]
    [TestCase("""{"chat_title":5,"first_message":{"role":"nobody","text":""}}""", "chat_title", "first_message,role", "first_message,text")]
    public async Task Create_InvalidRequest_NamesEveryFieldAndStoresNothing(string body, params string[] fields)
    {
        StartApp();

        var refused = await App.PostJsonAsync("/create_chat", body);

        var list = await App.GetAsync("/list_chats");
        Assert.Multiple(() =>
        {
            Assert.That(refused.Status, Is.EqualTo(422));
            Assert.That(GetPlaces(refused), Is.EquivalentTo(fields.Select(f => "body," + f)));
            Assert.That(list.Text, Is.EqualTo("[]"));
        });
    }

    [TestCase("/create_chat", """{"first_message":{"role":"user","text":"TEXT"}}""", "body,first_message,text")]
    [TestCase("/add_message_to_chat/", """{"role":"user","text":"TEXT"}""", "body,text")]
    public async Task Send_TextTooLongForTheModel_IsRefusedAtItsField(string path, string body, string place)
    {
        StartApp();
        var target = path.EndsWith('/') ? path + await CreateChatAsync() : path;

        var refused = await App.PostJsonAsync(target, body.Replace("TEXT", new string('x', 700_000), StringComparison.Ordinal));

        Assert.Multiple(() =>
        {
            Assert.That(refused.Status, Is.EqualTo(422));
            Assert.That(GetPlaces(refused), Is.EqualTo(new[] { place }));
            Assert.That(refused.Json.GetProperty("detail")[0].Text("type"), Is.EqualTo("message_too_long"));
        });
    }

    [Test]
    public async Task Create_ModelFails_IsOurStatusAndTheMessageIsKept()
    {
        StartApp();
        App.Log.Expect("Unavailable");
        Llm.Enqueue(LlmReplies.Status(500));

        var failed = await CreateAsync("user", "Hello");

        var chatId = (await App.GetAsync("/list_chats")).Json[0].GetString()!;
        var shown = await App.GetAsync($"/get_chat/{chatId}");
        var retried = await App.RetryAsync(failed.GetHeader("X-Run-Id")!, "default");
        var after = await App.GetAsync($"/get_chat/{chatId}");
        Assert.Multiple(() =>
        {
            Assert.That((failed.Status, failed.ContentType), Is.EqualTo((502, "application/json")));
            Assert.That(failed.Json.EnumerateObject().Select(p => p.Name), Is.EqualTo(new[] { "detail" }));
            Assert.That(failed.Json.Text("detail"), Is.Not.Empty);
            Assert.That(shown.Text, Is.EqualTo("""[{"role":"user","text":"Hello"}]"""));
            Assert.That(retried.Status, Is.EqualTo(200));
            Assert.That(after.Text, Is.EqualTo("""[{"role":"user","text":"Hello"},{"role":"assistant","text":"echo: Hello"}]"""));
        });
    }

    [Test]
    public async Task Add_ToABusyChat_WaitsForItsTurn()
    {
        StartApp();
        var chatId = await CreateChatAsync();
        Llm.Enqueue(LlmReplies.PausingStream("One"));
        await using var running = await App.StreamAsync(chatId, "First", "default");
        await running.ReadTextAsync("One".Length);

        var second = AddAsync(chatId, "user", "Second");
        await App.WaitForMessagesAsync(chatId, 6, "default");
        var shown = await App.GetAsync($"/get_chat/{chatId}");
        Llm.Release();

        Assert.Multiple(async () =>
        {
            Assert.That((await second).Text, Is.EqualTo("""{"role":"assistant","text":"echo: Second"}"""));
            Assert.That(shown.Json.Texts("text"), Is.EqualTo(new[] { "Hi", "echo: Hi", "First", "One", "Second" }));
        });
    }

    [Test]
    public async Task Add_QueueIsFull_IsAConflict()
    {
        StartApp(("Runs:QueueLimit", "0"));
        var chatId = await CreateChatAsync();
        Llm.Enqueue(LlmReplies.Slow());
        await using var running = await App.StreamAsync(chatId, "First", "default");
        await Llm.WaitForRequestsAsync(2);

        var refused = await AddAsync(chatId, "user", "Second");

        Llm.Release();
        await running.ReadToEndAsync();
        Assert.That((refused.Status, refused.Json.EnumerateObject().Single().Name), Is.EqualTo((409, "detail")));
        Assert.That(refused.GetHeader("Retry-After"), Is.Not.Null);
    }

    [Test]
    public async Task Create_AgainUnderItsKey_IsTheSameChat()
    {
        StartApp();
        var first = await CreateAsync("user", "Hello", key: "a-key");

        var again = await CreateAsync("user", "Hello", key: "a-key");

        var list = await App.GetAsync("/list_chats");
        Assert.Multiple(() =>
        {
            Assert.That((again.Status, again.Text), Is.EqualTo((200, first.Text)));
            Assert.That((IsReplayed(first), IsReplayed(again)), Is.EqualTo((false, true)));
            Assert.That(list.Json.GetArrayLength(), Is.EqualTo(1));
            Assert.That(Llm.Requests, Has.Count.EqualTo(1));
        });
    }

    [Test]
    public async Task Create_OtherRoleManyTimesAtOnceUnderOneKey_IsOneChatWithOneMessage()
    {
        StartApp();

        var replies = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => CreateAsync("system", "Be kind.", key: "a-key")));

        var list = await App.GetAsync("/list_chats");
        var messages = await App.GetMessagesAsync(list.Json[0].GetString()!, "default");
        Assert.Multiple(() =>
        {
            Assert.That(replies.Select(r => (r.Status, r.Text)).Distinct(), Is.EqualTo(new[] { (200, replies[0].Text) }));
            Assert.That(replies.Count(IsReplayed), Is.EqualTo(19));
            Assert.That((list.Json.GetArrayLength(), messages.Json.GetArrayLength()), Is.EqualTo((1, 1)));
        });
    }

    [TestCase("user", "Goodbye", null)]
    [TestCase("user", "Hello", "Title")]
    [TestCase("system", "Hello", null)]
    public async Task Create_AnotherBodyUnderTheKey_IsRefused(string role, string text, string? title)
    {
        StartApp();
        await CreateAsync("user", "Hello", key: "a-key");

        var refused = await CreateAsync(role, text, title, "a-key");

        Assert.Multiple(() =>
        {
            Assert.That(refused.Status, Is.EqualTo(422));
            Assert.That(GetPlaces(refused), Is.EqualTo(new[] { "header,Idempotency-Key" }));
            Assert.That(refused.Json.GetProperty("detail")[0].Text("type"), Is.EqualTo("idempotency_key_reused"));
        });
    }

    [TestCase("system", "user")]
    [TestCase("system", "assistant")]
    public async Task Create_AnotherRoleUnderTheKeyOfAStoredMessage_IsRefused(string first, string second)
    {
        StartApp();
        await CreateAsync(first, "Hello", key: "a-key");

        var refused = await CreateAsync(second, "Hello", key: "a-key");

        Assert.That(refused.Status, Is.EqualTo(422));
    }

    [Test]
    public async Task Add_AgainUnderItsKey_IsTheSameReply()
    {
        StartApp();
        var chatId = await CreateChatAsync();
        var first = await AddAsync(chatId, "user", "Hello", "a-key");

        var again = await AddAsync(chatId, "user", "Hello", "a-key");

        Assert.That((again.Status, again.Text, IsReplayed(first), IsReplayed(again)), Is.EqualTo((200, first.Text, false, true)));
        Assert.That(Llm.Requests, Has.Count.EqualTo(2));
    }

    [TestCase("GET", "/get_chat/")]
    [TestCase("DELETE", "/delete_chat/")]
    [TestCase("POST", "/add_message_to_chat/")]
    public async Task Chat_OfAnotherUser_IsNotThere(string method, string path)
    {
        StartApp();
        var chatId = await CreateChatAsync();
        var body = method == "POST" ? JsonContent.Create(new { role = "user", text = "Hello" }) : null;

        var reply = await App.RequestAsync(new HttpMethod(method), $"{path}{chatId}?user_id=bob", body);

        Assert.That((reply.Status, reply.Text), Is.EqualTo((404, """{"detail":"Chat not found"}""")));
    }

    [TestCase("GET", "/get_chat/")]
    [TestCase("DELETE", "/delete_chat/")]
    public async Task Chat_MalformedId_IsABadRequest(string method, string path)
    {
        StartApp();

        var reply = await App.RequestAsync(new HttpMethod(method), path + "7");

        Assert.That((reply.Status, reply.Json.Text("detail")), Is.EqualTo((400, "id must be a UUID, such as 0199c0de-0000-7000-8000-000000000000.")));
    }

    [Test]
    public async Task Add_OtherRoleToAChatThatIsNotThere_IsNotFound()
    {
        StartApp();

        var reply = await AddAsync(Unknown, "system", "Be kind.");

        Assert.That((reply.Status, reply.Text), Is.EqualTo((404, """{"detail":"Chat not found"}""")));
    }

    [Test]
    public async Task List_ManyChats_AreAllThereNewestFirst()
    {
        StartApp();
        var ids = new List<string>();
        for (var i = 0; i < 600; i++)
            ids.Add(await App.CreateChatAsync("default"));

        var whole = await App.GetAsync("/list_chats");

        Assert.That(whole.Json.EnumerateArray().Select(i => i.GetString()), Is.EquivalentTo(ids));
        Assert.That(whole.GetHeader("Link"), Is.Null);
    }

    [Test]
    public async Task List_PageByPage_LeadsThroughAllOfThem()
    {
        StartApp();
        for (var i = 0; i < 5; i++)
            await App.CreateChatAsync("alice & co");
        var whole = await App.GetAsync("/list_chats?user_id=alice%20%26%20co");

        var pages = new List<ApiReply> { await App.GetAsync("/list_chats?user_id=alice%20%26%20co&limit=2") };
        while (pages[^1].GetLink("next") is { } next)
            pages.Add(await App.GetAsync(next));

        Assert.Multiple(() =>
        {
            Assert.That(pages.Select(p => p.Json.GetArrayLength()), Is.EqualTo(new[] { 2, 2, 1 }));
            Assert.That(
                pages.SelectMany(p => p.Json.EnumerateArray().Select(i => i.GetString())), Is.EqualTo(whole.Json.EnumerateArray().Select(i => i.GetString())));
        });
    }

    [Test]
    public async Task Get_LongChat_IsAllThereInOrder()
    {
        StartApp();
        var chatId = await App.CreateChatAsync("default");
        await App.FillAsync(chatId, [.. Enumerable.Range(0, 600).Select(i => ($"Question {i}", $"Answer {i}"))], "default");

        var reply = await App.GetAsync($"/get_chat/{chatId}");

        Assert.That(reply.Json.Texts("text"), Is.EqualTo(Enumerable.Range(0, 600).SelectMany(i => new[] { $"Question {i}", $"Answer {i}" })));
    }

    [Test]
    public async Task Delete_Chat_IsGoneForEverybody()
    {
        StartApp();
        var chatId = await CreateChatAsync();

        var deleted = await App.DeleteAsync($"/delete_chat/{chatId}");

        Assert.Multiple(async () =>
        {
            Assert.That((deleted.Status, deleted.Text), Is.EqualTo((200, """{"detail":"Chat deleted successfully"}""")));
            Assert.That((await App.GetAsync($"/chats/{chatId}")).Status, Is.EqualTo(404));
            Assert.That((await App.GetAsync("/list_chats")).Text, Is.EqualTo("[]"));
        });
    }

    private static bool IsReplayed(ApiReply reply) => reply.GetHeader("Idempotency-Replayed") == "true";

    /// <summary>Where the fields stand that are not valid, as FastAPI says it.</summary>
    private static IEnumerable<string> GetPlaces(ApiReply reply) =>
        reply.Json.GetProperty("detail").Items().Select(f => string.Join(',', f.GetProperty("loc").EnumerateArray().Select(n => n.GetString())));

    private async Task<string> CreateChatAsync() => (await CreateAsync("user", "Hi")).Json[0].GetString()!;

    private Task<ApiReply> CreateAsync(string role, string text, string? title = null, string? key = null) =>
        PostAsync("/create_chat", new { chat_title = title, first_message = new { role, text } }, key);

    private Task<ApiReply> AddAsync(string chatId, string role, string text, string? key = null) =>
        PostAsync($"/add_message_to_chat/{chatId}", new { role, text }, key);

    private Task<ApiReply> PostAsync(string path, object body, string? key) =>
        App.RequestAsync(HttpMethod.Post, path, JsonContent.Create(body), key is null ? [] : [("Idempotency-Key", key)]);
}
