using AiChat.Core.Budgets;
using AiChat.Core.Chats;
using AiChat.Core.Models;
using AiChat.Core.Nodes;
using AiChat.Core.Runs;
using AiChat.Tests.Infrastructure.Persistence;

namespace AiChat.Tests.Infrastructure.Runs;

/// <summary>Two processes at the same rows in the same moment.</summary>
[TestFixtureSource(typeof(TestDatabase), nameof(TestDatabase.Engines))]
public sealed class RunRaceTests(Engine engine) : RepositoryTestBase(engine)
{
    private const string ChatId = "chat-1";
    private const int Many = 50;
    private const int Rounds = 20;

    private static readonly TimeSpan Lease = TimeSpan.FromMinutes(5);
    private static readonly BudgetWindow ModelDay = BudgetWindow.At(Start, BudgetScope.Model, "fast", BudgetPeriod.Day);

    private readonly Node other = new();

    [SetUp]
    public Task CreateChat() => CreateChatAsync(ChatId);

    [Test]
    public async Task StartAsync_ManyIntoOneChat_AreAsManyAsTheLimitAllowsWithoutGaps()
    {
        var rule = new RunAdmissionRule(MostUnfinished: 10);

        var admissions = await InParallelAsync(i => Process(i).StartAsync(NewRun($"run-{i}", ChatId) with { Admission = rule }, None));

        var accepted = admissions.OfType<RunAdmission.Accepted>().OrderBy(a => a.Place.UserSequence).ToList();
        var active = await Database.QuerySingleAsync<string>("select active_run_id from chats");
        Assert.That(accepted.Select(a => a.Place.UserSequence), Is.EqualTo(Enumerable.Range(0, 11).Select(i => (2 * i) + 1)));
        Assert.That(accepted.Select(a => a.BusyWith), Is.EqualTo(Enumerable.Repeat(active, 10).Prepend(null)));
        Assert.That(admissions.OfType<RunAdmission.Busy>(), Is.All.EqualTo(new RunAdmission.Busy(active)).And.Exactly(Many - 11).Items);
        Assert.That(await Database.QueryAsync<string>("select id from runs where status = 'in_progress'"), Is.EqualTo(new[] { active }));
        Assert.That((await Database.Chats.GetAsync(Anna, ChatId, None))!.MessageCount, Is.EqualTo(22));
    }

    [Test]
    public async Task FinishAsync_WhileOthersStart_EveryRunGetsItsTurnOnce()
    {
        var turns = await InParallelAsync(async i =>
        {
            var run = NewRun($"run-{i}", ChatId);
            var accepted = (RunAdmission.Accepted)await Process(i).StartAsync(run, None);
            return accepted.BusyWith is null ? await FinishInTurnAsync(Process(i), run.Id) : [];
        });

        Assert.That(turns.SelectMany(t => t), Is.EquivalentTo(Enumerable.Range(0, Many).Select(i => $"run-{i}")));
        Assert.That(await Database.QueryAsync<string>("select active_run_id from chats where active_run_id is not null"), Is.Empty);
        Assert.That(await Database.QueryAsync<string>("select id from runs where status <> 'completed'"), Is.Empty);
    }

    [Test]
    public async Task FinishAsync_QueuedRunsAreCancelledMeanwhile_NoTurnIsLost()
    {
        var runs = Enumerable.Range(0, Many).Select(i => NewRun($"run-{i:00}", ChatId)).ToList();
        foreach (var run in runs)
            await Database.Runs.StartAsync(run, None);

        await InParallelAsync(async i =>
        {
            // Every second one is cancelled where it waits; the first begins the chain of the others.
            if (i % 2 == 1)
                await FinishInTurnAsync(Process(1), runs[i].Id, RunStatus.Cancelled);
            else if (i == 0)
                await FinishInTurnAsync(Process(0), runs[0].Id);
            return i;
        });

        Assert.That(await Database.QueryAsync<string>("select id from runs where completed_at is null"), Is.Empty);
        Assert.That(await Database.QueryAsync<string>("select active_run_id from chats where active_run_id is not null"), Is.Empty);
    }

