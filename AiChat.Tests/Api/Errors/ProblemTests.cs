using System.Text.Json;
using System.Net.Http.Headers;
using System.Text;
using AiChat.Core.Chats;
using AiChat.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using Moq;

namespace AiChat.Tests.Api.Errors;

/// <summary>Whatever is wrong with a request: a problem body that says it, and nothing of the inside.</summary>
public sealed class ProblemTests : ApiTestBase
{
    [TestCase("{", TestName = "Post_MalformedJson_IsABadRequest(unclosed)")]
    [TestCase("{\"message\":\"Hi\"", TestName = "Post_MalformedJson_IsABadRequest(cut)")]
    [TestCase("{'message':'Hi'}", TestName = "Post_MalformedJson_IsABadRequest(single quotes)")]
    [TestCase("{\"message\":\"Hi\",}", TestName = "Post_MalformedJson_IsABadRequest(trailing comma)")]
    [TestCase("{\"message\":\"Hi\"} {}", TestName = "Post_MalformedJson_IsABadRequest(two values)")]
    [TestCase("{\"message\":\"Hi\"}x", TestName = "Post_MalformedJson_IsABadRequest(rubbish behind)")]
    [TestCase("{\"message\":\"H\ni\"}", TestName = "Post_MalformedJson_IsABadRequest(raw line break)")]
    [TestCase("message=Hi", TestName = "Post_MalformedJson_IsABadRequest(form)")]
    [TestCase("", TestName = "Post_MalformedJson_IsABadRequest(empty)")]
    [TestCase("   ", TestName = "Post_MalformedJson_IsABadRequest(blank)")]
    [TestCase("null", TestName = "Post_MalformedJson_IsABadRequest(null)")]
    [TestCase("[]", TestName = "Post_MalformedJson_IsABadRequest(array)")]
    [TestCase("\"Hi\"", TestName = "Post_MalformedJson_IsABadRequest(text)")]
    [TestCase("1", TestName = "Post_MalformedJson_IsABadRequest(number)")]
    public async Task Post_MalformedJson_IsABadRequest(string body)
    {
        StartOfflineApp();

        AssertProblem(await App.PostJsonAsync("/chat", body), 400, "malformed_json");
        AssertProblem(await App.PostJsonAsync("/chats", body), 400, "malformed_json");
        AssertProblem(await App.PatchJsonAsync($"/chats/{Guid.CreateVersion7()}", body), 400, "malformed_json");
    }

    [Test]
    public async Task Post_NoBodyAtAll_IsABadRequest()
    {
        StartOfflineApp();

        AssertProblem(await App.RequestAsync(HttpMethod.Post, "/chat", WithType([], "application/json")), 400, "malformed_json");
    }

    [Test]
    public async Task Post_WrongTypes_AreAllNamedAtOnce()
    {
        StartOfflineApp();

        var reply = await App.PostJsonAsync("/chat", """
            {"chat_id":1,"user_id":{},"message":["Hi"],"model":true,"temperature":"warm","max_tokens":1.5}
            """);

        AssertProblem(reply, 422, "validation_failed");
        // The order of the fields in the answer means nothing.
        Assert.That(JsonElement.DeepEquals(reply.Json.GetProperty("errors"), JsonElement.Parse("""
            {"chat_id":["must be a text"],"user_id":["must be a text"],"message":["must be a text"],"model":["must be a text"],"temperature":["must be a number"],"max_tokens":["must be a whole number"]}
            """)), Is.True, reply.Json.GetProperty("errors").GetRawText());
    }

    [Test]
    public async Task Patch_WrongPathQueryTypesAndRules_AreAllNamedAtOnce()
    {
        StartOfflineApp();

        var reply = await App.PatchJsonAsync("/chats/x?user_id=", """{"title":5,"model":"nobody","metadata":[]}""");

        Assert.That(reply.Status, Is.EqualTo(400));
        Assert.That(reply.Json.GetProperty("code").GetString(), Is.EqualTo("invalid_id"));
        Assert.That(reply.Json.GetProperty("errors").EnumerateObject().Select(e => e.Name),
            Is.EquivalentTo(new[] { "id", "user_id", "title", "model", "metadata" }));
    }

