using AiChat.Core.Budgets;
using AiChat.Core.Models;
using AiChat.Core.Usage;
using AiChat.Tests.Infrastructure.Persistence;

namespace AiChat.Tests.Infrastructure.Usage;

[TestFixtureSource(typeof(TestDatabase), nameof(TestDatabase.Engines))]
public sealed class UsageRepositoryTests(Engine engine) : RepositoryTestBase(engine)
{
    private static readonly UsageQuery Everything = new() { From = Start.AddDays(-300), To = Start.AddDays(60) };

    private int entries;

    [Test]
    public async Task GetAsync_Nothing_IsZero()
    {
        var report = await Database.Usage.GetAsync(Everything, None);

        Assert.That((report.Total.Attempts, report.Total.InputTokens, report.Total.Cost), Is.EqualTo((0, 0, 0m)));
        Assert.That((report.Groups, report.Next), Is.EqualTo((Array.Empty<UsageGroup>(), default(UsageKey))));
    }

    [Test]
    public async Task GetAsync_Attempts_AreAddedUpExactly()
    {
        await AddAsync(usage: new TokenUsage(int.MaxValue, int.MaxValue) { CachedTokens = 5, ReasoningTokens = 7 }, price: new ModelPrice(0.000001m, 0.000003m));
        await AddAsync(usage: new TokenUsage(int.MaxValue, 1, IsEstimated: true) { CachedTokens = 1 }, price: null);
        await AddAsync(usage: null, outcome: AttemptOutcome.Failed);
        await AddAsync(usage: new TokenUsage(1, 1), outcome: AttemptOutcome.Cancelled, price: new ModelPrice(0, 0));

        var total = (await Database.Usage.GetAsync(Everything, None)).Total;

        Assert.That(total, Is.EqualTo(new UsageSums
        {
            Attempts = 4,
            InputTokens = (2L * int.MaxValue) + 1,
            OutputTokens = int.MaxValue + 2L,
            CachedTokens = 6,
            ReasoningTokens = 7,
            EstimatedAttempts = 1,
            EstimatedInputTokens = int.MaxValue,
            EstimatedOutputTokens = 1,
            UnpricedAttempts = 1,
            Cost = int.MaxValue * 0.000004m / 1_000_000m,
        }));
    }

    [Test]
    public async Task GetAsync_AttemptThatGoesOn_IsNotCounted()
    {
        await AddAsync(outcome: AttemptOutcome.InProgress);

        Assert.That((await Database.Usage.GetAsync(Everything, None)).Total.Attempts, Is.Zero);
    }

    [Test]
    public async Task GetAsync_Time_IncludesItsBeginAndNotItsEnd()
    {
        foreach (var seconds in new[] { 9, 10, 19, 20 })
            await AddAsync(at: seconds);

        var report = await Database.Usage.GetAsync(new UsageQuery { From = At(10), To = At(20) }, None);

        Assert.That(report.Total.Attempts, Is.EqualTo(2));
    }

    [Test]
    public async Task GetAsync_User_SeesOnlyTheirs()
    {
        await AddAsync(userId: Anna);
        await AddAsync(userId: Bob, usage: new TokenUsage(100, 1));

        var report = await Database.Usage.GetAsync(Everything with { UserId = Bob, GroupBy = UsageGrouping.User }, None);

        Assert.That(report.Total.InputTokens, Is.EqualTo(100));
        Assert.That(report.Groups.Select(g => g.Key), Is.EqualTo(new[] { new UsageKey { UserId = Bob } }));
    }

    [Test]
    public async Task GetAsync_ByDay_TakesTheDayOfTheBeginInUtc()
    {
        var midnight = (int)(new DateTimeOffset(2026, 1, 3, 0, 0, 0, TimeSpan.Zero) - Start).TotalSeconds + 1;
        await AddAsync(at: 0);
        await AddAsync(at: midnight - 1);
        await AddAsync(at: midnight);

        var report = await Database.Usage.GetAsync(Everything with { GroupBy = UsageGrouping.Day }, None);

        Assert.That(report.Groups.Select(g => (g.Key.Day, g.Sums.Attempts)), Is.EqualTo(new[]
        {
            ((DateOnly?)new DateOnly(2026, 1, 2), 2L), (new DateOnly(2026, 1, 3), 1L),
        }));
    }

    [Test]
    public async Task GetAsync_ByModel_KeepsTheProvidersApart()
    {
        await AddAsync(provider: "openai", model: "a");
        await AddAsync(provider: "groq", model: "b");
        await AddAsync(provider: "groq", model: "a");
        await AddAsync(provider: "groq", model: "a");

        var report = await Database.Usage.GetAsync(Everything with { GroupBy = UsageGrouping.Model }, None);

        Assert.That(report.Groups.Select(g => (g.Key.Provider, g.Key.Model, g.Sums.Attempts)), Is.EqualTo(new[]
        {
            ("groq", "a", 2L), ("groq", "b", 1L), ("openai", "a", 1L),
        }));
    }

