using System.Net.Http.Json;
using System.Text;
using System.Text.RegularExpressions;
using AiChat.Tests.Support;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace AiChat.Tests.Api.Budgets;

/// <summary>Who may send how much. It is noon of the last day of January 2026 until a test says otherwise.</summary>
public sealed partial class BudgetTests : ApiTestBase
{
    private StoppedClock clock = null!;

    [SetUp]
    public void SetUp() => clock = new StoppedClock();

    [Test]
    public async Task Send_HundredAtOnceWithThreeAMinute_AnswersExactlyThree()
    {
        StartLimited(("Budgets:PerUser:RequestsPerMinute", "3"));

        var replies = await Task.WhenAll(Enumerable.Range(0, 100).Select(_ => SendAsync()));

        Assert.That(replies.Count(r => r.Status == 200), Is.EqualTo(3));
        Assert.That(replies.Count(r => r.Status == 429 && r.Code == "budget_exceeded"), Is.EqualTo(97));
        Assert.That(Llm.Requests, Has.Count.EqualTo(3));
        Assert.That((await App.GetAsync("/chats?user_id=alice")).Json.Number("total"), Is.EqualTo(3));
    }

    /// <summary>None is answered before all others are refused: what an answer does not use is given back.</summary>
    [Test]
    public async Task Send_HundredAtOnceWithTokensForThree_AnswersExactlyThree()
    {
        StartLimited(("Budgets:PerUser:TokensPerDay", "330"));
        Llm.Handler = _ => LlmReplies.Slow();

        var sends = Enumerable.Range(0, 100).Select(_ => SendAsync(maxTokens: 100)).ToList();
        var refused = new List<ApiReply>();
        var waiting = sends.ToList();
        while (refused.Count < 97)
        {
            var reply = await Task.WhenAny(waiting);
            waiting.Remove(reply);
            refused.Add(await reply);
        }

        await Llm.WaitForRequestsAsync(3);
        Llm.Release();

        Assert.That((await Task.WhenAll(waiting)).Select(r => r.Status), Is.EqualTo(new[] { 200, 200, 200 }));
        Assert.That(refused.Select(r => (r.Status, r.Code)), Is.All.EqualTo((429, "budget_exceeded")));
        Assert.That(Llm.Requests, Has.Count.EqualTo(3));
    }

    [Test]
    public async Task Send_OverTheBudget_SaysWhatIsLeftAndWhenItResets()
    {
        StartLimited(("Budgets:PerUser:RequestsPerMinute", "1"), ("Budgets:PerUser:TokensPerDay", "100000"));
        await SendAsync();
        clock.Advance(TimeSpan.FromSeconds(18.5));

        var reply = await SendAsync();

        Assert.That((reply.Status, reply.Code), Is.EqualTo((429, "budget_exceeded")));
        Assert.That(reply.Json.Text("detail"), Is.EqualTo(
            "The budget of this user is 1 message a minute, with 0 left; this message needs 1. It resets at 2026-01-31T12:01:00Z: send again then."));
        Assert.That(reply.GetHeader("Retry-After"), Is.EqualTo("42"));
        Assert.That(reply.GetHeader("RateLimit-Policy"), Is.EqualTo("\"user-requests-minute\";q=1;w=60, \"user-tokens-day\";q=100000;qu=\"tokens\";w=86400"));
        Assert.That(reply.GetHeader("RateLimit"), Is.EqualTo("\"user-requests-minute\";r=0;t=42, \"user-tokens-day\";r=99982;t=43182"));
    }

    [Test]
    public async Task Send_NextMinute_IsAnsweredAgain()
    {
        StartLimited(("Budgets:PerUser:RequestsPerMinute", "1"));
        await SendAsync();

        clock.Advance(TimeSpan.FromMinutes(1));

        Assert.That((await SendAsync()).Status, Is.EqualTo(200));
    }

