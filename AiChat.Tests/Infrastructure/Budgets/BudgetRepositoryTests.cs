using AiChat.Core.Budgets;
using AiChat.Core.Models;
using AiChat.Core.Runs;
using AiChat.Tests.Infrastructure.Persistence;

namespace AiChat.Tests.Infrastructure.Budgets;

/// <summary>What runs take from budgets when they begin, and what is left of it when they end.</summary>
[TestFixtureSource(typeof(TestDatabase), nameof(TestDatabase.Engines))]
public sealed class BudgetRepositoryTests(Engine engine) : RepositoryTestBase(engine)
{
    private const string ChatId = "chat-1";

    private static readonly BudgetWindow Minute = BudgetWindow.At(Start, BudgetScope.User, Anna, BudgetPeriod.Minute);
    private static readonly BudgetWindow Day = BudgetWindow.At(Start, BudgetScope.User, Anna, BudgetPeriod.Day);
    private static readonly BudgetWindow Month = BudgetWindow.At(Start, BudgetScope.Model, "fast", BudgetPeriod.Month);

    [SetUp]
    public Task CreateChat() => CreateChatAsync(ChatId);

    [Test]
    public async Task StartAsync_WithinItsBudgets_TakesThemAndSaysWhatIsLeft()
    {
        var admission = (RunAdmission.Accepted)await StartAsync("run-1", Claims(tokens: 100, cost: 0.25m));

        Assert.That(admission.Budgets.Select(b => (b.Window, b.Unit, b.Left)), Is.EqualTo(new[]
        {
            (Minute, BudgetUnit.Requests, 2m), (Day, BudgetUnit.Tokens, 900m), (Day, BudgetUnit.Money, 4.75m), (Month, BudgetUnit.Money, 6.75m),
        }));
        Assert.That(await GetWindowsAsync(), Is.EqualTo(new[]
        {
            ("model fast month", 1, 100, 0.25m), ("user anna day", 1, 100, 0.25m), ("user anna minute", 1, 100, 0.25m),
        }));
    }

    [Test]
    public async Task StartAsync_NoBudgetApplies_LeavesNoTrace()
    {
        await StartAsync("run-1", claims: null);

        Assert.That(await GetWindowsAsync(), Is.Empty);
        Assert.That(await CountReservationsAsync(), Is.Zero);
    }

    [Test]
    public async Task StartAsync_OverABudget_SaysWhichAndStoresNothing()
    {
        await StartAsync("run-1", Claims(tokens: 600));

        var admission = await StartAsync("run-2", Claims(tokens: 401), Key());

        var over = (RunAdmission.OverBudget)admission;
        Assert.That((over.Exceeded.Window, over.Exceeded.Unit, over.Exceeded.Left), Is.EqualTo((Day, BudgetUnit.Tokens, 400m)));
        Assert.That(over.Budgets, Has.Count.EqualTo(4));
        Assert.That((await Database.Chats.GetAsync(Anna, ChatId, None))!.MessageCount, Is.EqualTo(2));
        Assert.That(await Database.Runs.GetAsync(Anna, "run-2", None), Is.Null);
        Assert.That(await Database.Keys.FindAsync(Key(), None), Is.Null);
        Assert.That((await GetWindowsAsync())[1], Is.EqualTo(("user anna day", 1, 600, 0m)));
    }

    [Test]
    public async Task StartAsync_OverABudgetWithANewChat_MakesNoChat()
    {
        await StartAsync("run-1", Claims(tokens: 1000));

        await Database.Runs.StartAsync(NewRun("run-2", "chat-2") with { NewChat = NewChat("chat-2"), Claims = Claims(tokens: 1) }, None);

        Assert.That(await Database.Chats.GetAsync(Anna, "chat-2", None), Is.Null);
    }