    [TestCase(UsageGrouping.Day)]
    [TestCase(UsageGrouping.Model)]
    [TestCase(UsageGrouping.Chat)]
    [TestCase(UsageGrouping.User)]
    public async Task GetAsync_PageByPage_ListsEveryGroupOnceInOrder(UsageGrouping grouping)
    {
        for (var i = 0; i < 7; i++)
            await AddAsync(at: 86_400 * i, chatId: $"chat-{i}", userId: $"user-{i}", model: $"model-{i % 4}", provider: $"provider-{i / 4}");
        var query = Everything with { GroupBy = grouping, Limit = 3 };

        var pages = new List<UsageReport>();
        while (pages.Count == 0 || pages[^1].Next is not null)
            pages.Add(await Database.Usage.GetAsync(query with { After = pages.LastOrDefault()?.Next }, None));

        var whole = await Database.Usage.GetAsync(query with { Limit = 7 }, None);
        Assert.That(pages.Select(p => p.Groups.Count), Is.EqualTo(new[] { 3, 3, 1 }));
        Assert.That(pages.SelectMany(p => p.Groups), Is.EqualTo(whole.Groups));
        Assert.That(pages.Select(p => p.Total), Is.All.EqualTo(whole.Total));
        Assert.That((whole.Groups.Count, whole.Groups.Sum(g => g.Sums.InputTokens), whole.Next), Is.EqualTo((7, whole.Total.InputTokens, default(UsageKey))));
    }

    [TestCase(UsageGrouping.Day)]
    [TestCase(UsageGrouping.Model)]
    [TestCase(UsageGrouping.Chat)]
    [TestCase(UsageGrouping.User)]
    public async Task GetAsync_PageByPageOfAUser_ListsOnlyTheirs(UsageGrouping grouping)
    {
        for (var i = 0; i < 6; i++)
            await AddAsync(at: 86_400 * i, chatId: $"chat-{i}", userId: i % 2 == 0 ? Anna : Bob, model: $"model-{i}");
        var query = Everything with { GroupBy = grouping, UserId = Anna, Limit = 2 };

        var first = await Database.Usage.GetAsync(query, None);
        var rest = first.Next is null ? [] : (await Database.Usage.GetAsync(query with { After = first.Next }, None)).Groups;

        Assert.That(first.Groups.Concat(rest).Sum(g => g.Sums.Attempts), Is.EqualTo(3).And.EqualTo(first.Total.Attempts));
    }

    /// <summary>What was paid for stays paid for.</summary>
    [Test]
    public async Task GetAsync_ChatWasDeleted_CountsItAllTheSame()
    {
        await CreateChatAsync("chat-1");
        var run = await BeginAsync("run-1", "chat-1");
        await Database.Runs.FinishAsync(Reply(run, 1) with { Attempts = [NewAttempt(1, AttemptOutcome.Completed)] }, None);

        await Database.Chats.DeleteAsync(Anna, "chat-1", None);

        var report = await Database.Usage.GetAsync(Everything with { GroupBy = UsageGrouping.Chat }, None);
        Assert.That(report.Groups.Select(g => (g.Key.ChatId, g.Sums.InputTokens)), Is.EqualTo(new[] { ("chat-1", 11L) }));
    }

    [Test]
    public async Task AddAsync_LimitedUserAndAlias_AddsTokensAndCostToTheirBudgets()
    {
        Database.Limits.PerUser = new BudgetLimits { RequestsPerMinute = 5, TokensPerDay = 1000 };
        Database.Limits.Models["fast"] = new BudgetLimits { MoneyPerMonth = 1 };

        await AddAsync(usage: new TokenUsage(30, 4), price: new ModelPrice(1, 10));

        var windows = await Database.QueryAsync<(string, string, string, long, long, long)>(
            "select scope, subject, period, requests, tokens, cost from budget_windows order by scope, period");
        Assert.That(windows, Is.EqualTo(new[]
        {
            ("model", "fast", "month", 0L, 34L, 70_000_000L), ("user", "anna", "day", 0L, 34L, 70_000_000L),
        }));
    }

    [Test]
    public async Task AddAsync_NothingIsLimited_AddsToNoBudget()
    {
        await AddAsync();

        Assert.That(await Database.QuerySingleAsync<long>("select count(*) from budget_windows"), Is.Zero);
    }

    private Task AddAsync(
        int at = 1, string userId = Anna, string chatId = "chat-1", string provider = "groq", string model = "oss", TokenUsage? usage = null,
        ModelPrice? price = null, AttemptOutcome outcome = AttemptOutcome.Completed) => Database.Usage.AddAsync(new LedgerEntry
        {
            RunId = $"title-{++entries}",
            Purpose = AttemptPurpose.Title,
            ChatId = chatId,
            UserId = userId,
            Alias = "fast",
            Attempt = NewAttempt(1, outcome) with
            {
                Provider = provider,
                Model = model,
                Usage = usage ?? (outcome == AttemptOutcome.Failed ? null : new TokenUsage(11, 0)),
                Price = price,
                StartedAt = At(at),
            },
        }, None);
}