    [Test]
    public async Task Send_WithinABudget_SaysWhatIsLeft()
    {
        StartLimited(("Budgets:Models:fast:MoneyPerMonth", "1.5"), ("Models:fast:Candidates:0:InputPrice", "1"), ("Models:fast:Candidates:0:OutputPrice", "1000"));

        var reply = await SendAsync(maxTokens: 100);

        Assert.That(reply.GetHeader("RateLimit-Policy"), Is.EqualTo("\"model-money-month\";q=1500000;qu=\"money-millionths\";w=2678400"));
        // 5 tokens of prompt and 100 of reply: 0.000005 and 0.1.
        Assert.That(reply.GetHeader("RateLimit"), Is.EqualTo("\"model-money-month\";r=1399995;t=43200"));
    }

    [Test]
    public async Task Send_Streamed_SaysWhatIsLeft()
    {
        StartLimited(("Budgets:PerUser:RequestsPerMinute", "5"));

        var reply = await App.PostAsync("/chat", new { user_id = "alice", message = "Hi", stream = true });

        Assert.That((reply.ContentType, reply.GetHeader("RateLimit")), Is.EqualTo(("text/event-stream", "\"user-requests-minute\";r=4;t=60")));
    }

    [Test]
    public async Task Send_AcceptedButNotAnswered_SaysWhatIsLeft()
    {
        StartLimited(("Budgets:PerUser:RequestsPerMinute", "5"));
        App.Log.Expect("failed");
        Llm.Handler = _ => LlmReplies.Status(400);

        var reply = await SendAsync();

        Assert.That((reply.Status, reply.GetHeader("RateLimit")), Is.EqualTo((422, "\"user-requests-minute\";r=4;t=60")));
    }

    [Test]
    public async Task Send_NoBudget_HasNoSuchHeaders()
    {
        StartLimited(("Budgets:Users:bob:RequestsPerMinute", "0"));

        var reply = await SendAsync();

        Assert.That((reply.Status, reply.GetHeader("RateLimit"), reply.GetHeader("RateLimit-Policy")), Is.EqualTo((200, default(string), default(string))));
    }

    [Test]
    public async Task Send_UserOfTheirOwnBudget_IsLimitedByThat()
    {
        StartLimited(("Budgets:PerUser:RequestsPerMinute", "0"), ("Budgets:Users:alice:RequestsPerMinute", "1"));

        var replies = new[] { await SendAsync("alice"), await SendAsync("alice"), await SendAsync("bob") };

        Assert.That(replies.Select(r => r.Status), Is.EqualTo(new[] { 200, 429, 429 }));
    }

    [Test]
    public async Task Send_BudgetOfAModel_IsSharedByAllUsers()
    {
        StartLimited(("Budgets:Models:fast:RequestsPerMinute", "2"));

        var replies = new[] { await SendAsync("alice"), await SendAsync("bob"), await SendAsync("carol") };
        var other = await App.PostAsync("/chat", new { user_id = "carol", message = "Hi", model = "smart" });

        Assert.That(replies.Select(r => r.Status).Append(other.Status), Is.EqualTo(new[] { 200, 200, 429, 200 }));
        Assert.That(replies[2].Json.Text("detail"), Does.StartWith("The budget of the model 'fast' is 2 messages a minute"));
    }

    [Test]
    public async Task Send_Answered_CountsWhatWasUsedNotWhatWasReserved()
    {
        StartLimited(("Budgets:PerUser:TokensPerDay", "200"));

        // Each reserves 109 tokens and uses 18: of 200, five leave 110.
        for (var i = 0; i < 5; i++)
            Assert.That((await SendAsync(maxTokens: 104)).Status, Is.EqualTo(200));

        Assert.That((await SendAsync(maxTokens: 106)).Status, Is.EqualTo(429));
    }

