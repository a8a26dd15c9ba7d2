using System.Text;
using AiChat.Tests.Support;

namespace AiChat.Tests.Api.Dialects;

/// <summary>Seed 001: conversations and their messages are kept, no model is asked.</summary>
public sealed class ChatHistoryTests : ChatHistoryTestBase
{
    private const string Calls = """[{"id":"call_1","type":"function","function":{"name":"add_task","arguments":"{\"title\":\"Milk\"}"}}]""";

    [SetUp]
    public void Start() => StartApp();

    [Test]
    public Task Everything_InARow_IsAnsweredAsRecorded() => Transcript.AssertAsync(App.Client, "Dialects/chat-history.http");

    [Test]
    public async Task GetOrCreate_UserWithoutConversation_MakesOne()
    {
        var reply = await App.RequestAsync(HttpMethod.Post, "/conversations?user_id=user-123");

        var id = reply.Json.Text("id");
        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(200));
            Assert.That(reply.ContentType, Is.EqualTo("application/json"));
            Assert.That(reply.Masked, Is.EqualTo(
                """{"conversation_id":"<uuid>","id":"<uuid>","user_id":"user-123","created_at":"<instant>","updated_at":"<instant>"}"""));
            Assert.That(reply.Json.Text("conversation_id"), Is.EqualTo(id));
        });
    }

    [Test]
    public async Task GetOrCreate_FiftyAtOnceForANewUser_MakeOne()
    {
        var ids = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => OpenAsync("crowd")));

        var stored = await App.GetAsync("/chats?user_id=crowd");
        Assert.Multiple(() =>
        {
            Assert.That(ids, Has.All.EqualTo(ids[0]));
            Assert.That(stored.Json.Number("total"), Is.EqualTo(1));
        });
    }

    [Test]
    public async Task AddMessage_InTheBody_IsStoredAndReturned()
    {
        var id = await OpenAsync();

        var reply = await AddAsync(id, new { role = "user", content = "Hello, how can I help you today?" });

        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(200));
            Assert.That(reply.Masked, Is.EqualTo("""
                {"message_id":"<uuid>","id":"<uuid>","conversation_id":"<uuid>","role":"user","content":"Hello, how can I help you today?","tool_calls":null,"created_at":"<instant>","updated_at":"<instant>"}
                """));
            Assert.That(reply.Json.Text("message_id"), Is.EqualTo(reply.Json.Text("id")));
            Assert.That(reply.Json.Text("conversation_id"), Is.EqualTo(id));
            Assert.That(Llm.Requests, Is.Empty);
        });
    }

    [Test]
    public async Task AddMessage_InTheQuery_IsStoredAndReturned()
    {
        const string said = "  Zoë & söhne:\n1 + 1 = 100 %? 😀 ";
        var id = await OpenAsync();

        var reply = await AddByQueryAsync(id, ("role", "tool"), ("content", said), ("tool_calls", Calls));

        var stored = (await ReadAsync(id)).Single();
        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(200));
            Assert.That(stored.GetRawText(), Is.EqualTo(reply.Text));
            Assert.That(stored.Text("role"), Is.EqualTo("tool"));
            Assert.That(stored.Text("content"), Is.EqualTo(said));
            Assert.That(stored.GetProperty("tool_calls").GetRawText(), Is.EqualTo(Calls));
        });
    }

    [Test]
    public async Task AddMessage_LongTextInTheQuery_IsStored()
    {
        var said = string.Concat(Enumerable.Repeat("こんにちは", 4000));
        var id = await OpenAsync();

        var reply = await AddByQueryAsync(id, ("role", "user"), ("content", said));

        Assert.That(reply.Status, Is.EqualTo(200));
        Assert.That((await ReadAsync(id)).Single().Text("content"), Is.EqualTo(said));
    }

    [TestCase("application/json")]
    [TestCase("application/x-www-form-urlencoded")]
    public async Task AddMessage_EmptyBody_IsReadFromTheQuery(string contentType)
    {
        var id = await OpenAsync();
        using var empty = new StringContent("", Encoding.UTF8, contentType);

        var reply = await App.RequestAsync(HttpMethod.Post, ToTarget(id, ("role", "user"), ("content", "Hello")), empty);

        Assert.That((reply.Status, reply.Json.Text("content")), Is.EqualTo((200, "Hello")));
    }

    [Test]
    public async Task AddMessage_EmptyBodyOfUnknownLength_IsReadFromTheQuery()
    {
        var id = await OpenAsync();
        using var request = new HttpRequestMessage(HttpMethod.Post, ToTarget(id, ("role", "user"), ("content", "Hello")));
        request.Content = new StringContent("", Encoding.UTF8, "application/json");
        request.Headers.TransferEncodingChunked = true;

        using var response = await App.Client.SendAsync(request);

        var reply = await ApiReply.ReadAsync(response);
        Assert.That((reply.Status, reply.Json.Text("content")), Is.EqualTo((200, "Hello")));
    }

    [Test]
    public async Task AddMessage_InBoth_TakesFromTheQueryWhatTheBodyDoesNotGive()
    {
        var id = await OpenAsync();

        var reply = await AddAsync(id, new { content = "of the body" }, "?role=assistant&content=of+the+query&tool_calls=%7B%22a%22%3A1%7D");

        Assert.Multiple(() =>
        {
            Assert.That(reply.Json.Text("role"), Is.EqualTo("assistant"));
            Assert.That(reply.Json.Text("content"), Is.EqualTo("of the body"));
            Assert.That(reply.Json.GetProperty("tool_calls").GetRawText(), Is.EqualTo("""{"a":1}"""));
        });
    }

    [TestCase("""[{"id":"call_1"}]""", """[{"id":"call_1"}]""")]
    [TestCase("""{"id":"call_1"}""", """{"id":"call_1"}""")]
    [TestCase("""{ "a": "\ud83d\ude00" }""", """{ "a": "\ud83d\ude00" }""")]
    [TestCase("5", "5")]
    [TestCase("null", "null")]
    [TestCase("\"[{\\\"id\\\":\\\"call_1\\\"}]\"", """[{"id":"call_1"}]""")]
    [TestCase("\"null\"", "null")]
    public async Task AddMessage_ToolCallsInTheBody_AreAnyJsonOrATextThatHoldsIt(string given, string stored)
    {
        var id = await OpenAsync();

        var reply = await App.PostJsonAsync($"/conversations/{id}/messages", $$"""{"role":"assistant","content":"x","tool_calls":{{given}}}""");

        Assert.Multiple(async () =>
        {
            Assert.That(reply.Json.GetProperty("tool_calls").GetRawText(), Is.EqualTo(stored));
            Assert.That((await ReadAsync(id)).Single().GetProperty("tool_calls").GetRawText(), Is.EqualTo(stored));
        });
    }

    [Test]
    public async Task AddMessage_NullInTheQuery_IsNoToolCall()
    {
        var id = await OpenAsync();

        var reply = await AddByQueryAsync(id, ("role", "assistant"), ("content", "x"), ("tool_calls", "null"));

        Assert.That(reply.Json.IsNull("tool_calls"), Is.True);
    }

    [TestCase("assistant", "\"\"")]
    [TestCase("assistant", "null")]
    [TestCase("tool", "\"\"")]
    public async Task AddMessage_CallingToolsAndSayingNothing_IsStored(string role, string content)
    {
        var id = await OpenAsync();

        var reply = await App.PostJsonAsync($"/conversations/{id}/messages", $$"""{"role":"{{role}}","content":{{content}},"tool_calls":{{Calls}}}""");

        Assert.That((reply.Status, reply.Json.Text("content")), Is.EqualTo((200, "")));
    }

    [Test]
    public async Task AddMessage_LongestToolCalls_AreTaken()
    {
        var id = await OpenAsync();
        var calls = $"\"{new string('x', (64 * 1024) - 2)}\"";

        var reply = await App.PostAsync($"/conversations/{id}/messages", new { role = "assistant", content = "x", tool_calls = calls });

        Assert.That((reply.Status, reply.Json.GetProperty("tool_calls").GetRawText().Length), Is.EqualTo((200, 64 * 1024)));
    }

    [Test]
    public async Task AddMessage_ToABusyChat_IsStoredBehindTheReplyThatIsBeingWritten()
    {
        var id = await OpenAsync();
        Llm.Enqueue(LlmReplies.Slow(LlmReplies.Answer("late")));
        var sending = App.SendAsync(id, "Hello");
        await Llm.WaitForRequestsAsync(1);

        var reply = await AddAsync(id, new { role = "user", content = "meanwhile" });

        Llm.Release();
        await sending;
        var messages = await ReadAsync(id);
        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(200));
            Assert.That(messages.Select(m => $"{m.Text("role")}: {m.Text("content")}"), Is.EqualTo(new[] { "user: Hello", "assistant: late", "user: meanwhile" }));
        });
    }

    [Test]
    public async Task AddMessage_ManyAtOnce_AreAllStoredOnce()
    {
        var id = await OpenAsync();

        var replies = await Task.WhenAll(Enumerable.Range(0, 40).Select(i => AddAsync(id, new { role = "user", content = $"{i}" })));

        var messages = await ReadAsync(id);
        Assert.Multiple(() =>
        {
            Assert.That(messages.Select(m => m.Text("content")), Is.EquivalentTo(Enumerable.Range(0, 40).Select(i => $"{i}")));
            Assert.That(messages.Select(m => m.Text("id")), Is.EquivalentTo(replies.Select(r => r.Json.Text("id"))));
        });
    }

    [Test]
    public async Task Messages_EmptyConversation_AreNone()
    {
        var id = await OpenAsync();

        var reply = await App.GetAsync($"/conversations/{id}/messages");

        Assert.That((reply.Status, reply.Text), Is.EqualTo((200, $$"""{"conversation_id":"{{id}}","messages":[]}""")));
    }

    [Test]
    public async Task Messages_LongConversation_AreAllThereInOrder()
    {
        var id = await OpenAsync();
        await App.FillAsync(id, [.. Enumerable.Range(0, 700).Select(i => ($"Question {i}", $"Answer {i}"))]);

        var messages = await ReadAsync(id);

        Assert.Multiple(() =>
        {
            Assert.That(messages.Select(m => m.Text("content")), Is.EqualTo(Enumerable.Range(0, 700).SelectMany(i => new[] { $"Question {i}", $"Answer {i}" })));
            Assert.That(messages.Select(m => m.Text("conversation_id")), Has.All.EqualTo(id));
        });
    }

    [TestCase("limit=2", "3 4")]
    [TestCase("limit=2&before=3", "1 2")]
    [TestCase("limit=2&after=0", "1 2")]
    [TestCase("after=1&before=4", "2 3")]
    public async Task Messages_Range_IsThatPart(string query, string contents)
    {
        var id = await OpenAsync();
        await App.FillAsync(id, [("1", "2"), ("3", "4")]);

        var reply = await App.GetAsync($"/conversations/{id}/messages?{query}");

        Assert.That(string.Join(' ', reply.Json.GetProperty("messages").Texts("content")), Is.EqualTo(contents));
    }

    [TestCase("")]
    [TestCase("?limit=10")]
    public async Task Messages_ThatSayNothing_AreLeftOut(string query)
    {
        var id = await OpenAsync();
        App.Log.Expect("Unavailable");
        Llm.Enqueue(LlmReplies.Status(500));
        await App.SendAsync(id, "Hello");
        await App.PostJsonAsync($"/conversations/{id}/messages", $$"""{"role":"assistant","content":"","tool_calls":{{Calls}}}""");
        await App.PostJsonAsync($"/conversations/{id}/messages", """{"role":"tool","content":"","tool_calls":{"id":"call_1"}}""");

        var reply = await App.GetAsync($"/conversations/{id}/messages{query}");

        Assert.That(reply.Json.GetProperty("messages").Items().Select(m => $"{m.Text("role")}: {m.Text("content")}"),
            Is.EqualTo(new[] { "user: Hello", "assistant: ", "tool: " }));
    }

    [Test]
    public async Task Messages_Links_LeadFromTheNewestToTheFirst()
    {
        var id = await OpenAsync();
        await App.FillAsync(id, [("1", "2"), ("3", "4"), ("5", "6")]);

        var pages = await FollowAsync($"/conversations/{id}/messages?limit=4&user_id=alice", "prev");

        Assert.That(pages.Select(p => string.Join(' ', p.Json.GetProperty("messages").Texts("content"))), Is.EqualTo(new[] { "3 4 5 6", "1 2" }));
    }

    [Test]
    public async Task Conversations_UnknownUser_HasNone()
    {
        var reply = await App.GetAsync("/users/nobody/conversations");

        Assert.That((reply.Status, reply.Text), Is.EqualTo((200, """{"user_id":"nobody","conversations":[]}""")));
    }

    [Test]
    public async Task Conversations_Links_LeadThroughAllPages()
    {
        var ids = new List<string>();
        for (var i = 0; i < 5; i++)
            ids.Add(await App.CreateChatAsync("a/b ä"));

        var whole = await App.GetAsync("/users/a%2Fb%20%C3%A4/conversations");

        var pages = await FollowAsync("/users/a%2Fb%20%C3%A4/conversations?limit=2", "next");

        Assert.Multiple(() =>
        {
            Assert.That(pages.Select(p => p.Json.GetProperty("conversations").GetArrayLength()), Is.EqualTo(new[] { 2, 2, 1 }));
            Assert.That(pages.SelectMany(p => p.Json.GetProperty("conversations").Texts("id")), Is.EquivalentTo(ids)
                .And.EqualTo(whole.Json.GetProperty("conversations").Texts("id")));
        });
    }

    [TestCase("a%41")]
    [TestCase("a/b")]
    [TestCase("a%2Fb")]
    public async Task Conversations_LinksOfAnOddlyNamedUser_LeadToTheirConversations(string user)
    {
        await App.CreateChatAsync("aA");
        string[] ids = [await App.CreateChatAsync(user), await App.CreateChatAsync(user)];

        var pages = await FollowAsync($"/users/{Uri.EscapeDataString(user)}/conversations?limit=1", "next");

        Assert.Multiple(() =>
        {
            Assert.That(pages.Select(p => p.Json.Text("user_id")), Has.All.EqualTo(user));
            Assert.That(pages.Select(p => p.Json.GetProperty("conversations").Texts("id").Single()), Is.EquivalentTo(ids));
        });
    }

    [TestCase("/users/bob/conversations/x/..")]
    [TestCase("/users/bob/conversations/alice/%2E%2e/")]
    [TestCase("/users/alice/../bob/conversations")]
    [TestCase("/users/bob/./conversations")]
    [TestCase("/users/bob/conversations//..")]
    [TestCase("/users/a%2Fb/conversations/a%252Fb/..", "a/b")]
    public async Task Conversations_PathWithDots_AreThoseOfTheUserItLeadsTo(string path, string user = "bob")
    {
        var id = await OpenAsync(user);
        await OpenAsync("alice");
        var asItIs = new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true };

        using var response = await App.Client.GetAsync(new Uri($"{App.Client.BaseAddress!.GetLeftPart(UriPartial.Authority)}{path}", asItIs));

        var reply = await ApiReply.ReadAsync(response);
        Assert.That(reply.Json.Text("user_id"), Is.EqualTo(user));
        Assert.That(reply.Json.GetProperty("conversations").Texts("id"), Is.EqualTo(new[] { id }));
    }

    [TestCase("zoë & söhne/1?x=#😀>,;\"")]
    [TestCase("a%2Fb")]
    [TestCase("a+b c")]
    public async Task Conversations_OfAnOddlyNamedUser_AreFound(string user)
    {
        var id = await OpenAsync(user);

        var reply = await App.GetAsync($"/users/{Uri.EscapeDataString(user)}/conversations");

        Assert.Multiple(() =>
        {
            Assert.That(reply.Json.Text("user_id"), Is.EqualTo(user));
            Assert.That(reply.Json.GetProperty("conversations").Texts("id"), Is.EqualTo(new[] { id }));
        });
    }

    [Test]
    public async Task Users_SeeTheirOwnConversationsOnly()
    {
        var alice = await OpenAsync("alice");
        var bob = await OpenAsync("bob");

        var listed = await App.GetAsync("/users/bob/conversations");
        var read = await App.GetAsync($"/conversations/{alice}/messages?user_id=bob");
        var written = await AddAsync(alice, new { role = "user", content = "Hello" }, "?user_id=bob");

        Assert.Multiple(async () =>
        {
            Assert.That(alice, Is.Not.EqualTo(bob));
            Assert.That(listed.Json.GetProperty("conversations").Texts("id"), Is.EqualTo(new[] { bob }));
            Assert.That(new[] { read, written }.Select(r => (r.Status, r.Text)), Has.All.EqualTo((404, """{"detail":"Conversation not found"}""")));
            Assert.That(await ReadAsync(alice), Is.Empty);
        });
    }

    [Test]
    public async Task Owner_Named_ReadsAndWrites()
    {
        var id = await OpenAsync();

        var written = await AddAsync(id, new { role = "user", content = "Hello" }, "?user_id=alice");
        var read = await App.GetAsync($"/conversations/{id}/messages?user_id=alice");

        Assert.That((written.Status, read.Json.GetProperty("messages").Texts("content")[0]), Is.EqualTo((200, "Hello")));
    }

    [Test]
    public async Task Conversation_MadeHere_GoesOnInOurOwnApi()
    {
        var id = await OpenAsync();
        await AddAsync(id, new { role = "user", content = "My name is Ada." });
        await AddAsync(id, new { role = "assistant", content = "Hello Ada." });

        var sent = await App.SendAsync(id, "What is my name?");

        var prompt = Llm.Requests.Single().Messages.Select(m => $"{m.Role}: {m.Content}");
        var messages = await ReadAsync(id);
        Assert.Multiple(() =>
        {
            Assert.That(sent.Status, Is.EqualTo(200));
            Assert.That(prompt, Is.EqualTo(new[] { "user: My name is Ada.", "assistant: Hello Ada.", "user: What is my name?" }));
            Assert.That(messages.Select(m => m.Text("role")), Is.EqualTo(new[] { "user", "assistant", "user", "assistant" }));
            Assert.That(messages[3].Text("message_id"), Is.EqualTo(sent.Json.Text("message_id")));
        });
    }

    private async Task<IReadOnlyList<ApiReply>> FollowAsync(string path, string relation)
    {
        var pages = new List<ApiReply> { await App.GetAsync(path) };
        while (pages[^1].GetLink(relation) is { } next)
            pages.Add(await App.GetAsync(next));
        return pages;
    }
}
