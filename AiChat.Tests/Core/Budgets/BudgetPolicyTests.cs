using AiChat.Core.Budgets;
using AiChat.Core.Models;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Moq;

namespace AiChat.Tests.Core.Budgets;

public sealed class BudgetPolicyTests
{
    private static readonly DateTimeOffset Now = new(2026, 2, 28, 23, 59, 59, 999, TimeSpan.Zero);

    [Test]
    public void GetWindows_EveryLimit_IsInTheWindowOfItsLengthInUtc()
    {
        var options = new BudgetOptions
        {
            PerUser = new BudgetLimits { RequestsPerMinute = 1, TokensPerDay = 2, MoneyPerDay = 3, MoneyPerMonth = 4 },
        };

        var windows = NewPolicy(options).GetWindows("anna", "fast", Now.ToOffset(TimeSpan.FromHours(9)));

        Assert.That(windows, Is.EqualTo(new[]
        {
            new BudgetClaim(Window(BudgetPeriod.Minute, new(2026, 2, 28, 23, 59, 0, TimeSpan.Zero)), Requests: 1),
            new BudgetClaim(Window(BudgetPeriod.Day, new(2026, 2, 28, 0, 0, 0, TimeSpan.Zero)), Tokens: 2, Money: 3),
            new BudgetClaim(Window(BudgetPeriod.Month, new(2026, 2, 1, 0, 0, 0, TimeSpan.Zero)), Money: 4),
        }));
        Assert.That(windows.Select(w => w.Window.EndsAt), Is.All.EqualTo(new DateTimeOffset(2026, 3, 1, 0, 0, 0, TimeSpan.Zero)));
    }

    [Test]
    public void GetWindows_UserOfTheirOwnLimits_HasTheGeneralOnesWhereNoneIsGiven()
    {
        var options = new BudgetOptions { PerUser = new BudgetLimits { RequestsPerMinute = 1, TokensPerDay = 2 } };
        options.Users["anna"] = new BudgetLimits { TokensPerDay = 200, MoneyPerMonth = 9 };
        var policy = NewPolicy(options);

        var annas = policy.GetWindows("anna", "fast", Now);
        var others = policy.GetWindows("Anna", "fast", Now);

        Assert.That(annas.Select(w => (w.Requests, w.Tokens, w.Money)), Is.EqualTo(new[]
        {
            ((long?)1, default(long?), default(decimal?)), (null, 200, null), (null, null, 9),
        }));
        Assert.That(others.Select(w => (w.Requests, w.Tokens, w.Money)), Is.EqualTo(new[] { ((long?)1, default(long?), default(decimal?)), (null, 2, null) }));
    }

    [Test]
    public void GetWindows_LimitedAlias_IsOneBudgetForAllUsersAndSpellings()
    {
        var options = new BudgetOptions();
        options.Models["smart"] = new BudgetLimits { TokensPerDay = 5 };
        var policy = NewPolicy(options);

        var windows = new[] { policy.GetWindows("anna", "smart", Now), policy.GetWindows("bob", "SMART", Now), policy.GetWindows("bob", "fast", Now) };

        Assert.That(windows[0].Single().Window, Is.EqualTo(BudgetWindow.At(Now, BudgetScope.Model, "smart", BudgetPeriod.Day)));
        Assert.That(windows[1], Is.EqualTo(windows[0]));
        Assert.That(windows[2], Is.Empty);
    }

    [Test]
    public void ToClaims_SeveralCandidates_TakesTheHighestPriceOfThoseThatCanAnswer()
    {
        var alias = NewAlias(new ModelPrice(1, 2), null, new ModelPrice(3, 1));
        alias = alias with { Candidates = [.. alias.Candidates, NewCandidate(new ModelPrice(500, 500), missing: "KEY")] };

        var claims = BudgetPolicy.ToClaims([], alias, new TokenUsage(1_000_000, 100_000));

        Assert.That((claims.Tokens, claims.Cost), Is.EqualTo((1_100_000, 3.1m)));
    }

    [Test]
    public void ToClaims_NoKnownPrice_CostsNothing()
    {
        Assert.That(BudgetPolicy.ToClaims([], NewAlias(default(ModelPrice?)), new TokenUsage(5, 5)).Cost, Is.Zero);
    }