    [Test]
    public async Task StartAsync_ExactlyWhatIsLeft_IsTaken()
    {
        await StartAsync("run-1", Claims(tokens: 600));

        Assert.That(await StartAsync("run-2", Claims(tokens: 400)), Is.TypeOf<RunAdmission.Accepted>());
    }

    [Test]
    public async Task StartAsync_OtherMinute_HasABudgetOfItsOwn()
    {
        for (var i = 0; i < 3; i++)
            await StartAsync($"run-{i}", Claims());
        var later = Claims() with { Windows = [new BudgetClaim(BudgetWindow.At(At(60), BudgetScope.User, Anna, BudgetPeriod.Minute), Requests: 3)] };

        Assert.That(await StartAsync("run-3", Claims()), Is.TypeOf<RunAdmission.OverBudget>());
        Assert.That(await StartAsync("run-4", later), Is.TypeOf<RunAdmission.Accepted>());
    }

    [Test]
    public async Task StartAsync_BusyChat_TakesNothing()
    {
        await StartAsync("run-1", Claims());

        await Database.Runs.StartAsync(NewRun("run-2", ChatId) with { Admission = new RunAdmissionRule(0), Claims = Claims() }, None);

        Assert.That((await GetWindowsAsync()).Select(w => w.Requests), Is.All.EqualTo(1));
    }

    [Test]
    public async Task StartAsync_KnownKey_TakesNothing()
    {
        await StartAsync("run-1", Claims(), Key());

        var again = await StartAsync("run-2", Claims(tokens: 5000), Key());

        Assert.That(again, Is.TypeOf<RunAdmission.KeyTaken>());
        Assert.That((await GetWindowsAsync()).Select(w => w.Requests), Is.All.EqualTo(1));
    }

    /// <summary>They share transactions, and none of them may see another one's half.</summary>
    [Test]
    public async Task StartAsync_AHundredAtOnce_AreExactlyAsManyAsTheBudgetAllows()
    {
        var claims = new BudgetClaims([new BudgetClaim(Day, Tokens: 1000)], Tokens: 300, Cost: 0);

        var admissions = await Task.WhenAll(Enumerable.Range(0, 100).Select(i => StartAsync($"run-{i}", claims)));

        Assert.That(admissions.Count(a => a is RunAdmission.Accepted), Is.EqualTo(3));
        Assert.That(admissions.Count(a => a is RunAdmission.OverBudget), Is.EqualTo(97));
        Assert.That(await GetWindowsAsync(), Is.EqualTo(new[] { ("user anna day", 3, 900, 0m) }));
    }

    [Test]
    public async Task FinishAsync_Run_PutsWhatItsAttemptsUsedInThePlaceOfTheReservation()
    {
        var run = await BeginAsync("run-1", Claims(tokens: 900, cost: 1m));

        await Database.Runs.FinishAsync(Reply(run, 1) with { Attempts = [Failed(1), Completed(2)] }, None);

        Assert.That(await GetWindowsAsync(), Is.EqualTo(new[]
        {
            ("model fast month", 1, 36, 0.000092m), ("user anna day", 1, 36, 0.000092m), ("user anna minute", 1, 900, 1m),
        }));
    }

    [Test]
    public async Task FinishAsync_MoreWasUsedThanReserved_CountsAllOfIt()
    {
        var run = await BeginAsync("run-1", Claims(tokens: 1));

        await Database.Runs.FinishAsync(Reply(run, 1) with { Attempts = [Completed(1)] }, None);

        Assert.That((await GetWindowsAsync())[1], Is.EqualTo(("user anna day", 1, 25, 0.00007m)));
    }

    [Test]
    public async Task FinishAsync_NoAttempts_GivesAllBackButTheRequest()
    {
        var run = await BeginAsync("run-1", Claims(tokens: 900, cost: 1m));

        await Database.Runs.FinishAsync(Failure(run, 1), None);

        Assert.That((await GetWindowsAsync())[1], Is.EqualTo(("user anna day", 1, 0, 0m)));
    }

