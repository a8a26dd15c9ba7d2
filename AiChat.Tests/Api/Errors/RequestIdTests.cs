using AiChat.Tests.Support;

namespace AiChat.Tests.Api.Errors;

public sealed class RequestIdTests : ApiTestBase
{
    [SetUp]
    public void Start() => StartOfflineApp();

    [TestCase("GET", "/", 200)]
    [TestCase("GET", "/health", 200)]
    [TestCase("GET", "/docs/index.html", 200)]
    [TestCase("GET", "/swagger/v1/swagger.json", 200)]
    [TestCase("GET", "/nothing", 404)]
    [TestCase("PUT", "/chats", 405)]
    [TestCase("POST", "/chats", 415)]
    [TestCase("GET", "/chats/x", 400)]
    [TestCase("GET", "/chats?limit=0", 422)]
    [TestCase("DELETE", "/chats/0199c0de-0000-7000-8000-000000000000", 404)]
    public async Task AnyRoute_WithoutIdOfTheClient_GetsANewOne(string method, string path, int status)
    {
        var first = await App.RequestAsync(new HttpMethod(method), path);
        var second = await App.RequestAsync(new HttpMethod(method), path);

        Assert.Multiple(() =>
        {
            Assert.That(first.Status, Is.EqualTo(status));
            Assert.That(first.RequestId, Does.Match("^[0-9A-Za-z:]{10,40}$"));
            Assert.That(second.RequestId, Is.Not.EqualTo(first.RequestId));
        });
    }

    [TestCase("my-request-1")]
    [TestCase("0199c0de-0000-7000-8000-000000000000")]
    [TestCase("Root=1-67891233-abcdef012345678912345678")]
    [TestCase("a/b+c=.:_-")]
    public async Task AnyRoute_SaneIdOfTheClient_IsKept(string id)
    {
        var found = await App.RequestAsync(HttpMethod.Get, "/health", null, ("x-request-id", id));
        var problem = await App.RequestAsync(HttpMethod.Get, "/nothing", null, ("X-Request-Id", id));

        Assert.Multiple(() =>
        {
            Assert.That(found.RequestId, Is.EqualTo(id));
            Assert.That(problem.RequestId, Is.EqualTo(id));
            Assert.That(problem.Json.Text("trace_id"), Is.EqualTo(id));
            Assert.That(App.Log.Entries.Select(e => e.Message), Has.Some.EndsWith("request " + id));
        });
    }

    [TestCase("two words")]
    [TestCase("<script>")]
    [TestCase("a\"b")]
    [TestCase("a;b")]
    [TestCase("{Status}")]
    public async Task AnyRoute_BadIdOfTheClient_IsReplaced(string id)
    {
        var reply = await App.RequestAsync(HttpMethod.Get, "/nothing", null, ("x-request-id", id));

        Assert.Multiple(() =>
        {
            Assert.That(reply.RequestId, Is.Not.EqualTo(id).And.Not.Empty);
            Assert.That(reply.Json.Text("trace_id"), Is.EqualTo(reply.RequestId));
        });
    }

    [Test]
    public async Task AnyRoute_LongIdOfTheClient_IsReplaced()
    {
        var kept = await App.RequestAsync(HttpMethod.Get, "/health", null, ("x-request-id", new string('a', 128)));
        var replaced = await App.RequestAsync(HttpMethod.Get, "/health", null, ("x-request-id", new string('a', 129)));

        Assert.Multiple(() =>
        {
            Assert.That(kept.RequestId, Has.Length.EqualTo(128));
            Assert.That(replaced.RequestId, Has.Length.LessThan(128));
        });
    }

    [Test]
    public async Task AnyRoute_SeveralIdsOfTheClient_AreReplaced()
    {
        var reply = await App.RequestAsync(HttpMethod.Get, "/health", null, ("x-request-id", "one"), ("x-request-id", "two"));

        Assert.That(reply.RequestId, Is.Not.EqualTo("one").And.Not.EqualTo("two"));
    }

    [Test]
    public async Task Send_LogLine_NamesTheRunAndTheRouteButNoQuery()
    {
        var sent = await App.PostAsync("/chat", new { message = "Hello" });
        await App.GetAsync($"/chats/{sent.Json.Text("chat_id")}/messages?limit=7");

        Assert.That(App.Log.Entries.Select(e => e.Message),
            Has.Some.Matches($"^POST /chat 200 [0-9.]+ ms, run {sent.Json.Text("run_id")}, request {sent.RequestId}$")
                .And.Some.Matches("^GET /chats/{id}/messages 200 [0-9.]+ ms, request [0-9a-f]+$"));
    }
}