    [TestCase("""{"message":"Hi","max_tokens":99999999999}""", "max_tokens")]
    [TestCase("""{"message":"Hi","max_tokens":"many"}""", "max_tokens")]
    [TestCase("""{"message":"Hi","temperature":1e999}""", "temperature")]
    [TestCase("""{"message":"\ud800"}""", "message")]
    [TestCase("""{"message":"a\udc00b"}""", "message")]
    [TestCase("""{"message":"a\u0000b"}""", "message")]
    [TestCase("""{"message":"Hi","user_id":"\ud83d"}""", "user_id")]
    [TestCase("""{"message":"Hi","user_id":"a\u0000"}""", "user_id")]
    public async Task Post_ValueThatCannotBeKept_IsRefusedNamingTheField(string body, string field)
    {
        StartOfflineApp();

        var reply = await App.PostJsonAsync("/chat", body);

        AssertProblem(reply, 422, "validation_failed");
        Assert.That(reply.ErrorFields, Is.EqualTo(new[] { field }));
    }

    [Test]
    public async Task Post_ValidationProblem_HasTheWholeShape()
    {
        StartOfflineApp();

        var reply = await App.PostJsonAsync("/chat", """{"message":"","temperature":3}""");

        Assert.That(reply.Masked, Is.EqualTo("""
            {"type":"urn:aichat:problem:validation_failed","title":"The request is not valid","status":422,"detail":"message must not be empty. temperature must be from 0 to 2.","code":"validation_failed","errors":{"message":["must not be empty"],"temperature":["must be from 0 to 2"]},"trace_id":"<trace>"}
            """));
    }

    [TestCase("""{"\ud800":1,"title":"T"}""")]
    [TestCase("""{"\ud800":1,"title":1}""")]
    public async Task Post_FieldNameThatIsNoText_IsABadRequest(string body)
    {
        StartOfflineApp();

        AssertProblem(await App.PostJsonAsync("/chats", body), 400, "malformed_json");
    }