    [Test]
    public async Task Send_AgainUnderItsKey_IsTheSameAnswerAndNotLimited()
    {
        StartLimited(("Budgets:PerUser:RequestsPerMinute", "1"));
        var first = await SendWithKeyAsync("a-key");

        var again = await SendWithKeyAsync("a-key");

        Assert.That((first.Status, again.Status, again.GetHeader("Idempotency-Replayed")), Is.EqualTo((200, 200, "true")));
        Assert.That(again.Text, Is.EqualTo(first.Text));
    }

    [Test]
    public async Task Send_RefusedUnderAKey_MayComeAgainUnderIt()
    {
        StartLimited(("Budgets:PerUser:RequestsPerMinute", "1"));
        await SendAsync();
        var refused = await SendWithKeyAsync("a-key");

        clock.Advance(TimeSpan.FromMinutes(1));
        var again = await SendWithKeyAsync("a-key");

        Assert.That((refused.Status, again.Status, again.GetHeader("Idempotency-Replayed")), Is.EqualTo((429, 200, default(string))));
    }

    [Test]
    public async Task Retry_OverTheBudget_IsRefusedAndMayBeTriedLater()
    {
        StartLimited(("Budgets:PerUser:RequestsPerMinute", "1"));
        App.Log.Expect("failed");
        Llm.Enqueue(LlmReplies.Status(400));
        var runId = (await SendAsync()).Json.Text("run_id");

        var refused = await App.RequestAsync(HttpMethod.Post, $"/runs/{runId}/retry?user_id=alice");
        clock.Advance(TimeSpan.FromMinutes(1));
        var again = await App.RequestAsync(HttpMethod.Post, $"/runs/{runId}/retry?user_id=alice");

        Assert.That((refused.Status, refused.Code), Is.EqualTo((429, "budget_exceeded")));
        Assert.That((again.Status, again.GetHeader("RateLimit")), Is.EqualTo((200, "\"user-requests-minute\";r=0;t=60")));
    }

    /// <summary>The block of docs/usage.md.</summary>
    [Test]
    public async Task Send_DocumentedConfiguration_LimitsUsersAndModels()
    {
        var page = await File.ReadAllTextAsync(Path.Combine(AppContext.BaseDirectory, "docs", "usage.md"));
        var block = ConfigurationBlock().Match(page).Groups["json"].Value;
        using var json = new MemoryStream(Encoding.UTF8.GetBytes(block));
        var settings = new ConfigurationBuilder().AddJsonStream(json).Build().AsEnumerable().Where(s => s.Value is not null);
        StartLimited([.. settings.Select(s => (s.Key, s.Value!))]);

        var reply = await App.PostAsync("/chat", new { user_id = "alice", message = "Hi", model = "smart" });

        Assert.That((reply.Status, reply.GetHeader("RateLimit-Policy")), Is.EqualTo((200,
            "\"user-requests-minute\";q=20;w=60, \"user-tokens-day\";q=2000000;qu=\"tokens\";w=86400, "
            + "\"user-money-day\";q=5000000;qu=\"money-millionths\";w=86400, \"user-money-month\";q=100000000;qu=\"money-millionths\";w=2678400, "
            + "\"model-money-day\";q=50000000;qu=\"money-millionths\";w=86400")));
    }

    [GeneratedRegex(@"```json\s(?<json>\{\s+""Budgets"".*?)```", RegexOptions.Singleline | RegexOptions.ExplicitCapture)]
    private static partial Regex ConfigurationBlock();

    private void StartLimited(params (string Key, string Value)[] settings) =>
        StartApp(services => services.AddSingleton<TimeProvider>(clock), settings);

    private Task<ApiReply> SendAsync(string userId = "alice", int? maxTokens = null) =>
        App.PostAsync("/chat", new { user_id = userId, message = "Hi", max_tokens = maxTokens });

    private Task<ApiReply> SendWithKeyAsync(string key) => App.RequestAsync(
        HttpMethod.Post, "/chat", JsonContent.Create(new { user_id = "alice", message = "Hi" }), ("Idempotency-Key", key));
}
