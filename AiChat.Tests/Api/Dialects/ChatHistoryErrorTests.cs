using AiChat.Core.Chats;
using AiChat.Core.Errors;
using AiChat.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using Moq;

namespace AiChat.Tests.Api.Dialects;

/// <summary>What seed 001 refuses: in the words of its framework, with a line in the log for each.</summary>
public sealed class ChatHistoryErrorTests : ChatHistoryTestBase
{
    private const string Unknown = "0199c0de-0000-7000-8000-000000000000";

    [TestCase("")]
    [TestCase("?user_id=")]
    [TestCase("?user_id=%20")]
    [TestCase("?user=alice")]
    public async Task GetOrCreate_NoUser_IsInvalid(string query)
    {
        StartApp();

        var reply = await App.RequestAsync(HttpMethod.Post, "/conversations" + query);

        await AssertErrorAsync(reply, 422, "POST /conversations 422", """{"detail":[{"type":"value_error","loc":["query","user_id"],"msg":"must be given, and not be empty"}]}""");
    }

    [TestCase("GET", "/conversations/not-a-uuid/messages")]
    [TestCase("POST", "/conversations/not-a-uuid/messages?role=user&content=Hello")]
    [TestCase("POST", "/conversations/0199c0de-0000-7000-8000-00000000000g/messages?role=user&content=Hello")]
    public async Task Any_MalformedId_IsABadRequest(string method, string target)
    {
        StartApp();

        var reply = await App.RequestAsync(new HttpMethod(method), target);

        await AssertErrorAsync(
            reply, 400, $"{method} /conversations/{{id}}/messages 400", """{"detail":"id must be a UUID, such as 0199c0de-0000-7000-8000-000000000000."}""");
    }

    [TestCase("GET", "")]
    [TestCase("GET", "?user_id=alice")]
    [TestCase("GET", "?limit=5")]
    [TestCase("POST", "?role=user&content=Hello")]
    [TestCase("POST", "?role=user&content=Hello&user_id=alice")]
    public async Task Any_UnknownId_IsNotFound(string method, string query)
    {
        StartApp();

        var reply = await App.RequestAsync(new HttpMethod(method), $"/conversations/{Unknown}/messages{query}");

        await AssertErrorAsync(reply, 404, $"{method} /conversations/{{id}}/messages 404", """{"detail":"Conversation not found"}""");
    }

    [TestCase("""{"content":"x"}""", "role", "must be given: user, assistant or tool")]
    [TestCase("""{"role":null,"content":"x"}""", "role", "must be given: user, assistant or tool")]
    [TestCase("""{"role":"system","content":"x"}""", "role", "must be one of: user, assistant, tool")]
    [TestCase("""{"role":"User","content":"x"}""", "role", "must be one of: user, assistant, tool")]
    [TestCase("""{"role":5,"content":"x"}""", "role", "must be a text")]
    [TestCase("""{"role":"user"}""", "content", "must not be empty; only an assistant or a tool with tool_calls may say nothing")]
    [TestCase("""{"role":"user","content":" \n","tool_calls":{}}""", "content", "must not be empty; only an assistant or a tool with tool_calls may say nothing")]
    [TestCase("""{"role":"assistant","content":"","tool_calls":null}""", "content", "must not be empty; only an assistant or a tool with tool_calls may say nothing")]
    [TestCase("""{"role":"tool","content":""}""", "content", "must not be empty; only an assistant or a tool with tool_calls may say nothing")]
    [TestCase("""{"role":"user","content":["x"]}""", "content", "must be a text")]
    [TestCase("""{"role":"user","content":"a\u0000b"}""", "content", "must not contain the character U+0000")]
    [TestCase("""{"role":"user","content":"x","tool_calls":"[{"}""", "tool_calls", "must be JSON; leave it out when there are none")]
    [TestCase("""{"role":"user","content":"x","tool_calls":""}""", "tool_calls", "must be JSON; leave it out when there are none")]
    [TestCase("""{"role":"user","content":"x","tool_calls":"\ud800"}""", "tool_calls", "must be JSON; leave it out when there are none")]
    public async Task AddMessage_InvalidInTheBody_NamesTheField(string body, string field, string message)
    {
        StartApp();
        var id = await OpenAsync();

        var reply = await App.PostJsonAsync($"/conversations/{id}/messages", body);

        Assert.That(await ReadAsync(id), Is.Empty);
        await AssertErrorAsync(
            reply, 422, "POST /conversations/{id}/messages 422", $$"""{"detail":[{"type":"value_error","loc":["body","{{field}}"],"msg":"{{message}}"}]}""");
    }

