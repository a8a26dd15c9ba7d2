using AiChat.Tests.Support;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace AiChat.Tests.Api.Telemetry;

/// <summary>What leaves the real application for a collector on loopback.</summary>
public sealed class OtlpExportTests : ApiTestBase
{
    private const string Message = "Where is the treasure hidden?";

    /// <summary>The standard's own names: everything is sent soon.</summary>
    private static readonly (string, string)[] Soon = [("OTEL_METRIC_EXPORT_INTERVAL", "100"), ("OTEL_BSP_SCHEDULE_DELAY", "50")];

    private OtlpCollector collector = null!;

    [SetUp]
    public async Task StartCollector() => collector = await OtlpCollector.StartAsync();

    [TearDown]
    public async Task StopCollector() => await collector.DisposeAsync();

    [Test]
    public async Task Send_WithEndpoint_ExportsTheSpanWithoutContents()
    {
        StartApp([.. Soon, ("Telemetry:OtlpEndpoint", collector.Url)]);

        await App.PostAsync("/chat", new { message = Message });

        var post = await collector.WaitForAsync("/v1/traces", "chat openai/gpt-oss-20b");
        Assert.Multiple(() =>
        {
            Assert.That(post.ContentType, Is.EqualTo("application/x-protobuf"));
            Assert.That(post.Text, Does.Contain("aichat").And.Contain("service.version").And.Contain("gen_ai.usage.output_tokens"));
            Assert.That(post.Text, Does.Not.Contain("treasure").And.Not.Contain(AiChatApplication.GroqKey));
        });
    }

    [Test]
    public async Task Send_WithEndpoint_ExportsTheMetrics()
    {
        StartApp([.. Soon, ("Telemetry:OtlpEndpoint", collector.Url + "/")]);

        await App.PostAsync("/chat", new { message = Message });

        var post = await collector.WaitForAsync("/v1/metrics", "gen_ai.client.token.usage");
        Assert.That(post.Text, Does.Contain("gen_ai.client.operation.duration").And.Contain("gen_ai.client.operation.time_to_first_chunk")
            .And.Contain("aichat.runs.active").And.Contain("openai/gpt-oss-20b").And.Not.Contain("treasure"));
        await collector.WaitForAsync("/v1/metrics", "http.server.request.duration");
    }

    [Test]
    public async Task Send_ContentsIncluded_ExportsTheMessageAndTheReply()
    {
        StartApp([.. Soon, ("Telemetry:OtlpEndpoint", collector.Url), ("Telemetry:IncludeContents", "true")]);

        await App.PostAsync("/chat", new { message = Message });

        var post = await collector.WaitForAsync("/v1/traces", "gen_ai.output.messages");
        Assert.That(post.Text, Does.Contain($"\"content\":\"{Message}\"").And.Contain($"\"content\":\"echo: {Message}\""));
    }

    [Test]
    public async Task Send_StandardNames_AreRead()
    {
        StartApp([.. Soon, ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.Url), ("OTEL_EXPORTER_OTLP_HEADERS", "x-team=chat"), ("OTEL_SERVICE_NAME", "chat-of-ours")]);

        await App.PostAsync("/chat", new { message = Message });

        var post = await collector.WaitForAsync("/v1/traces", "chat openai/gpt-oss-20b");
        Assert.That((post.Team, post.Text.Contains("chat-of-ours", StringComparison.Ordinal)), Is.EqualTo(("chat", true)));
    }

    [Test]
    public async Task Send_OverGrpc_Exports()
    {
        await using var grpc = await OtlpCollector.StartAsync(HttpProtocols.Http2);
        StartApp([.. Soon, ("OTEL_EXPORTER_OTLP_ENDPOINT", grpc.Url), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]);

        await App.PostAsync("/chat", new { message = Message });

        await grpc.WaitForAsync("/opentelemetry.proto.collector.trace.v1.TraceService/Export", "chat openai/gpt-oss-20b");
        await grpc.WaitForAsync("/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", "gen_ai.client.token.usage");
    }

    [Test]
    public async Task Request_Query_IsNotExported()
    {
        StartApp([.. Soon, ("Telemetry:OtlpEndpoint", collector.Url)]);

        await App.GetAsync("/chats?user_id=ali-baba");

        var post = await collector.WaitForAsync("/v1/traces", "/chats");
        Assert.That(post.Text, Does.Not.Contain("ali-baba"));
    }

    [Test]
    public async Task Stop_WithEndpoint_SendsWhatIsLeft()
    {
        await using (var app = AiChatApplication.Start(
            [("GROQ_API_KEY", AiChatApplication.GroqKey), ("Providers:groq:BaseUrl", Llm.BaseUrl), ("Telemetry:OtlpEndpoint", collector.Url)]))
        {
            await app.PostAsync("/chat", new { message = Message });
        }

        Assert.Multiple(() =>
        {
            Assert.That(collector.Posts.Where(p => p.Path == "/v1/traces").Select(p => p.Text), Has.Some.Contains("chat openai/gpt-oss-20b"));
            Assert.That(collector.Posts.Where(p => p.Path == "/v1/metrics").Select(p => p.Text), Has.Some.Contains("gen_ai.client.token.usage"));
        });
    }

    [Test]
    public async Task Send_CollectorIsGone_IsAnswered()
    {
        StartApp([.. Soon, ("Telemetry:OtlpEndpoint", $"http://127.0.0.1:{FreePort.Find()}")]);

        var reply = await App.PostAsync("/chat", new { message = Message });

        Assert.That(reply.Json.Text("reply"), Is.EqualTo($"echo: {Message}"));
    }
}
