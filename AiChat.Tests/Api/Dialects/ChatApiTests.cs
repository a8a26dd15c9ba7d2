using System.Net.Http.Json;
using AiChat.Tests.Support;

namespace AiChat.Tests.Api.Dialects;

/// <summary>Chats and messages in the dialect whose chats have names and whose messages are conversations.</summary>
public sealed class ChatApiTests : ChatApiTestBase
{
    private const string SomeId = "3fa85f64-5717-4562-b3fc-2c963f66afa6";

    private static readonly string[] ChatFields = ["id", "name", "created_at", "updated_at"];

    [SetUp]
    public void Start() => StartApp();

    [Test]
    public async Task Everything_InARow_IsAnsweredAsRecorded()
    {
        App.Log.Expect("web_search_unconfigured");
        // In one piece: a reader that is late gets two of them as one event.
        Llm.Handler = request => LlmReplies.Stream([$"  You said:\n{request.LastUserMessage}\n"]);

        await Transcript.AssertAsync(App.Client, "Dialects/chat-api.http");
    }

    [Test]
    public async Task Create_WithAName_IsTheChat()
    {
        var reply = await App.PostAsync("/chats/create", new { name = "Chat 1" });

        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(201));
            Assert.That(reply.Masked, Is.EqualTo("""{"id":"<uuid>","name":"Chat 1","created_at":"<instant>","updated_at":"<instant>"}"""));
            Assert.That(reply.GetHeader("Location"), Is.EqualTo("/chats/" + reply.Json.Text("id")));
        });
    }

    [Test]
    public async Task Create_SameKeyTwice_MakesOneChat()
    {
        var first = await CreateWithKeyAsync("Chat 1");
        var second = await CreateWithKeyAsync("Chat 1");
        var other = await CreateWithKeyAsync("Chat 2");

        var list = await App.GetAsync("/chats/");
        Assert.Multiple(() =>
        {
            Assert.That(second.Text, Is.EqualTo(first.Text));
            Assert.That((first.GetHeader("Idempotency-Replayed"), second.GetHeader("Idempotency-Replayed")), Is.EqualTo((default(string), "true")));
            Assert.That((other.Status, other.Code), Is.EqualTo((422, "idempotency_key_reused")));
            Assert.That(list.Json.GetArrayLength(), Is.EqualTo(1));
        });
    }

    [TestCase("{}")]
    [TestCase("""{"name":null}""")]
    [TestCase("""{"name":1}""")]
    [TestCase("""{"name":"a\u0000b"}""")]
    public async Task Create_NoName_IsInvalid(string body)
    {
        var reply = await App.PostJsonAsync("/chats/create", body);

        Assert.That((reply.Status, reply.Code), Is.EqualTo((422, "validation_failed")));
        Assert.That(reply.ErrorFields, Is.EqualTo(new[] { "name" }));
    }

    [Test]
    public async Task List_WithSlash_IsABareArrayNewestFirst()
    {
        var first = await CreateAsync("One");
        var second = await CreateAsync("Two");
        await App.PutAsync($"/chats/update/{first}", new { name = "One", updated_at = "2100-01-01T00:00:00Z" });

        var reply = await App.GetAsync("/chats/");

        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(200));
            Assert.That(reply.Json.Texts("id"), Is.EqualTo(new[] { first, second }));
            Assert.That(reply.Json[0].EnumerateObject().Select(f => f.Name), Is.EqualTo(ChatFields));
        });
    }

    [Test]
    public async Task List_NoChats_IsAnEmptyArray() =>
        Assert.That((await App.GetAsync("/chats/")).Text, Is.EqualTo("[]"));

    [Test]
    public async Task List_MoreThanAPageIsReadAtOnce_IsWhole()
    {
        await Task.WhenAll(Enumerable.Range(0, 1001).Select(i => CreateAsync($"Chat {i}")));

        var reply = await App.GetAsync("/chats/");

        Assert.That(reply.Json.Texts("name"), Is.Unique.And.Count.EqualTo(1001));
    }

    [Test]
    public async Task List_WithLimit_LeadsFromPageToPage()
    {
        for (var i = 1; i <= 5; i++)
            await CreateAsync($"Chat {i}", "?user_id=al%26ice");

        var names = new List<string?>();
        for (var path = "/chats/?user_id=al%26ice&limit=2"; path is not null;)
        {
            var page = await App.GetAsync(path);
            names.AddRange(page.Json.Texts("name"));
            path = page.GetLink("next");
        }

        // Chats of one millisecond have an order of their own: pages have to have the same.
        Assert.That(names, Is.EqualTo((await App.GetAsync("/chats/?user_id=al%26ice")).Json.Texts("name")).And.Exactly(5).Items);
    }

    [TestCase("limit=0", "limit")]
    [TestCase("limit=101", "limit")]
    [TestCase("cursor=garbage", "cursor")]
    [TestCase("user_id=", "user_id")]
    public async Task List_InvalidQuery_IsRefused(string query, string field)
    {
        var reply = await App.GetAsync($"/chats/?{query}");

        Assert.That((reply.Status, reply.Code), Is.EqualTo((422, "validation_failed")));
        Assert.That(reply.ErrorFields, Is.EqualTo(new[] { field }));
    }

    [Test]
    public async Task List_ChatNobodyNamed_HasAnEmptyName()
    {
        await App.PostAsync("/chats", new { });

        Assert.That((await App.GetAsync("/chats/")).Json[0].Text("name"), Is.Empty);
    }

    [Test]
    public async Task Get_AChatOfTheDialect_HasItsFields()
    {
        var id = await CreateAsync("Chat 1");

        var reply = await App.GetAsync($"/chats/{id}");

        Assert.That(reply.Status, Is.EqualTo(200));
        Assert.That(reply.Json.Text("name"), Is.EqualTo("Chat 1"));
        Assert.That(reply.Json.EnumerateObject().Select(f => f.Name), Is.SupersetOf(ChatFields));
    }

    [TestCase("2023-08-05T14:48:00.000Z", "2023-08-05T14:48:00.000Z")]
    [TestCase("2023-08-05T16:48:00+02:00", "2023-08-05T14:48:00.000Z")]
    [TestCase("2023-08-05T14:48:00.123456", "2023-08-05T14:48:00.123Z")]
    [TestCase("2023-08-05T14:48Z", "2023-08-05T14:48:00.000Z")]
    [TestCase("2023-08-05 14:48:00.123456", "2023-08-05T14:48:00.123Z")]
    [TestCase("2023-08-05 16:48+02:00", "2023-08-05T14:48:00.000Z")]
    [TestCase("2023-08-05T14:48:00.123456789Z", "2023-08-05T14:48:00.123Z")]
    [TestCase("2023-08-05 16:48:00.123999999999+02:00", "2023-08-05T14:48:00.123Z")]
    [TestCase("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z")]
    public async Task Update_WithAnInstant_NotesIt(string given, string noted)
    {
        var id = await CreateAsync();

        var reply = await App.PutAsync($"/chats/update/{id}", new { name = "Renamed", updated_at = given });

        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(200));
            Assert.That((reply.Json.Text("id"), reply.Json.Text("name"), reply.Json.Text("updated_at")), Is.EqualTo((id, "Renamed", noted)));
            Assert.That(reply.Json.EnumerateObject().Select(f => f.Name), Is.EqualTo(ChatFields));
        });
    }

    [TestCase("""{"name":"Renamed"}""")]
    [TestCase("""{"name":"Renamed","updated_at":null}""")]
    public async Task Update_WithoutAnInstant_IsChangedNow(string body)
    {
        var id = await CreateAsync();
        await App.PutAsync($"/chats/update/{id}", new { name = "Old", updated_at = "2023-08-05T14:48:00Z" });

        var reply = await App.PutJsonAsync($"/chats/update/{id}", body);

        Assert.That(reply.Json.Text("name"), Is.EqualTo("Renamed"));
        Assert.That(reply.Json.GetProperty("updated_at").GetDateTimeOffset(), Is.GreaterThanOrEqualTo(reply.Json.GetProperty("created_at").GetDateTimeOffset()));
    }

    [TestCase("""{"name":"Renamed","updated_at":"datetime"}""", "updated_at")]
    [TestCase("""{"name":"Renamed","updated_at":""}""", "updated_at")]
    [TestCase("""{"name":"Renamed","updated_at":"2023-08-05"}""", "updated_at")]
    [TestCase("""{"name":"Renamed","updated_at":"2023-02-30T00:00:00Z"}""", "updated_at")]
    [TestCase("""{"name":"Renamed","updated_at":"1969-12-31T23:59:59Z"}""", "updated_at")]
    [TestCase("""{"name":"Renamed","updated_at":"March 5 2023"}""", "updated_at")]
    [TestCase("""{"name":"Renamed","updated_at":"2023-08-05  14:48:00"}""", "updated_at")]
    [TestCase("""{"name":"Renamed","updated_at":"2023-08-05T14:48:00.123456789x"}""", "updated_at")]
    [TestCase("""{"name":"Renamed","updated_at":1691246880}""", "updated_at")]
    [TestCase("""{"updated_at":"2023-08-05T14:48:00Z"}""", "name")]
    [TestCase("""{"updated_at":"x"}""", "name", "updated_at")]
    public async Task Update_InvalidFields_ChangesNothing(string body, params string[] fields)
    {
        var id = await CreateAsync("Old");

        var reply = await App.PutJsonAsync($"/chats/update/{id}", body);

        Assert.That((reply.Status, reply.Code), Is.EqualTo((422, "validation_failed")));
        Assert.That(reply.ErrorFields, Is.EqualTo(fields));
        Assert.That((await App.GetAsync($"/chats/{id}")).Json.Text("name"), Is.EqualTo("Old"));
    }

    [Test]
    public async Task Delete_AChat_IsTheChatAndItsMessagesAreGone()
    {
        var id = await CreateAsync("Chat 1");
        var messageId = await SayAsync(id, "Hi");
        var before = (await App.GetAsync("/chats/")).Json[0].GetRawText();

        var reply = await App.DeleteAsync($"/chats/delete/{id}");

        Assert.Multiple(async () =>
        {
            Assert.That(reply.Status, Is.EqualTo(200));
            Assert.That(reply.Text, Is.EqualTo(before));
            Assert.That((await App.GetAsync($"/chats/{id}")).Status, Is.EqualTo(404));
            Assert.That((await App.GetAsync($"/chats/{id}/messages")).Status, Is.EqualTo(404));
            Assert.That((await App.GetAsync($"/conversations/inference/{messageId}")).Status, Is.EqualTo(404));
            Assert.That((await App.DeleteAsync($"/chats/delete/{id}")).Status, Is.EqualTo(404));
        });
    }

    [TestCase("Human", "Human", "user")]
    [TestCase("human", "Human", "user")]
    [TestCase("ASSISTANT", "Assistant", "assistant")]
    public async Task CreateConversation_OfARole_StoresTheMessageAndAsksNobody(string role, string shown, string stored)
    {
        var chatId = await CreateAsync();

        var reply = await App.PostAsync("/conversations/create", new { chat_id = chatId.ToUpperInvariant(), role, message = " Hi\n" });

        var messages = await App.GetMessagesAsync(chatId, "default");
        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(201));
            Assert.That(reply.Masked, Is.EqualTo(
                $$"""{"id":"<uuid>","chat_id":"<uuid>","role":"{{shown}}","message":" Hi\n","created_at":"<instant>","updated_at":"<instant>"}"""));
            Assert.That(reply.Json.Text("chat_id"), Is.EqualTo(chatId));
            Assert.That(messages.Json.Texts("id"), Is.EqualTo(new[] { reply.Json.Text("id") }));
            Assert.That((messages.Json[0].Text("role"), messages.Json[0].Text("content")), Is.EqualTo((stored, " Hi\n")));
            Assert.That(Llm.Requests, Is.Empty);
        });
    }

    [Test]
    public async Task CreateConversation_InvalidFields_NamesThemAll()
    {
        var reply = await App.PostAsync("/conversations/create", new { role = "System", message = " " });

        Assert.That((reply.Status, reply.Code), Is.EqualTo((422, "validation_failed")));
        Assert.That(reply.ErrorFields, Is.EqualTo(new[] { "chat_id", "message", "role" }));
    }

    [Test]
    public async Task CreateConversation_MalformedId_IsABadRequest()
    {
        var reply = await App.PostAsync("/conversations/create", new { chat_id = "uuid", role = "Human", message = "Hi" });

        Assert.That((reply.Status, reply.Code, reply.ContentType), Is.EqualTo((400, "invalid_id", "application/problem+json")));
    }

    [Test]
    public async Task Chats_Unknown_AreNotFound()
    {
        var replies = new[]
        {
            await App.PutAsync($"/chats/update/{SomeId}", new { name = "x" }),
            await App.DeleteAsync($"/chats/delete/{SomeId}"),
            await App.PostAsync("/conversations/create", new { chat_id = SomeId, role = "Human", message = "Hi" }),
            await App.GetAsync($"/conversations/inference/{SomeId}"),
            await App.GetAsync($"/conversations/inference_internet/{SomeId}"),
        };

        Assert.That(replies.Select(r => (r.Status, r.Code)), Is.All.EqualTo((404, "chat_not_found")));
    }

    [Test]
    public async Task Chats_MalformedIds_AreBadRequests()
    {
        var replies = new[]
        {
            await App.PutAsync("/chats/update/x", new { name = "x" }),
            await App.DeleteAsync("/chats/delete/x"),
            await App.GetAsync("/conversations/inference/x"),
            await App.GetAsync("/conversations/inference_internet/x"),
        };

        Assert.That(replies.Select(r => (r.Status, r.Code)), Is.All.EqualTo((400, "invalid_id")));
    }

    [Test]
    public async Task Chats_OfAnotherUser_AreNotThere()
    {
        var id = await CreateAsync("Secret", "?user_id=alice");
        var messageId = await SayAsync(id, "Secret", query: "?user_id=alice");
        const string bob = "?user_id=bob";

        var list = await App.GetAsync("/chats/" + bob);
        var replies = new[]
        {
            await App.PutAsync($"/chats/update/{id}{bob}", new { name = "x" }),
            await App.DeleteAsync($"/chats/delete/{id}{bob}"),
            await App.PostAsync($"/conversations/create{bob}", new { chat_id = id, role = "Human", message = "Hi" }),
            await App.GetAsync($"/conversations/inference/{id}{bob}"),
            await App.GetAsync($"/conversations/inference/{messageId}{bob}"),
        };

        Assert.That(list.Text, Is.EqualTo("[]"));
        Assert.That(replies.Select(r => (r.Status, r.Code)), Is.All.EqualTo((404, "chat_not_found")));
        Assert.That((await App.GetMessagesAsync(id)).Json.Texts("content"), Is.EqualTo(new[] { "Secret" }));
    }

    private Task<ApiReply> CreateWithKeyAsync(string name) =>
        App.RequestAsync(HttpMethod.Post, "/chats/create", JsonContent.Create(new { name }), ("Idempotency-Key", "a-key"));
}