    [Test]
    public void Decide_SeveralLimitsBroken_NamesTheOneThatLastsLongest()
    {
        var claims = new BudgetClaims(
            [
                new BudgetClaim(Window(BudgetPeriod.Minute, Now), Requests: 1),
                new BudgetClaim(Window(BudgetPeriod.Month, Now), Money: 1),
                new BudgetClaim(Window(BudgetPeriod.Day, Now), Tokens: 1),
            ], Tokens: 2, Cost: 2);

        var decision = claims.Decide([new BudgetUse(1, 0, 0), default, default]);

        Assert.That((decision.Exceeded!.Window.Period, decision.Exceeded.Unit), Is.EqualTo((BudgetPeriod.Month, BudgetUnit.Money)));
        Assert.That(decision.States.Select(s => s.Left), Is.EqualTo(new[] { 0m, 1m, 1m }));
    }

    [Test]
    public void Decide_LimitOfZero_IsBrokenByWhatCostsNothing()
    {
        var claims = new BudgetClaims([new BudgetClaim(Window(BudgetPeriod.Day, Now), Money: 0)], Tokens: 2, Cost: 0);

        Assert.That(claims.Decide([default]).Exceeded, Is.Not.Null);
    }

    [Test]
    public void Decide_MoreUsedThanAllowed_LeavesNothingRatherThanLess()
    {
        var claims = new BudgetClaims([new BudgetClaim(Window(BudgetPeriod.Day, Now), Tokens: 10)], Tokens: 2, Cost: 0);

        Assert.That(claims.Decide([new BudgetUse(0, 25, 0)]).Exceeded!.Left, Is.Zero);
    }

    [TestCase(BudgetUnit.Requests, BudgetPeriod.Minute, 3, 0, 1,
        "The budget of this user is 3 messages a minute, with 0 left; this message needs 1. It resets at 2026-03-01T00:00:00Z: send again then.")]
    [TestCase(BudgetUnit.Tokens, BudgetPeriod.Day, 1000, 20, 300,
        "The budget of this user is 1000 tokens a day, with 20 left; this message may need up to 300. It resets at 2026-03-01T00:00:00Z: send again then.")]
    [TestCase(BudgetUnit.Money, BudgetPeriod.Month, 0.5, 0.25, 0.75,
        "The budget of this user is a cost of 0.5 a month, with 0.25 left; this message may need up to 0.75. "
        + "That is more than the whole budget: send a shorter message, or lower max_tokens.")]
    [TestCase(BudgetUnit.Tokens, BudgetPeriod.Day, 0, 0, 300,
        "The budget of this user is 0 tokens a day, with 0 left; this message may need up to 300. Nothing is allowed; the operator has to give more.")]
    public void BudgetExceededException_Message_SaysWhatIsLeftAndWhatToDo(
        BudgetUnit unit, BudgetPeriod period, decimal limit, decimal left, decimal needed, string message)
    {
        var state = new BudgetState(BudgetWindow.At(Now, BudgetScope.User, "anna", period), unit, limit, left, needed);

        Assert.That(new BudgetExceededException(state, [state]).Message, Is.EqualTo(message));
    }

    private static BudgetPolicy NewPolicy(BudgetOptions options) => new(Options.Create(options));

    private static BudgetWindow Window(BudgetPeriod period, DateTimeOffset start) => new(BudgetScope.User, "anna", period, start);

    private static ModelAlias NewAlias(params ModelPrice?[] prices) =>
        new("fast", [.. prices.Select(p => NewCandidate(p))]) { Client = Mock.Of<IChatClient>() };

    private static ModelCandidate NewCandidate(ModelPrice? price, string? missing = null) => new()
    {
        Provider = "groq",
        Model = "oss",
        ContextWindow = 8192,
        Circuit = new CandidateCircuit("groq", "oss", new RoutingOptions(), TimeProvider.System, NullLogger<CandidateCircuit>.Instance),
        Price = price,
        MissingSetting = missing,
        Client = Mock.Of<IChatClient>(),
    };
}
