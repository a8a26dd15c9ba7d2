using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Runtime.CompilerServices;
using AiChat.Core.Models;
using AiChat.Tests.Support;
using Microsoft.Extensions.AI;

namespace AiChat.Tests.Core.Models;

[NonParallelizable]
public sealed class TelemetryChatClientTests
{
    private const string Provider = "test-provider";

    private readonly FakeTime time = new();
    private readonly List<Measurement> measurements = [];
    private readonly List<Activity> spans = [];
    private MeterListener meters = null!;
    private ActivityListener activities = null!;

    [SetUp]
    public void SetUp()
    {
        measurements.Clear();
        spans.Clear();
        meters = new MeterListener
        {
            InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Name == ChatTelemetry.Name)
                    listener.EnableMeasurementEvents(instrument);
            },
        };
        meters.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Keep(instrument, value, tags));
        meters.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Keep(instrument, value, tags));
        meters.Start();
        activities = new ActivityListener
        {
            ShouldListenTo = source => source.Name == ChatTelemetry.Name,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = spans.Add,
        };
        ActivitySource.AddActivityListener(activities);
    }

    [TearDown]
    public void TearDown()
    {
        meters.Dispose();
        activities.Dispose();
    }

    [Test]
    public async Task Stream_Whole_IsASpanWithTheConventionsAttributes()
    {
        await ReadAsync(NewClient(Answer), new ChatOptions { Temperature = 0.5f, MaxOutputTokens = 300 });

        var span = spans.Single();
        Assert.Multiple(() =>
        {
            Assert.That((span.DisplayName, span.Kind, span.Status), Is.EqualTo(("chat gpt", ActivityKind.Client, ActivityStatusCode.Unset)));
            Assert.That(Describe(span.TagObjects), Is.EquivalentTo(new[]
            {
                "gen_ai.operation.name=chat",
                "gen_ai.provider.name=test-provider",
                "gen_ai.request.model=gpt",
                "gen_ai.request.stream=True",
                "gen_ai.request.temperature=0.5",
                "gen_ai.request.max_tokens=300",
                "server.address=models.example",
                "server.port=8443",
                "gen_ai.response.id=answer-1",
                "gen_ai.response.model=gpt-2026",
                "gen_ai.response.time_to_first_chunk=2",
                "gen_ai.response.finish_reasons=[stop]",
                "gen_ai.usage.input_tokens=11",
                "gen_ai.usage.output_tokens=7",
                "gen_ai.usage.cache_read.input_tokens=5",
                "gen_ai.usage.reasoning.output_tokens=3",
            }));
        });
    }

    [Test]
    public async Task Stream_Whole_IsMeasuredWithTheConventionsAttributes()
    {
        await ReadAsync(NewClient(Answer));

        const string common = "gen_ai.operation.name=chat gen_ai.provider.name=test-provider gen_ai.request.model=gpt "
            + "server.address=models.example server.port=8443 gen_ai.response.model=gpt-2026";
        Assert.That(measurements, Is.EqualTo(new[]
        {
            new Measurement("gen_ai.client.operation.time_to_first_chunk", "s", 2, common),
            new Measurement("gen_ai.client.token.usage", "{token}", 11, common + " gen_ai.token.type=input"),
            new Measurement("gen_ai.client.token.usage", "{token}", 7, common + " gen_ai.token.type=output"),
            new Measurement("gen_ai.client.operation.duration", "s", 5, common),
        }));
    }

    [Test]
    public async Task Stream_Whole_IsHandedOnUnchanged()
    {
        var updates = await ReadAsync(NewClient(Answer));

        Assert.That(updates.Select(u => u.Text), Is.EqualTo(new[] { "Open ", "sesame.", "" }));
    }

    [Test]
    public async Task Stream_Contents_AreLeftOutUnlessTheyAreAskedFor()
    {
        await ReadAsync(NewClient(Answer));
        await ReadAsync(NewClient(Answer, includeContents: true));

        Assert.Multiple(() =>
        {
            Assert.That(string.Join(' ', Describe(spans[0].TagObjects)), Does.Not.Contain("cave").And.Not.Contain("sesame"));
            Assert.That(spans[1].GetTagItem("gen_ai.input.messages"), Is.EqualTo(
                """[{"role":"system","parts":[{"type":"text","content":"Be brief."}]},{"role":"user","parts":[{"type":"text","content":"Say \"open\" to the cave"}]}]"""));
            Assert.That(spans[1].GetTagItem("gen_ai.output.messages"), Is.EqualTo(
                """[{"role":"assistant","parts":[{"type":"text","content":"Open sesame."}],"finish_reason":"stop"}]"""));
        });
    }

    [Test]
    public async Task Stream_ContentsWithCallsAndResults_AreTheConventionsParts()
    {
        await NewClient(Answer, includeContents: true).GetStreamingResponseAsync(ToolPrompts.TwoCalls()).ToListAsync();

        Assert.That(spans.Single().GetTagItem("gen_ai.input.messages"), Is.EqualTo(
            """[{"role":"system","parts":[{"type":"text","content":"Be brief."}]},{"role":"user","parts":[{"type":"text","content":"Rome or Bern?"}]},"""
            + """{"role":"assistant","parts":[{"type":"text","content":"I look it up."},"""
            + """{"type":"tool_call","id":"call_1","name":"get_weather","arguments":{"city":"Rome","days":[1,2.50]}},"""
            + """{"type":"tool_call","id":"call_2","name":"get_weather","arguments":{}}]},"""
            + """{"role":"tool","parts":[{"type":"tool_call_response","id":"call_1","response":"{\"sun\":true}"},"""
            + """{"type":"tool_call_response","id":"call_2","response":""}]},"""
            + """{"role":"system","parts":[{"type":"text","content":"Be kind."}]},{"role":"user","parts":[{"type":"text","content":"So?"}]}]"""));
    }

    [Test]
    public void Stream_ProviderFails_IsAnErrorNamedByItsCode()
    {
        var client = NewClient(_ => Fail(new ProviderException(Provider, ProviderError.RateLimited, "Vendor text about the cave")));

        Assert.That(async () => await ReadAsync(client), Throws.InstanceOf<ProviderException>());

        var span = spans.Single();
        Assert.Multiple(() =>
        {
            Assert.That((span.Status, span.GetTagItem("error.type")), Is.EqualTo((ActivityStatusCode.Error, "provider_rate_limited")));
            Assert.That(span.StatusDescription, Is.Null);
            Assert.That(measurements.Select(m => m.Name), Is.EqualTo(new[] { "gen_ai.client.operation.duration" }));
            Assert.That(measurements[0].Tags, Does.EndWith("error.type=provider_rate_limited"));
        });
    }

    [Test]
    public void Stream_Defect_IsAnErrorNamedByItsException()
    {
        Assert.That(async () => await ReadAsync(NewClient(_ => Fail(new InvalidOperationException("A defect")))), Throws.InvalidOperationException);

        Assert.That((spans[0].Status, spans[0].GetTagItem("error.type")), Is.EqualTo((ActivityStatusCode.Error, "System.InvalidOperationException")));
    }

    [Test]
    public void Stream_Cancelled_IsNoErrorOfTheModel()
    {
        using var cancellation = new CancellationTokenSource();
        cancellation.Cancel();
        var client = NewClient(_ => Fail(new OperationCanceledException(cancellation.Token)));

        Assert.That(async () => await client.GetStreamingResponseAsync([], null, cancellation.Token).ToListAsync(), Throws.InstanceOf<OperationCanceledException>());

        Assert.Multiple(() =>
        {
            Assert.That((spans[0].Status, spans[0].GetTagItem("error.type")), Is.EqualTo((ActivityStatusCode.Unset, "cancelled")));
            Assert.That(measurements.Single().Tags, Does.EndWith("error.type=cancelled"));
        });
    }

    [Test]
    public async Task Stream_LeftEarly_EndsItsSpan()
    {
        await foreach (var _ in NewClient(Answer).GetStreamingResponseAsync([]))
            break;

        Assert.Multiple(() =>
        {
            Assert.That(spans.Single().GetTagItem("gen_ai.response.finish_reasons"), Is.Null);
            Assert.That(measurements.Select(m => m.Name), Is.EqualTo(
                new[] { "gen_ai.client.operation.time_to_first_chunk", "gen_ai.client.operation.duration" }));
        });
    }

    [Test]
    public async Task Response_Whole_HasNoFirstChunk()
    {
        var response = await NewClient(Answer).GetResponseAsync([new ChatMessage(ChatRole.User, "Hello")]);

        var span = spans.Single();
        Assert.Multiple(() =>
        {
            Assert.That(response.Text, Is.EqualTo("Open sesame."));
            Assert.That(span.GetTagItem("gen_ai.request.stream"), Is.Null);
            Assert.That(span.GetTagItem("gen_ai.response.finish_reasons"), Is.EqualTo(new[] { "stop" }));
            Assert.That(span.GetTagItem("gen_ai.usage.output_tokens"), Is.EqualTo(7));
            Assert.That(measurements.Select(m => m.Name), Is.EqualTo(
                new[] { "gen_ai.client.token.usage", "gen_ai.client.token.usage", "gen_ai.client.operation.duration" }));
        });
    }

    [Test]
    public void Stream_NobodyListens_IsTheModelsOwn()
    {
        meters.Dispose();
        activities.Dispose();
        var inner = new ScriptedClient(Answer);
        using var client = new TelemetryChatClient(inner, Provider, "gpt", new ChatTelemetry(includeContents: true), time);

        var updates = client.GetStreamingResponseAsync([]);

        Assert.That(updates, Is.SameAs(inner.Last));
    }

    [Test]
    public async Task Stream_ManyPieces_AllocatesNothingForEach()
    {
        activities.Dispose();
        var update = new ChatResponseUpdate(ChatRole.Assistant, "word ");
        using var client = NewClient(_ => Repeat(update, 20_000));
        await CountAllocationsAsync(client);

        var few = await CountAllocationsAsync(NewClient(_ => Repeat(update, 100)));
        var many = await CountAllocationsAsync(client);

        Assert.That(many - few, Is.LessThan(20_000), "bytes for 19,900 pieces more");
    }

    private static async Task<long> CountAllocationsAsync(TelemetryChatClient client)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        await foreach (var _ in client.GetStreamingResponseAsync([]))
        {
        }

        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    private static async Task<List<ChatResponseUpdate>> ReadAsync(TelemetryChatClient client, ChatOptions? options = null) =>
        await client.GetStreamingResponseAsync(
            [new ChatMessage(ChatRole.System, "Be brief."), new ChatMessage(ChatRole.User, "Say \"open\" to the cave")], options).ToListAsync();

    private static async IAsyncEnumerable<ChatResponseUpdate> Fail(Exception failure)
    {
        await Task.CompletedTask;
        if (failure is not null)
            throw failure;
        yield break;
    }

    private static async IAsyncEnumerable<ChatResponseUpdate> Repeat(ChatResponseUpdate update, int count)
    {
        await Task.CompletedTask;
        for (var i = 0; i < count; i++)
            yield return update;
    }

    /// <summary>First text after two seconds, the end after five.</summary>
    private async IAsyncEnumerable<ChatResponseUpdate> Answer([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await Task.CompletedTask;
        time.Advance(TimeSpan.FromSeconds(2));
        yield return NewUpdate(new TextContent("Open "));
        time.Advance(TimeSpan.FromSeconds(3));
        yield return NewUpdate(new TextContent("sesame."));
        var usage = new UsageDetails { InputTokenCount = 11, OutputTokenCount = 7, CachedInputTokenCount = 5, ReasoningTokenCount = 3 };
        yield return NewUpdate(new UsageContent(usage), ChatFinishReason.Stop);
    }

    private static ChatResponseUpdate NewUpdate(AIContent content, ChatFinishReason? finishReason = null) =>
        new(ChatRole.Assistant, [content]) { ResponseId = "answer-1", ModelId = "gpt-2026", FinishReason = finishReason };

    private TelemetryChatClient NewClient(Func<CancellationToken, IAsyncEnumerable<ChatResponseUpdate>> answer, bool includeContents = false) =>
        new(new ScriptedClient(answer), Provider, "gpt", new ChatTelemetry(includeContents), time);

    private void Keep(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags) =>
        measurements.Add(new Measurement(instrument.Name, instrument.Unit!, value, string.Join(' ', Describe(tags.ToArray()))));

    private static IEnumerable<string> Describe(IEnumerable<KeyValuePair<string, object?>> tags) =>
        tags.Select(t => t.Value is string[] values ? $"{t.Key}=[{string.Join(',', values)}]" : FormattableString.Invariant($"{t.Key}={t.Value}"));

    private sealed record Measurement(string Name, string Unit, double Value, string Tags);

    /// <summary>A model at <c>models.example</c> that answers as it is told.</summary>
    private sealed class ScriptedClient(Func<CancellationToken, IAsyncEnumerable<ChatResponseUpdate>> answer) : IChatClient
    {
        public IAsyncEnumerable<ChatResponseUpdate>? Last { get; private set; }

        public Task<ChatResponse> GetResponseAsync(
            IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
            answer(cancellationToken).ToChatResponseAsync(cancellationToken);

        public IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
            IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
            Last = answer(cancellationToken);

        public object? GetService(Type serviceType, object? serviceKey = null) =>
            serviceType == typeof(ChatClientMetadata) ? new ChatClientMetadata(Provider, new Uri("https://models.example:8443/v1"), "gpt") : null;

        public void Dispose()
        {
        }
    }
}
