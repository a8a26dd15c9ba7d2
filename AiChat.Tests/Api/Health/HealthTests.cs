using System.Data.Common;
using System.Text.Json;
using AiChat.Infrastructure.Persistence.Sqlite;
using AiChat.Tests.Support;
using Dapper;
using Microsoft.Extensions.DependencyInjection;

namespace AiChat.Tests.Api.Health;

public sealed class HealthTests : ApiTestBase
{
    private const string Groq20B =
        """{"provider":"groq","model":"openai/gpt-oss-20b","active":true,"state":"closed","since":"<instant>","last_error":null,"time_to_first_token_ms":null,"cure":null}""";

    private const string Groq120B =
        """{"provider":"groq","model":"openai/gpt-oss-120b","active":true,"state":"closed","since":"<instant>","last_error":null,"time_to_first_token_ms":null,"cure":null}""";

    private DbConnection? writer;

    [SetUp]
    public void SetUp() => writer = null;

    [Test]
    public async Task Get_Root_SaysWhatThisIs()
    {
        StartOfflineApp();

        var reply = await App.GetAsync("/");

        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(200));
            Assert.That(reply.Json.EnumerateObject().Select(p => p.Name), Is.EqualTo(new[] { "message", "version", "docs" }));
            Assert.That(reply.Json.Text("message"), Is.EqualTo("AiChat is running."));
            Assert.That(reply.Json.Text("version"), Does.Match("^[0-9]+\\.[0-9]+\\.[0-9]+$"));
            Assert.That(reply.Json.Text("docs"), Is.EqualTo("/docs"));
        });
    }

    [TestCase("/health")]
    [TestCase("/health/live")]
    public async Task Get_Health_IsHealthy(string path)
    {
        StartOfflineApp();

        var reply = await App.GetAsync(path);

        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(200));
            Assert.That(reply.Text, Is.EqualTo("""{"status":"healthy"}"""));
        });
    }

    [Test]
    public async Task Get_ReadyWithKey_NamesWhatAnswers()
    {
        StartApp();

        var reply = await App.GetAsync("/health/ready");

        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(200));
            Assert.That(reply.Masked, Is.EqualTo(
                $$"""{"status":"healthy","database":"ok","models":[{"name":"fast","provider":"groq","model":"openai/gpt-oss-20b","last_error":null,"candidates":[{{Groq20B}},{{WithoutKey("openai", "gpt-4.1-mini")}},{{WithoutKey("anthropic", "claude-haiku-4-5")}}]},{"name":"smart","provider":"groq","model":"openai/gpt-oss-120b","last_error":null,"candidates":[{{Groq120B}},{{WithoutKey("openai", "gpt-4.1")}},{{WithoutKey("anthropic", "claude-sonnet-4-5")}}]}]}"""));
        });
    }

    [Test]
    public async Task Get_ReadyWithoutKey_NamesTheOfflineBackend()
    {
        StartOfflineApp();

        var reply = await App.GetAsync("/health/ready");

        var fast = reply.Json.GetProperty("models")[0];
        Assert.Multiple(() =>
        {
            Assert.That(reply.Json.Text("status"), Is.EqualTo("healthy"));
            Assert.That((fast.Text("name"), fast.Text("provider"), fast.Text("model")), Is.EqualTo(("fast", "offline", "offline")));
            Assert.That(fast.GetProperty("candidates").Texts("provider"), Is.EqualTo(new[] { "groq", "openai", "anthropic", "offline" }));
            Assert.That(fast.GetProperty("candidates").Texts("state"), Is.EqualTo(new[] { "no_key", "no_key", "no_key", "closed" }));
            Assert.That(fast.GetProperty("candidates").Texts("cure"), Is.EqualTo(new[] { "Set GROQ_API_KEY.", "Set OPENAI_API_KEY.", "Set ANTHROPIC_API_KEY.", null }));
        });
    }

    [Test]
    public async Task Get_ReadyAfterAModelFailed_IsDegradedButReady()
    {
        StartApp();
        App.Log.Expect("Unauthorized");
        Llm.Enqueue(LlmReplies.Status(401));
        await App.PostAsync("/chat", new { message = "Hello" });

        var reply = await App.GetAsync("/health/ready");

        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(200));
            Assert.That(reply.Json.Text("status"), Is.EqualTo("degraded"));
            Assert.That(reply.Json.Text("database"), Is.EqualTo("ok"));
            Assert.That(reply.Json.GetProperty("models").Texts("last_error"), Is.EqualTo(new[] { "provider_unauthorized", null }));
            Assert.That(GetFirstCandidate(reply).Text("last_error"), Is.EqualTo("provider_unauthorized"));
            Assert.That(GetFirstCandidate(reply).Text("cure"), Is.EqualTo("groq refuses the key in GROQ_API_KEY: correct it."));
        });
    }

    [Test]
    public async Task Get_ReadyAfterAProviderDidNotKnowTheModel_SaysWhereToNameAnother()
    {
        StartApp();
        App.Log.Expect("404");
        Llm.Enqueue(LlmReplies.Status(404));
        await App.PostAsync("/chat", new { message = "Hello" });

        var reply = await App.GetAsync("/health/ready");

        Assert.That(reply.Json.Text("status"), Is.EqualTo("degraded"));
        Assert.That(GetFirstCandidate(reply).Text("cure"), Is.EqualTo("groq does not have openai/gpt-oss-20b: name another model in Models:fast:Candidates."));
    }

    [Test]
    public async Task Get_ReadyAfterAModelRecovered_IsHealthyAgain()
    {
        StartApp();
        App.Log.Expect("Unavailable");
        Llm.Enqueue(LlmReplies.Status(500));
        await App.PostAsync("/chat", new { message = "Hello" });
        await App.PostAsync("/chat", new { message = "Hello again" });

        var reply = await App.GetAsync("/health/ready");

        Assert.That(reply.Json.Text("status"), Is.EqualTo("healthy"));
        Assert.That((GetFirstCandidate(reply).Text("last_error"), GetFirstCandidate(reply).Text("cure")), Is.EqualTo((default(string), default(string))));
    }

    [Test]
    public async Task Get_ReadyAfterARefusedRequest_IsStillHealthy()
    {
        StartApp();
        App.Log.Expect("Rejected");
        Llm.Enqueue(LlmReplies.Status(400));
        await App.PostAsync("/chat", new { message = "Hello" });

        var reply = await App.GetAsync("/health/ready");

        Assert.That(reply.Json.Text("status"), Is.EqualTo("healthy"));
    }

    [Test]
    [OwnDatabase]
    public async Task Get_ReadyWhileTheDatabaseTakesNoWrites_IsUnready()
    {
        StartApp();
        App.Log.Expect("A request was refused: database_unavailable");
        await SetReadOnlyAsync(true);
        await App.PostAsync("/chat", new { message = "Hello" });

        var reply = await App.GetAsync("/health/ready");

        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(503));
            Assert.That(reply.Json.Text("status"), Is.EqualTo("unhealthy"));
            Assert.That(reply.Json.Text("database"), Is.EqualTo("the database takes no writes; its disk may be full or failing"));
            Assert.That(reply.Json.GetProperty("models").Texts("provider"), Is.EqualTo(new[] { "groq", "groq" }));
        });
    }

    [Test]
    [OwnDatabase]
    public async Task Get_HealthWhileTheDatabaseTakesNoWrites_IsHealthy()
    {
        StartApp();
        App.Log.Expect("A request was refused: database_unavailable");
        await SetReadOnlyAsync(true);
        await App.PostAsync("/chat", new { message = "Hello" });

        var replies = new[] { await App.GetAsync("/health"), await App.GetAsync("/health/live") };

        Assert.That(replies.Select(r => r.Status), Has.All.EqualTo(200));
    }

    [Test]
    [OwnDatabase]
    public async Task Get_ReadyAfterTheDatabaseTakesWritesAgain_IsHealthyWithoutTraffic()
    {
        StartApp();
        App.Log.Expect("A request was refused: database_unavailable");
        await SetReadOnlyAsync(true);
        await App.PostAsync("/chat", new { message = "Hello" });
        await SetReadOnlyAsync(false);

        var reply = await App.GetAsync("/health/ready");

        Assert.That((reply.Json.Text("status"), reply.Json.Text("database")), Is.EqualTo(("healthy", "ok")));
    }

    private static JsonElement GetFirstCandidate(ApiReply reply) => reply.Json.GetProperty("models")[0].GetProperty("candidates")[0];

    private static string WithoutKey(string provider, string model) =>
        $$"""{"provider":"{{provider}}","model":"{{model}}","active":false,"state":"no_key","since":"<instant>","last_error":null,"time_to_first_token_ms":null,"cure":"Set {{provider.ToUpperInvariant()}}_API_KEY."}""";

    /// <summary>Makes the connection that writes refuse to, while nothing is written. SQLite says the same of a disk mounted read-only.</summary>
    private async Task SetReadOnlyAsync(bool isReadOnly)
    {
        writer ??= await App.Services.GetRequiredService<SqliteDatabase>().WriteAsync(Task.FromResult);
        await writer.ExecuteAsync($"pragma query_only = {isReadOnly}");
    }
}