    [Test]
    public async Task FinishAsync_Again_SettlesOnce()
    {
        var run = await BeginAsync("run-1", Claims(tokens: 900));
        var result = Reply(run, 1) with { Attempts = [Completed(1)] };
        await Database.Runs.FinishAsync(result, None);

        await Database.Runs.FinishAsync(result, None);

        Assert.That((await GetWindowsAsync())[1], Is.EqualTo(("user anna day", 1, 25, 0.00007m)));
    }

    [Test]
    public async Task FinishAsync_ChatWasDeleted_SettlesAllTheSame()
    {
        var run = await BeginAsync("run-1", Claims(tokens: 900));
        await Database.Chats.DeleteAsync(Anna, ChatId, None);

        await Database.Runs.FinishAsync(Reply(run, 1) with { Attempts = [Completed(1)] }, None);

        Assert.That((await GetWindowsAsync())[1], Is.EqualTo(("user anna day", 1, 25, 0.00007m)));
        Assert.That(await CountReservationsAsync(), Is.Zero);
    }

    [Test]
    public async Task RetryAsync_Run_IsTakenAndSettledApartFromTheFirstTime()
    {
        var run = await BeginAsync("run-1", Claims(tokens: 500));
        await Database.Runs.FinishAsync(Failure(run, 1) with { Attempts = [Failed(1)] }, None);

        await Database.Runs.RetryAsync(Retry(run) with { Claims = Claims(tokens: 700) }, None);
        var reserved = (await GetWindowsAsync())[1];
        await Database.Runs.FinishAsync(Reply(run, 1) with { Attempt = 2, Attempts = [Completed(2)], LeaseNumber = 2 }, None);

        Assert.That(reserved, Is.EqualTo(("user anna day", 2, 711, 0.000022m)));
        Assert.That((await GetWindowsAsync())[1], Is.EqualTo(("user anna day", 2, 36, 0.000092m)));
    }

    [Test]
    public async Task RetryAsync_OverABudget_LeavesTheRunAsItWas()
    {
        var run = await BeginAsync("run-1", Claims());
        await Database.Runs.FinishAsync(Failure(run, 1), None);

        var admission = await Database.Runs.RetryAsync(Retry(run) with { Claims = Claims(tokens: 1001), Key = Key() }, None);

        Assert.That(admission, Is.TypeOf<RunAdmission.OverBudget>());
        Assert.That((await Database.Runs.GetAsync(Anna, "run-1", None))!.Status, Is.EqualTo(RunStatus.Failed));
        Assert.That(await Database.QuerySingleAsync<long>("select count(*) from run_replies"), Is.Zero);
        Assert.That(await Database.Keys.FindAsync(Key(), None), Is.Null);
    }

    [Test]
    public async Task SettleUnfinishedAsync_RunOfADeadProcess_CountsWhatIsKnownOfIt()
    {
        var run = await BeginAsync("run-1", Claims(tokens: 900, cost: 1m));
        await AppendAsync(run, NewAttempt());
        Database.Restart();

        await Database.SettleUnfinishedAsync(At(60));

        Assert.That((await GetWindowsAsync())[1], Is.EqualTo(("user anna day", 1, 11, 0.000022m)));
    }

    [Test]
    public async Task SettleUnfinishedAsync_ChatWasDeletedBefore_GivesTheRestBack()
    {
        var run = await BeginAsync(NewId(), Claims(tokens: 900, cost: 1m));
        await AppendAsync(run, NewAttempt());
        await Database.Chats.DeleteAsync(Anna, ChatId, None);
        Database.Restart();

        await Database.SettleUnfinishedAsync(At(60));

        Assert.That((await GetWindowsAsync())[1], Is.EqualTo(("user anna day", 1, 11, 0.000022m)));
        Assert.That(await CountReservationsAsync(), Is.Zero);
    }

