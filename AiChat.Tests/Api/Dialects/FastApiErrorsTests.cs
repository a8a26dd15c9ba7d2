using AiChat.Tests.Support;

namespace AiChat.Tests.Api.Dialects;

/// <summary>The errors of endpoints that speak like FastAPI: its bodies, our statuses and headers.</summary>
public sealed class FastApiErrorsTests : DialectTestBase
{
    private static readonly string Target = $"/probe/{Guid.CreateVersion7()}";

    [Test]
    public async Task Get_ChatThatIsNotThere_SaysTheDialectsSentence()
    {
        var reply = await App.GetAsync(Target);

        AssertError(reply, 404, """{"detail":"Chat not found"}""");
    }

    [Test]
    public async Task Get_MalformedId_IsABadRequestWithASentence()
    {
        var reply = await App.GetAsync("/probe/x");

        AssertError(reply, 400, """{"detail":"id must be a UUID, such as 0199c0de-0000-7000-8000-000000000000."}""");
    }

    [TestCase("{", "The body is not well-formed JSON. Check quotes, commas and braces, and that it is UTF-8.")]
    [TestCase("[]", "The body must be one JSON object, such as {\"message\": \"Hello\"}.")]
    public async Task Post_MalformedJson_IsABadRequestWithASentence(string body, string detail)
    {
        var reply = await App.PostJsonAsync(Target, body);

        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(400));
            Assert.That(reply.ContentType, Is.EqualTo("application/json"));
            Assert.That(reply.Json.EnumerateObject().Select(f => f.Name), Is.EqualTo(new[] { "detail" }));
            Assert.That(reply.Json.Text("detail"), Is.EqualTo(detail));
        });
    }

    [Test]
    public async Task Post_NotJson_IsUnsupported()
    {
        using var form = new FormUrlEncodedContent([KeyValuePair.Create("chat_title", "A")]);

        var reply = await App.RequestAsync(HttpMethod.Post, Target, form);

        AssertError(reply, 415, """{"detail":"Send JSON, and say so in the header Content-Type: application/json."}""");
    }

    [Test]
    public async Task Post_BodyTooLarge_IsRefused()
    {
        var reply = await App.PostJsonAsync(Target, $$"""{"chat_title":"{{new string('x', 3000)}}"}""");

        AssertError(reply, 413, """{"detail":"The body is larger than this server accepts (Http:MaxBodyBytes). Send less at once."}""");
    }

    [TestCase("""{}""", "first_message", "must be given")]
    [TestCase("""{"first_message":5}""", "first_message", "must be a JSON object")]
    [TestCase("""{"first_message":["a"]}""", "first_message", "must be a JSON object")]
    [TestCase("""{"first_message":{"text":""}}""", "first_message,text", "must not be empty")]
    [TestCase("""{"first_message":{"text":5}}""", "first_message,text", "must be a text")]
    [TestCase("""{"first_message":{"role":1,"text":"Hi"}}""", "first_message,role", "must be a text")]
    [TestCase("""{"first_message":{"role":"nobody","text":"Hi"}}""", "first_message,role", "must be somebody")]
    [TestCase("""{"first_message":{"text":"Hi"},"chat_title":"far too long"}""", "chat_title", "must not be longer than 10 characters")]
    public async Task Post_InvalidField_IsListedWithItsWholePath(string body, string path, string message)
    {
        var reply = await App.PostJsonAsync(Target, body);

        AssertError(reply, 422, $$"""{"detail":[{"type":"value_error","loc":["body","{{path.Replace(",", "\",\"", StringComparison.Ordinal)}}"],"msg":"{{message}}"}]}""");
    }

    [Test]
    public async Task Post_SeveralInvalidFields_AreAllListed()
    {
        var reply = await App.PostJsonAsync(Target + "?limit=0&cursor=x", """{"chat_title":5,"first_message":{"role":1,"text":""},"else":{"text":5}}""");

        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(422));
            Assert.That(reply.Json.GetProperty("detail").Items().Select(d => string.Join('/', d.GetProperty("loc").Items())), Is.EquivalentTo(new[]
            {
                "query/limit", "query/cursor", "body/chat_title", "body/first_message/role", "body/first_message/text",
            }));
        });
    }

    [TestCase("?limit=many", "must be a whole number")]
    [TestCase("?limit=101", "must be from 1 to 100")]
    public async Task Post_InvalidQuery_IsListedAsOne(string query, string message)
    {
        var reply = await App.PostJsonAsync(Target + query, """{"first_message":{"text":"Hi"}}""");

        AssertError(reply, 422, $$"""{"detail":[{"type":"value_error","loc":["query","limit"],"msg":"{{message}}"}]}""");
    }

    [Test]
    public async Task Get_InvalidUser_IsListedAsQuery()
    {
        var reply = await App.GetAsync("/models/?user_id=");

        AssertError(reply, 422, """
            {"detail":[{"type":"value_error","loc":["query","user_id"],"msg":"must be one text of 1 to 256 characters; leave it out for the default user"}]}
            """);
    }

    [TestCase("model", "unknown_model", "body", "model", "must be one of: fast, smart")]
    [TestCase("key", "idempotency_key_reused", "header", "Idempotency-Key", "was used for another request")]
    public async Task Get_RequestTheCoreRefuses_NamesTheProblemAndTheField(string failure, string type, string place, string field, string message)
    {
        var reply = await App.GetAsync($"{Target}?failure={failure}");

        AssertError(reply, 422, $$"""{"detail":[{"type":"{{type}}","loc":["{{place}}","{{field}}"],"msg":"{{message}}"}]}""");
    }

    [Test]
    public async Task Get_DatabaseFailure_TellsNothingAndWhenToComeBack()
    {
        App.Log.Expect("database_unavailable");

        var reply = await App.GetAsync($"{Target}?failure=database");

        AssertError(reply, 500, """{"detail":"Internal Server Error"}""");
        Assert.That(reply.GetHeader("Retry-After"), Is.EqualTo("5"));
    }

    [Test]
    public async Task Get_AnotherFailure_KeepsItsStatusAndSentence()
    {
        App.Log.Expect("shutting_down");

        var reply = await App.GetAsync($"{Target}?failure=shutdown");

        AssertError(reply, 503, """{"detail":"The server is shutting down and takes no new messages. Send again in a few seconds."}""");
        Assert.That(reply.GetHeader("Retry-After"), Is.EqualTo("5"));
    }

    [Test]
    public async Task Get_Defect_TellsNothingOfTheInside()
    {
        App.Log.Expect("because of a defect");

        var reply = await App.GetAsync($"{Target}?failure=defect");

        AssertError(reply, 500, """
            {"detail":"The server failed because of a defect of its own. Try again, and report the trace id if it goes on."}
            """);
    }

    [Test]
    public async Task AnyRouteOfOurs_BesideADialect_AnswersProblems()
    {
        var reply = await App.GetAsync("/chats/0199c0de-0000-7000-8000-000000000000");

        Assert.Multiple(() =>
        {
            Assert.That(reply.ContentType, Is.EqualTo("application/problem+json"));
            Assert.That(reply.Masked, Is.EqualTo("""
                {"type":"urn:aichat:problem:chat_not_found","title":"No such chat","status":404,"detail":"There is no such chat of this user. Check chat_id and user_id, or list the user's chats.","code":"chat_not_found","trace_id":"<trace>"}
                """));
        });
    }

    [TestCase("/probe/0199c0de-0000-7000-8000-000000000000?failure=secret")]
    [TestCase("/probe/x?failure=secret")]
    [TestCase("/models/?user_id=secret")]
    [TestCase("/models/?user_id=secret&limit=secret")]
    public async Task AnyRoute_QueryOfARequest_IsNotLogged(string target)
    {
        var reply = await App.GetAsync(target);

        await App.Log.WaitForAsync(reply.RequestId);
        Assert.That(App.Log.Entries.Select(e => $"{e.Message} {e.Exception}"), Has.None.Contains("secret"));
    }

    [Test]
    public async Task AnyRoute_QueryOfARequestThatFails_IsNotLogged()
    {
        App.Log.Expect("database_unavailable");

        var reply = await App.GetAsync($"{Target}?failure=database&content=secret");

        await App.Log.WaitForAsync("GET /probe/{id} 500");
        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(500));
            Assert.That(App.Log.Entries.Select(e => $"{e.Message} {e.Exception}"), Has.None.Contains("secret"));
        });
    }

    private static void AssertError(ApiReply reply, int status, string body) => Assert.Multiple(() =>
    {
        Assert.That(reply.Status, Is.EqualTo(status));
        Assert.That(reply.ContentType, Is.EqualTo("application/json"));
        Assert.That(reply.Text, Is.EqualTo(body));
        Assert.That(reply.RequestId, Is.Not.Empty);
    });
}