    [Test]
    public async Task StartAsync_ManyWithOneKey_OneIsAcceptedAndTheOthersAreToldOfIt()
    {
        var admissions = await InParallelAsync(i => Process(i).StartAsync(NewRun($"run-{i}", ChatId) with { Key = Key() }, None));

        var runId = await Database.QuerySingleAsync<string>("select id from runs");
        Assert.That(admissions.OfType<RunAdmission.Accepted>(), Has.Exactly(1).Items);
        Assert.That(admissions.OfType<RunAdmission.KeyTaken>().Select(t => t.Earlier.ResourceId), Is.All.EqualTo(runId).And.Exactly(Many - 1).Items);
    }

    [Test]
    public async Task StartAsync_ClaimsOfUsersAndModelInAnyOrder_StayWithinEveryBudget()
    {
        await CreateChatsAsync();

        var admissions = await InParallelAsync(i => Process(i).StartAsync(
            NewRun($"run-{i}", $"own-{i}") with { Claims = Claims(i, userTokens: 700, modelTokens: 1200, tokens: 100) }, None));

        Assert.That(admissions.OfType<RunAdmission.Accepted>(), Has.Exactly(12).Items);
        Assert.That(admissions.OfType<RunAdmission.OverBudget>(), Has.Exactly(Many - 12).Items);
        Assert.That(await GetTokensAsync(), Is.All.LessThanOrEqualTo(1200));
        Assert.That((await GetTokensAsync())[0], Is.EqualTo(1200));
        Assert.That((await GetTokensAsync()).Skip(1), Is.All.LessThanOrEqualTo(700));
        Assert.That((await GetTokensAsync()).Skip(1).Sum(), Is.EqualTo(1200));
    }

    [Test]
    public async Task FinishAsync_WhileOthersClaim_BudgetsAreExactAndNobodyWaitsForEachOther()
    {
        await CreateChatsAsync();

        await InParallelAsync(async i =>
        {
            var run = NewRun($"run-{i}", $"own-{i}") with { Claims = Claims(i, userTokens: 1_000_000, modelTokens: 1_000_000, tokens: 100) };
            await Process(i).StartAsync(run, None);
            var used = NewAttempt(1, AttemptOutcome.Completed) with { Usage = new TokenUsage(20, 5), CompletedAt = At(2) };
            return await Process(i).FinishAsync(Reply(run, 1) with { Attempts = [used] }, None);
        });

        Assert.That(await GetTokensAsync(), Is.EqualTo(new long[] { 25 * Many, 25 * Many / 2, 25 * Many / 2 }));
        Assert.That(await Database.CountDeadlocksAsync(), Is.Zero);
    }

    [Test]
    public async Task RetryAsync_TwoAtOnce_BeginOneAttempt()
    {
        var run = await BeginAsync("run-1", ChatId);
        for (var attempt = 2; attempt < 2 + Rounds; attempt++)
        {
            await Database.Runs.FinishAsync(Failure(run, 1) with { Attempt = attempt - 1, LeaseNumber = attempt - 1 }, None);

            var admissions = await Task.WhenAll(
                Database.Runs.RetryAsync(Retry(run, attempt), None), Database.RunsOf(other).RetryAsync(Retry(run, attempt), None));

            Assert.That(admissions, Is.EquivalentTo(new RunAdmission[]
            {
                new RunAdmission.Accepted(new RunPlace(1, 2), BusyWith: null) { LeaseNumber = attempt }, new RunAdmission.NotRetryable(),
            }));
        }
    }

    [Test]
    public async Task GetNewestOrCreateAsync_ManyAtOnce_MakesOneChat()
    {
        var chats = await InParallelAsync(i => Database.Chats.GetNewestOrCreateAsync(NewChat($"new-{i}", Bob), None));

        Assert.That(chats.Select(c => c.Id).Distinct(), Has.Exactly(1).Items);
        Assert.That((await Database.Chats.ListAsync(Bob, 10, after: null, None)).Total, Is.EqualTo(1));
    }