    [TestCase("content=x", "role", "must be given: user, assistant or tool")]
    [TestCase("role=system&content=x", "role", "must be one of: user, assistant, tool")]
    [TestCase("role=user&role=tool&content=x", "role", "must be given once")]
    [TestCase("role=user", "content", "must not be empty; only an assistant or a tool with tool_calls may say nothing")]
    [TestCase("role=user&content=", "content", "must not be empty; only an assistant or a tool with tool_calls may say nothing")]
    [TestCase("role=user&content=a&content=b", "content", "must be given once")]
    [TestCase("role=user&content=x&tool_calls=oops", "tool_calls", "must be JSON; leave it out when there are none")]
    [TestCase("role=user&content=x&tool_calls=", "tool_calls", "must be JSON; leave it out when there are none")]
    [TestCase("role=user&content=x&user_id=", "user_id", "must not be empty; leave it out where the conversation's id suffices")]
    public async Task AddMessage_InvalidInTheQuery_NamesTheField(string query, string field, string message)
    {
        StartApp();
        var id = await OpenAsync();

        var reply = await App.RequestAsync(HttpMethod.Post, $"/conversations/{id}/messages?{query}");

        Assert.That(await ReadAsync(id), Is.Empty);
        await AssertErrorAsync(
            reply, 422, "POST /conversations/{id}/messages 422", $$"""{"detail":[{"type":"value_error","loc":["query","{{field}}"],"msg":"{{message}}"}]}""");
    }

    [Test]
    public async Task AddMessage_SeveralProblemsInBothPlaces_AreAllTold()
    {
        StartApp();
        var id = await OpenAsync();

        var reply = await AddAsync(id, new { content = 5 }, "?role=nobody&tool_calls=oops&user_id=");

        Assert.That(reply.Json.GetProperty("detail").Items().Select(d => string.Join('/', d.GetProperty("loc").Items())),
            Is.EquivalentTo(new[] { "body/content", "query/role", "query/tool_calls", "query/user_id" }));
    }

    [Test]
    public async Task AddMessage_ToolCallsTooLong_AreInvalid()
    {
        StartApp();
        var id = await OpenAsync();
        // As many characters as are allowed, but more bytes.
        var calls = $"\"{new string('ä', 40_000)}\"";

        var reply = await AddAsync(id, new { role = "assistant", content = "x", tool_calls = calls });

        await AssertErrorAsync(reply, 422, "POST /conversations/{id}/messages 422",
            """{"detail":[{"type":"value_error","loc":["body","tool_calls"],"msg":"must not be longer than 65536 bytes of JSON"}]}""");
    }

    [TestCase("{", 400, "The body is not well-formed JSON. Check quotes, commas and braces, and that it is UTF-8.")]
    [TestCase("[]", 400, "The body must be one JSON object, such as {\\\"message\\\": \\\"Hello\\\"}.")]
    [TestCase("null", 400, "The body must be one JSON object, such as {\\\"message\\\": \\\"Hello\\\"}.")]
    public async Task AddMessage_BodyIsNoObject_IsABadRequestWhateverTheQuerySays(string body, int status, string detail)
    {
        StartApp();
        var id = await OpenAsync();

        var reply = await App.PostJsonAsync($"/conversations/{id}/messages?role=user&content=Hello", body);

        await AssertErrorAsync(reply, status, $"POST /conversations/{{id}}/messages {status}", $$"""{"detail":"{{detail}}"}""");
    }

