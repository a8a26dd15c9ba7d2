using AiChat.Tests.Support;

namespace AiChat.Tests.Api.Runs;

/// <summary>A second model behind the first one: what the client sees when the first fails.</summary>
public sealed class FailoverTests : ApiTestBase
{
    private static readonly (string, string)[] Prices =
    [
        ("Models:fast:Candidates:0:InputPrice", "1"), ("Models:fast:Candidates:0:OutputPrice", "10"),
        ("Models:fast:Candidates:1:InputPrice", "2"), ("Models:fast:Candidates:1:OutputPrice", "20"),
    ];

    private FakeLlm second = null!;

    [SetUp]
    public async Task StartSecond() => second = await FakeLlm.StartAsync();

    [TearDown]
    public async Task StopSecond() => await second.DisposeAsync();

    [Test]
    public async Task Send_FirstFails_IsAnsweredByTheNext()
    {
        StartBoth();
        Llm.Handler = _ => LlmReplies.Status(503);
        var chatId = await App.CreateChatAsync();

        var sent = await App.SendAsync(chatId, "Hello");

        var run = await App.GetRunAsync(sent.Json.Text("run_id")!);
        Assert.Multiple(() =>
        {
            Assert.That((sent.Status, sent.Json.Text("reply"), sent.Json.Text("provider")), Is.EqualTo((200, "echo: Hello", "openai")));
            Assert.That(run.Json.GetProperty("attempts").Texts("status"), Is.EqualTo(new[] { "failed", "completed" }));
            Assert.That(run.Json.GetProperty("attempts").Texts("provider"), Is.EqualTo(new[] { "groq", "openai" }));
            Assert.That(run.Json.GetProperty("attempts").Numbers("attempt"), Is.EqualTo(new[] { 1, 2 }));
            Assert.That(run.Json.GetProperty("attempts")[0].GetProperty("error").Text("code"), Is.EqualTo("provider_unavailable"));
            Assert.That(second.Requests.Single().Text, Is.EqualTo(Llm.Requests[0].Text.Replace("openai/gpt-oss-20b", "gpt-4.1-mini", StringComparison.Ordinal)));
        });
    }

    /// <summary>The text has neither a gap nor a repetition at the seam, wherever a client comes in.</summary>
    [Test]
    public async Task Stream_FirstBreaksOff_GoesOnWithTheNextBehindASeam()
    {
        StartBoth(Prices);
        Llm.Enqueue(LlmReplies.CutStream("Once ", "upon "));
        second.Enqueue(LlmReplies.Stream(["a ", "time."], inputTokens: 30, outputTokens: 4));
        var chatId = await App.CreateChatAsync();

        await using var stream = await App.StreamAsync(chatId, "A story");
        var events = await stream.ReadToEndAsync();

        var run = (await App.GetRunAsync(events[0].RunId)).Json;
        var attempts = run.GetProperty("attempts");
        var seam = events.Single(e => e.Name == "run.continued");
        Assert.Multiple(() =>
        {
            Assert.That(StreamEvent.Join(events), Is.EqualTo("Once upon a time."));
            Assert.That((seam.Data.Number("attempt"), seam.Data.Number("offset")), Is.EqualTo((2, 10)));
            Assert.That(events[^1].Name, Is.EqualTo("run.completed"));
            Assert.That((events[^1].Data.Text("reply"), events[^1].Data.Text("provider")), Is.EqualTo(("Once upon a time.", "openai")));
            Assert.That(attempts.Texts("status"), Is.EqualTo(new[] { "incomplete", "completed" }));
            Assert.That(attempts.Texts("reply"), Is.EqualTo(new[] { "Once upon ", "Once upon a time." }));
            Assert.That(second.Requests.Single().Messages[^1], Is.EqualTo(new LlmMessage("assistant", "Once upon ")));
            // "A story" with its frame is seven tokens, "Once upon " four, both estimated: nobody reported them.
            Assert.That(attempts[0].GetProperty("cost").GetDecimal(), Is.EqualTo(0.000047m));
            Assert.That(attempts[1].GetProperty("cost").GetDecimal(), Is.EqualTo(0.00014m));
            Assert.That(run.GetProperty("cost").GetDecimal(), Is.EqualTo(0.000187m));
            Assert.That((run.GetProperty("usage").Number("input_tokens"), run.GetProperty("usage").Number("output_tokens")), Is.EqualTo((37, 8)));
        });
        foreach (var seen in events.Take(events.Count - 1))
        {
            await using var rest = await App.FollowAsync(seen.RunId, seen.Id);
            var shown = StreamEvent.Join(events.TakeWhile(e => e != seen).Append(seen));
            Assert.That(StreamEvent.Join(await rest.ReadToEndAsync(), shown), Is.EqualTo("Once upon a time."), $"from {seen.Id}");
        }
    }

    [Test]
    public async Task Stream_FirstBreaksOffAndNobodyMayGoOn_IsIncomplete()
    {
        StartBoth(("Runs:ContinueOnBreak", "false"));
        App.Log.Expect("broke off");
        Llm.Enqueue(LlmReplies.CutStream("Once ", "upon "));
        var chatId = await App.CreateChatAsync();

        await using var stream = await App.StreamAsync(chatId, "A story");
        var events = await stream.ReadToEndAsync();

        Assert.That((events[^1].Name, events[^1].Data.Text("reply")), Is.EqualTo(("run.incomplete", "Once upon ")));
        Assert.That(second.Requests, Is.Empty);
    }

    [Test]
    public async Task Cancel_FirstHasNotAnsweredYet_AsksNobodyElse()
    {
        StartBoth();
        Llm.Handler = _ => LlmReplies.Slow();
        var chatId = await App.CreateChatAsync();
        await using var stream = await App.StreamAsync(chatId, "A story");
        var runId = (await stream.NextAsync()).RunId;
        await Llm.WaitForRequestsAsync(1);

        await App.CancelAsync(runId);

        var run = (await App.GetRunAsync(runId)).Json;
        await Llm.WaitForAbortsAsync(1);
        Assert.That(run.Text("status"), Is.EqualTo("cancelled"));
        Assert.That(run.GetProperty("attempts").Texts("status"), Is.EqualTo(new[] { "cancelled" }));
        Assert.That(second.Requests, Is.Empty);
    }

    [Test]
    public async Task Send_AllFail_IsTheProblemAndEveryAttemptIsListed()
    {
        StartBoth();
        App.Log.Expect("401");
        App.Log.Expect("429");
        Llm.Handler = _ => LlmReplies.Status(401);
        second.Handler = _ => LlmReplies.Status(429, headers: ("Retry-After", "60"));
        var chatId = await App.CreateChatAsync();

        var sent = await App.SendAsync(chatId, "Hello");

        var run = (await App.GetRunAsync(sent.Json.Text("run_id")!)).Json;
        Assert.That((sent.Status, sent.Code, sent.GetHeader("Retry-After")), Is.EqualTo((503, "provider_rate_limited", "60")));
        Assert.That(run.GetProperty("attempts").EnumerateArray().Select(a => a.GetProperty("error").Text("code")), Is.EqualTo(new[]
        {
            "provider_unauthorized", "provider_rate_limited",
        }));
    }

    /// <summary>Both servers in the places of Groq and OpenAI, the first two of the alias that is asked.</summary>
    private void StartBoth(params (string Key, string Value)[] settings) =>
        StartApp([("OPENAI_API_KEY", "sk-test"), ("Providers:openai:BaseUrl", second.BaseUrl), .. settings]);
}