    [Test]
    public async Task StartAsync_TwoProcessesAnswerAMessage_OneDoes()
    {
        await AddQuestionAsync("question");

        var admissions = await InParallelAsync(i => Process(i).StartAsync(Answer($"run-{i}"), None));

        var runId = await Database.QuerySingleAsync<string>("select id from runs");
        Assert.That(admissions.OfType<RunAdmission.Accepted>(), Has.Exactly(1).Items);
        Assert.That(admissions.OfType<RunAdmission.AlreadyAnswered>().Select(a => a.RunId), Is.All.EqualTo(runId).And.Exactly(Many - 1).Items);
    }

    [Test]
    public async Task StartAsync_MessageComesAtTheSameMoment_StandsBehindTheReplyOrOvertakesIt()
    {
        for (var i = 0; i < Rounds; i++)
        {
            var chat = await CreateChatAsync($"round-{i}");
            await AddQuestionAsync($"question-{i}", chat.Id);

            var answering = Database.Runs.StartAsync(Answer($"run-{i}", chat.Id), None);
            await Task.WhenAll(answering, AddQuestionAsync($"later-{i}", chat.Id));

            var later = await Database.QuerySingleAsync<int>("select sequence from messages where id = @Id", new { Id = $"later-{i}" });
            Assert.That((await answering, later), Is.EqualTo(((RunAdmission)new RunAdmission.Accepted(new RunPlace(1, 2), BusyWith: null), 3))
                .Or.EqualTo(((RunAdmission)new RunAdmission.Overtaken(), 2)));
        }
    }

    /// <summary>Either the owner's end comes first or the other process takes the run; the other one's word changes nothing then.</summary>
    [Test]
    public async Task FinishAsync_RunIsTakenOverAtTheSameMoment_OneOfThemEndsIt()
    {
        for (var i = 0; i < Rounds; i++)
        {
            var chat = await CreateChatAsync($"round-{i}");
            var run = await BeginAsync($"run-{i}", chat.Id, new RunText("", 4, 0, "Hel"));

            var finishing = Database.Runs.FinishAsync(Reply(run, 1, "Hello") with { Attempts = [NewAttempt(1, AttemptOutcome.Completed)], HasFlushed = true }, None);
            await Task.WhenAll(finishing, SettleAsync(Database.RunsOf(other)));

            var stored = (await Database.Runs.GetAsync(Anna, run.Id, None))!;
            Assert.That(((await finishing).Outcome, stored.Status, stored.Reply), Is.EqualTo((FinishOutcome.Stored, RunStatus.Completed, "Hello"))
                .Or.EqualTo((FinishOutcome.TakenOver, RunStatus.Incomplete, "Hel")));
            Assert.That(stored.Attempts, Has.Exactly(stored.Status == RunStatus.Completed ? 1 : 0).Items);
        }
    }

    [Test]
    public async Task AppendAsync_RunIsTakenOverAtTheSameMoment_LeavesNothingBehindItsEnd()
    {
        var runs = new List<NewRun>();
        for (var i = 0; i < Rounds; i++)
            runs.Add(await BeginAsync($"run-{i}", (await CreateChatAsync($"round-{i}")).Id));

        await Task.WhenAll(runs.Select(WriteAsync).Append(SettleAsync(Database.RunsOf(other))));

        Assert.That(await Database.QueryAsync<string>("select run_id from attempts where outcome = 'in_progress'"), Is.Empty);
        Assert.That(await GetEventsAsync(), Is.Empty);
        Assert.That(await Database.QueryAsync<string>("select id from runs where status <> 'incomplete'"), Is.Empty);

        async Task WriteAsync(NewRun run)
        {
            for (var n = 1; n <= 5; n++)
            {
                var progress = new RunProgress { Run = run, Texts = [new RunText(run.Id, 2 * n, n, "x")], Attempts = [NewAttempt(n)] };
                await Database.Runs.AppendAsync([progress with { Texts = [] }], None);
                await Database.Runs.AppendAsync([progress], None);
            }
        }
    }