    [Test]
    public async Task AddMessage_BodyIsNotJson_IsUnsupported()
    {
        StartApp();
        var id = await OpenAsync();
        using var form = new FormUrlEncodedContent([KeyValuePair.Create("role", "user")]);

        var reply = await App.RequestAsync(HttpMethod.Post, $"/conversations/{id}/messages?role=user&content=Hello", form);

        await AssertErrorAsync(reply, 415, "POST /conversations/{id}/messages 415",
            """{"detail":"Send JSON, and say so in the header Content-Type: application/json."}""");
    }

    [Test]
    public async Task AddMessage_BodyTooLarge_IsRefused()
    {
        StartApp(("Http:MaxBodyBytes", "1024"));
        var id = await OpenAsync();

        var reply = await AddAsync(id, new { role = "user", content = new string('x', 2000) });

        await AssertErrorAsync(reply, 413, "POST /conversations/{id}/messages 413",
            """{"detail":"The body is larger than this server accepts (Http:MaxBodyBytes). Send less at once."}""");
    }

    [TestCase("/conversations/0199c0de-0000-7000-8000-000000000000/messages?limit=0", "limit")]
    [TestCase("/conversations/0199c0de-0000-7000-8000-000000000000/messages?before=x", "before")]
    [TestCase("/users/alice/conversations?limit=101", "limit")]
    [TestCase("/users/alice/conversations?cursor=x", "cursor")]
    public async Task Lists_InvalidQuery_NamesTheField(string target, string field)
    {
        StartApp();

        var reply = await App.GetAsync(target);

        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(422));
            Assert.That(reply.Json.GetProperty("detail")[0].GetProperty("loc").GetRawText(), Is.EqualTo($"[\"query\",\"{field}\"]"));
        });
    }

    [TestCase("%20")]
    [TestCase("LONG")]
    public async Task Conversations_NameNobodyCanHave_IsInvalid(string user)
    {
        StartApp();

        var reply = await App.GetAsync($"/users/{user.Replace("LONG", new string('x', 257), StringComparison.Ordinal)}/conversations");

        await AssertErrorAsync(reply, 422, "GET /users/{user_id}/conversations 422",
            """{"detail":[{"type":"value_error","loc":["path","user_id"],"msg":"must be one text of 1 to 256 characters"}]}""");
    }

    [TestCase("POST", "/conversations?user_id=alice", "POST /conversations 500")]
    [TestCase("POST", "/conversations/0199c0de-0000-7000-8000-000000000000/messages?role=user&content=secret", "POST /conversations/{id}/messages 500")]
    [TestCase("GET", "/conversations/0199c0de-0000-7000-8000-000000000000/messages", "GET /conversations/{id}/messages 500")]
    [TestCase("GET", "/users/alice/conversations", "GET /users/{user_id}/conversations 500")]
    [TestCase("GET", "/users/alice/conversations?limit=5", "GET /users/{user_id}/conversations 500")]
    public async Task Any_DatabaseFails_TellsNothing(string method, string target, string line)
    {
        StartApp(services => services.AddSingleton(CreateBroken()));
        App.Log.Expect("database_unavailable");

        var reply = await App.RequestAsync(new HttpMethod(method), target);

        await AssertErrorAsync(reply, 500, line, """{"detail":"Internal Server Error"}""");
        Assert.That(reply.GetHeader("Retry-After"), Is.EqualTo("5"));
    }

    private static IChatRepository CreateBroken()
    {
        var failure = UnavailableException.ForDatabase(new IOException("The disk is gone."));
        var broken = new Mock<IChatRepository>();
        broken.Setup(c => c.ListAsync(It.IsAny<string>(), It.IsAny<int>(), It.IsAny<ChatCursor?>(), It.IsAny<CancellationToken>())).ThrowsAsync(failure);
        broken.Setup(c => c.FindOwnerAsync(It.IsAny<string>(), It.IsAny<CancellationToken>())).ThrowsAsync(failure);
        return broken.Object;
    }

    private async Task AssertErrorAsync(ApiReply reply, int status, string line, string body)
    {
        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(status));
            Assert.That(reply.ContentType, Is.EqualTo("application/json"));
            Assert.That(reply.Text, Is.EqualTo(body));
            Assert.That(reply.RequestId, Is.Not.Empty);
        });
        await App.Log.WaitForAsync(line);
    }
}