    [TestCase("""{"Title":1}""")]
    [TestCase("""{"TITLE":"loud","user-id":5}""")]
    public async Task Post_FieldInAnotherCase_IsUnknownAndIgnored(string body)
    {
        StartOfflineApp();

        var reply = await App.PostJsonAsync("/chats", body);

        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(201));
            Assert.That(reply.Json.IsNull("title"), Is.True);
        });
    }

    [TestCase("""{"message":"Hi","max_tokens":"12"}""")]
    [TestCase("""{"message":"Hi","temperature":"0.5"}""")]
    public async Task Post_NumberAsText_IsAccepted(string body)
    {
        StartOfflineApp();

        var reply = await App.PostJsonAsync("/chat", body);

        Assert.That(reply.Status, Is.EqualTo(200));
    }

    [TestCase("""{"metadata":{"a":"\ud800"}}""")]
    [TestCase("""{"metadata":{"a":"b\u0000c"}}""")]
    [TestCase("""{"metadata":{"\udfff":[1.0e2,"\u00e4"]}}""")]
    public async Task Post_EscapesInMetadata_ComeBackAsTheyWere(string body)
    {
        StartOfflineApp();

        var reply = await App.PostJsonAsync("/chats", body);

        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(201));
            Assert.That("{\"metadata\":" + reply.Json.GetProperty("metadata").GetRawText() + "}", Is.EqualTo(body));
        });
    }

    [TestCase("{\"title\":\"?\"}")]
    [TestCase("{\"metadata\":{\"a\":\"?\"}}")]
    [TestCase("{\"metadata\":{\"?\":1}}")]
    [TestCase("{\"?\":1}")]
    [TestCase("{\"title\":1,\"?\":1}")]
    public async Task Post_BytesThatAreNoUtf8_AreABadRequest(string pattern)
    {
        StartOfflineApp();
        var body = Encoding.UTF8.GetBytes(pattern).Select(b => b == (byte)'?' ? (byte)0xFF : b).ToArray();

        AssertProblem(await App.RequestAsync(HttpMethod.Post, "/chats", WithType(body, "application/json")), 400, "malformed_json");
    }

    [TestCase("{\"message\":\"Hi\",\"extra\":", "[", "]")]
    [TestCase("{\"message\":", "{\"a\":", "}")]
    [TestCase("", "[", "]")]
    public async Task Post_BottomlessNesting_IsABadRequest(string start, string open, string close)
    {
        StartOfflineApp();
        var depth = 100_000;
        var body = start + string.Concat(Enumerable.Repeat(open, depth)) + "1" + string.Concat(Enumerable.Repeat(close, depth)) + "}";

        AssertProblem(await App.PostJsonAsync("/chat", body), 400, "malformed_json");
    }

    [TestCase("not-a-uuid")]
    [TestCase("1")]
    [TestCase("0199c0de-0000-7000-8000-00000000000g")]
    [TestCase("'%20or%201=1--")]
    public async Task AnyChatRoute_MalformedId_IsABadRequest(string id)
    {
        StartOfflineApp();

        ApiReply[] replies =
        [
            await App.GetAsync($"/chats/{id}"),
            await App.GetAsync($"/chats/{id}/messages"),
            await App.PatchJsonAsync($"/chats/{id}", "{}"),
            await App.DeleteAsync($"/chats/{id}"),
        ];

        Assert.Multiple(() =>
        {
            Assert.That(replies.Select(r => r.Status), Is.All.EqualTo(400));
            Assert.That(replies.Select(r => r.Code), Is.All.EqualTo("invalid_id"));
            Assert.That(replies.Select(r => r.ErrorFields), Is.All.EqualTo(new[] { "id" }));
        });
    }

    [TestCase("/nothing")]
    [TestCase("/chats/0199c0de-0000-7000-8000-000000000000/nothing")]
    [TestCase("/favicon.ico")]
    [TestCase("/../../etc/passwd")]
    [TestCase("/chats%2F0199c0de-0000-7000-8000-000000000000")]
    public async Task AnyMethod_UnknownRoute_IsNotFound(string path)
    {
        StartOfflineApp();

        AssertProblem(await App.GetAsync(path), 404, "route_not_found");
        AssertProblem(await App.DeleteAsync(path), 404, "route_not_found");
        AssertProblem(await App.PostJsonAsync(path, "{"), 404, "route_not_found");
    }

    [TestCase("PUT", "/chats", "GET, POST")]
    [TestCase("DELETE", "/chats", "GET, POST")]
    [TestCase("GET", "/chat", "POST")]
    [TestCase("POST", "/health", "GET")]
    [TestCase("POST", "/chats/0199c0de-0000-7000-8000-000000000000", "DELETE, GET, PATCH")]
    [TestCase("DELETE", "/chats/0199c0de-0000-7000-8000-000000000000/messages", "GET")]
    public async Task AnyRoute_WrongMethod_NamesTheRightOnes(string method, string path, string allowed)
    {
        StartOfflineApp();

        var reply = await App.RequestAsync(new HttpMethod(method), path);

        AssertProblem(reply, 405, "method_not_allowed");
        Assert.That(reply.ContentHeaders.Allow.Order(StringComparer.Ordinal), Is.EqualTo(allowed.Split(", ")));
    }

    [TestCase("text/plain")]
    [TestCase("application/x-www-form-urlencoded")]
    [TestCase("application/xml")]
    [TestCase(null)]
    public async Task Post_AnotherContentType_IsUnsupported(string? type)
    {
        StartOfflineApp();

        var reply = await App.RequestAsync(HttpMethod.Post, "/chat", WithType("{\"message\":\"Hi\"}"u8.ToArray(), type));

        AssertProblem(reply, 415, "unsupported_media_type");
    }

    [TestCase("application/json; charset=utf-8")]
    [TestCase("application/json;charset=\"UTF-8\"")]
    [TestCase("APPLICATION/JSON")]
    [TestCase("application/merge-patch+json")]
    public async Task Post_AnyKindOfJson_IsAccepted(string type)
    {
        StartOfflineApp();

        var reply = await App.RequestAsync(HttpMethod.Post, "/chats", WithType("{\"title\":\"Hi\"}"u8.ToArray(), type));

        Assert.That(reply.Status, Is.EqualTo(201));
    }

    [TestCase("text/html")]
    [TestCase("application/xml")]
    [TestCase("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")]
    public async Task Get_AnotherAccept_GetsJsonAllTheSame(string accept)
    {
        StartOfflineApp();

        var found = await App.RequestAsync(HttpMethod.Get, "/chats", null, ("Accept", accept));
        var problem = await App.RequestAsync(HttpMethod.Get, "/nothing", null, ("Accept", accept));

        Assert.Multiple(() =>
        {
            Assert.That(found.Status, Is.EqualTo(200));
            Assert.That(found.ContentType, Is.EqualTo("application/json"));
            Assert.That(problem.ContentType, Is.EqualTo("application/problem+json"));
        });
    }

    [TestCase(false)]
    [TestCase(true)]
    public async Task Post_BodyLargerThanAllowed_IsRefused(bool isChunked)
    {
        StartOfflineApp(("Http:MaxBodyBytes", "2048"));
        using var body = new StringContent($$"""{"message":"{{new string('x', 3000)}}"}""", Encoding.UTF8, "application/json");
        using var request = new HttpRequestMessage(HttpMethod.Post, "/chat") { Content = body };
        request.Headers.TransferEncodingChunked = isChunked;

        using var response = await App.Client.SendAsync(request);

        AssertProblem(await ApiReply.ReadAsync(response), 413, "body_too_large");
    }

    [Test]
    public async Task AnyRoute_DefectOfTheServer_TellsNothingOfTheInside()
    {
        var broken = new Mock<IChatRepository>();
        broken.Setup(c => c.ListAsync("alice", 50, null, It.IsAny<CancellationToken>())).ThrowsAsync(new InvalidOperationException("select secret from chats"));
        StartApp(services => services.AddSingleton(broken.Object));
        App.Log.Expect("because of a defect");

        var reply = await App.GetAsync("/chats?user_id=alice");

        AssertProblem(reply, 500, "internal_error");
        Assert.Multiple(() =>
        {
            Assert.That(reply.Text, Does.Not.Contain("secret").And.Not.Contain("InvalidOperation").And.Not.Contain("   at "));
            Assert.That(App.Log.Entries, Has.Some.Matches<LogEntry>(e => e.Message.Contains(reply.RequestId, StringComparison.Ordinal) && e.Exception is InvalidOperationException));
        });
    }

    private static ByteArrayContent WithType(byte[] body, string? type)
    {
        var content = new ByteArrayContent(body);
        content.Headers.ContentType = type is null ? null : MediaTypeHeaderValue.Parse(type);
        return content;
    }

    private static void AssertProblem(ApiReply reply, int status, string code) => Assert.Multiple(() =>
    {
        Assert.That(reply.Status, Is.EqualTo(status));
        Assert.That(reply.ContentType, Is.EqualTo("application/problem+json"));
        Assert.That(reply.Json.Text("type"), Is.EqualTo("urn:aichat:problem:" + code));
        Assert.That(reply.Json.Text("title"), Is.Not.Empty);
        Assert.That(reply.Json.Number("status"), Is.EqualTo(status));
        Assert.That(reply.Json.Text("detail"), Is.Not.Empty);
        Assert.That(reply.Code, Is.EqualTo(code));
        Assert.That(reply.Json.Text("trace_id"), Is.EqualTo(reply.RequestId));
    });
}