    [Test]
    public async Task TakeOverAsync_TwoSurvivors_EachRunGoesToOneOfThem()
    {
        var third = new Node();
        await Database.NodesOf(other).RenewAsync(Lease, None);
        await Database.NodesOf(third).RenewAsync(Lease, None);
        for (var i = 0; i < Rounds; i++)
            await BeginAsync($"run-{i}", (await CreateChatAsync($"round-{i}")).Id);

        var taken = await Task.WhenAll(Database.RunsOf(other).TakeOverAsync(None), Database.RunsOf(third).TakeOverAsync(None));

        var held = (await Database.RunsOf(other).GetHeldAsync(None)).Concat(await Database.RunsOf(third).GetHeldAsync(None)).ToList();
        Assert.That(taken.Sum(), Is.EqualTo(Rounds));
        Assert.That(held.Select(h => h.Id), Is.EquivalentTo(Enumerable.Range(0, Rounds).Select(i => $"run-{i}")));
        Assert.That(held.Select(h => h.LeaseNumber), Is.All.EqualTo(2));
    }

    [Test]
    public async Task TakeOverAsync_ProcessThatLives_KeepsItsRuns()
    {
        await Database.Nodes.RenewAsync(Lease, None);
        await BeginAsync("run-1", ChatId);

        Assert.That(await Database.RunsOf(other).TakeOverAsync(None), Is.Zero);
        Assert.That(await Database.RunsOf(other).GetHeldAsync(None), Is.Empty);
        Assert.That((await Database.Runs.GetHeldAsync(None)).Select(h => (h.Id, h.LeaseNumber)), Is.EqualTo(new[] { ("run-1", 1) }));
    }

    [Test]
    public async Task SettleAsync_QueueOfDeadAndLiving_PassesTheTurnToTheOneThatLives()
    {
        var living = new Node();
        await Database.NodesOf(living).RenewAsync(Lease, None);
        await Database.NodesOf(other).RenewAsync(Lease, None);
        await BeginAsync("run-1", ChatId);
        await BeginAsync("run-2", ChatId);
        await Database.RunsOf(living).StartAsync(NewRun("run-3", ChatId), None);

        var next = await SettleAsync(Database.RunsOf(other));

        Assert.That(next, Is.EqualTo(new NextRun?[] { new NextRun("run-2", 1), new NextRun("run-3", 1) }));
        Assert.That((await Database.RunsOf(living).GetHeldAsync(None)).Select(h => (h.Id, h.Status, h.LeaseNumber)), Is.EqualTo(new[]
        {
            ("run-3", RunStatus.InProgress, 1),
        }));
        Assert.That(await Database.QueryAsync<string>("select status from runs order by id"), Is.EqualTo(new[] { "incomplete", "incomplete", "in_progress" }));
    }

    [Test]
    public async Task SettleAsync_CancelWasAskedFor_EndsAsCancelled()
    {
        await BeginAsync("run-1", ChatId, new RunText("", 4, 0, "Hel"));
        var isAsked = await Database.RunsOf(other).RequestCancelAsync(Anna, "run-1", At(3), None);

        await SettleAsync(Database.RunsOf(other));

        var run = (await Database.Runs.GetAsync(Anna, "run-1", None))!;
        Assert.That((isAsked, run.Status, run.Error!.Code, run.Reply), Is.EqualTo((true, RunStatus.Cancelled, RunError.Cancelled, "Hel")));
        Assert.That((await Database.Messages.GetPageAsync(Anna, ChatId, default, 10, None))!.Messages[1].Status, Is.EqualTo(MessageStatus.Cancelled));
    }