    [Test]
    public async Task ContinueUnfinishedAsync_Run_IsSettledAtItsEndWithTheAttemptsOfBothProcesses()
    {
        var run = await BeginAsync("run-1", Claims(tokens: 900));
        await AppendAsync(run, NewAttempt());
        Database.Restart();

        var interrupted = await Database.ContinueUnfinishedAsync(At(60));
        var reserved = (await GetWindowsAsync())[1];
        await Database.Runs.FinishAsync(Reply(run, 1) with { Attempt = 2, Attempts = [Completed(interrupted[0].Run.Attempt)], LeaseNumber = 2 }, None);

        Assert.That(reserved, Is.EqualTo(("user anna day", 1, 900, 0m)));
        Assert.That((await GetWindowsAsync())[1], Is.EqualTo(("user anna day", 1, 36, 0.000092m)));
    }

    [Test]
    public async Task DeleteExpiredAsync_Windows_KeepsThoseThatMayStillBeSettled()
    {
        await StartAsync("run-1", Claims());

        var tooEarly = await Database.Budgets.DeleteExpiredAsync(Start.AddDays(2).AddHours(1), 10, None);
        var afterDays = await Database.Budgets.DeleteExpiredAsync(Start.AddDays(3), 10, None);
        var left = await GetWindowsAsync();
        var afterMonths = await Database.Budgets.DeleteExpiredAsync(Start.AddDays(40), 10, None);

        Assert.That((tooEarly, afterDays, afterMonths), Is.EqualTo((1, 1, 1)));
        Assert.That(left.Select(w => w.Window), Is.EqualTo(new[] { "model fast month" }));
    }

    [Test]
    public async Task DeleteExpiredAsync_ManyWindows_RemovesOnlySoManyOfALength()
    {
        for (var i = 0; i < 5; i++)
            await StartAsync($"run-{i}", new BudgetClaims([new BudgetClaim(Minute with { StartsAt = At(60 * i) }, Requests: 1)], 0, 0));

        Assert.That(await Database.Budgets.DeleteExpiredAsync(Start.AddDays(9), 2, None), Is.EqualTo(2));
        Assert.That(await GetWindowsAsync(), Has.Count.EqualTo(3));
    }

    private static BudgetClaims Claims(long tokens = 10, decimal cost = 0) => new(
        [
            new BudgetClaim(Minute, Requests: 3),
            new BudgetClaim(Day, Tokens: 1000, Money: 5),
            new BudgetClaim(Month, Money: 7),
        ], tokens, cost);

    private static Attempt Failed(int number) => NewAttempt(number, AttemptOutcome.Failed) with { Error = ProviderError.Timeout, CompletedAt = At(2) };

    private static Attempt Completed(int number) =>
        NewAttempt(number, AttemptOutcome.Completed) with { Usage = new TokenUsage(20, 5), Price = new ModelPrice(1m, 10m), CompletedAt = At(2) };

    private Task<RunAdmission> StartAsync(string id, BudgetClaims? claims, AiChat.Core.Idempotency.IdempotencyKey? key = null) =>
        Database.Runs.StartAsync(NewRun(id, ChatId) with { Claims = claims, Key = key }, None);

    private async Task<NewRun> BeginAsync(string id, BudgetClaims claims)
    {
        await StartAsync(id, claims);
        return NewRun(id, ChatId);
    }

    private Task<long> CountReservationsAsync() => Database.QuerySingleAsync<long>("select count(*) from budget_reservations");

    private async Task<IReadOnlyList<(string Window, long Requests, long Tokens, decimal Cost)>> GetWindowsAsync()
    {
        var rows = await Database.QueryAsync<(string, long, long, long)>(
            "select scope || ' ' || subject || ' ' || period, requests, tokens, cost from budget_windows order by scope, subject, period, starts_at");
        return [.. rows.Select(r => (r.Item1, r.Item2, r.Item3, r.Item4 / 1_000_000_000_000m))];
    }
}