    [TestCase("run-1", Bob)]
    [TestCase("run-2", Anna)]
    public async Task RequestCancelAsync_NotTheUsersRun_ChangesNothing(string runId, string userId)
    {
        await BeginAsync("run-1", ChatId);

        Assert.That(await Database.RunsOf(other).RequestCancelAsync(userId, runId, At(3), None), Is.False);
        Assert.That((await Database.Runs.GetHeldAsync(None)).Select(h => h.IsCancelRequested), Is.EqualTo(new[] { false }));
    }

    [Test]
    public async Task EndOrphanedAsync_RunsThatLiveOrAreYoung_KeepTheirAttempts()
    {
        var (living, orphan, young) = (NewId(at: 1), NewId(at: 2), NewId(at: 100));
        await AppendAsync(await BeginAsync(living, ChatId), NewAttempt());
        await CreateChatAsync("chat-2");
        await AppendAsync(await BeginAsync(orphan, "chat-2"), NewAttempt());
        await AppendAsync(await BeginAsync(young, "chat-2"), NewAttempt());
        await Database.Chats.DeleteAsync(Anna, "chat-2", None);

        await Database.RunsOf(other).EndOrphanedAsync(begunBefore: At(60), now: At(70), None);

        Assert.That(await Database.QueryAsync<(string, string)>("select run_id, outcome from attempts order by run_id"), Is.EqualTo(new[]
        {
            (living, "in_progress"), (orphan, "incomplete"), (young, "in_progress"),
        }));
    }

    private static Task<T[]> InParallelAsync<T>(Func<int, Task<T>> act) => Task.WhenAll(Enumerable.Range(0, Many).Select(i => Task.Run(() => act(i))));

    /// <summary>Takes over from the dead and settles what they left; the turns that were handed on.</summary>
    private static async Task<List<NextRun?>> SettleAsync(IRunRepository survivor)
    {
        await survivor.TakeOverAsync(None);
        var next = new List<NextRun?>();
        foreach (var run in await survivor.GetHeldAsync(None))
            next.Add((await survivor.SettleAsync(run.Id, run.LeaseNumber, At(60), None)).Next);
        return next;
    }

    private static NewRun Answer(string id, string chatId = ChatId) => NewRun(id, chatId) with { UserMessageId = "question", UserSequence = 1 };

    private static BudgetClaims Claims(int i, long userTokens, long modelTokens, long tokens)
    {
        var user = new BudgetClaim(BudgetWindow.At(Start, BudgetScope.User, i % 2 == 0 ? Anna : Bob, BudgetPeriod.Day), Tokens: userTokens);
        var model = new BudgetClaim(ModelDay, Tokens: modelTokens);
        return new BudgetClaims(i % 4 < 2 ? [user, model] : [model, user], tokens, Cost: 0);
    }

    private IRunRepository Process(int i) => i % 2 == 0 ? Database.Runs : Database.RunsOf(other);

    /// <summary>Ends a run and those whose turn comes by that, until none waits; their ids.</summary>
    private async Task<List<string>> FinishInTurnAsync(IRunRepository process, string runId, RunStatus status = RunStatus.Completed)
    {
        var finished = new List<string>();
        for (var next = new NextRun(runId, 1); ; status = RunStatus.Completed)
        {
            var place = (await Database.Runs.GetAsync(Anna, next.Id, None))!.Place;
            var end = await process.FinishAsync(Reply(NewRun(next.Id, ChatId), place.UserSequence) with { Status = status }, None);
            finished.Add(next.Id);
            if (end.Next is not { } following)
                return finished;
            next = following;
        }
    }

    private async Task CreateChatsAsync()
    {
        for (var i = 0; i < Many; i++)
            await CreateChatAsync($"own-{i}");
    }

    /// <summary>What is taken of the model's window and of those of the users.</summary>
    private Task<IReadOnlyList<long>> GetTokensAsync() => Database.QueryAsync<long>("select tokens from budget_windows order by scope, subject");

    private Task<MessageAdmission> AddQuestionAsync(string id, string chatId = ChatId) => Database.Messages.AddAsync(
        id, new NewMessage { ChatId = chatId, UserId = Anna, Role = MessageRole.User, Content = "Hi" }, key: null, At(1), None);
}
