using AiChat.Core.Errors;
using AiChat.Core.Nodes;
using AiChat.Core.Runs;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Moq;

namespace AiChat.Tests.Core.Runs;

public sealed class RunRecoveryTests : RunTestBase
{
    private LoggerFactory loggers = null!;
    private RunRecovery recovery = null!;

    [SetUp]
    public void SetUp()
    {
        loggers = new LoggerFactory([Log]);
        recovery = new RunRecovery(Runs.Object, Executor, Registry, Options.Create(Settings), Time, loggers.CreateLogger<RunRecovery>());
    }

    [TearDown]
    public void TearDown() => loggers.Dispose();

    [Test]
    public async Task SyncAsync_Settle_MarksWhatWasUnfinished()
    {
        Log.Expect("2 replies were unfinished when their process ended; they are marked incomplete");
        Holds(new HeldRun("run-1", "chat-1", RunStatus.InProgress, 2, false), new HeldRun("run-2", "chat-2", RunStatus.InProgress, 2, false));
        Runs.Setup(r => r.SettleAsync(It.IsAny<string>(), 2, Time.GetUtcNow(), It.IsAny<CancellationToken>())).ReturnsAsync(new FinishedRun(FinishOutcome.Stored, Next: null));

        await recovery.SyncAsync(None);

        Assert.That(Executor.Active, Is.Empty);
    }

    [Test]
    public async Task SyncAsync_SettleAndNothingWasUnfinished_SaysNothing()
    {
        Holds();

        await recovery.SyncAsync(None);

        Assert.That(Log.Entries, Is.Empty);
    }

    [Test]
    public async Task SyncAsync_ContinueAndNothingWasUnfinished_SaysNothing()
    {
        HasInterrupted();

        await recovery.SyncAsync(None);

        Assert.That(Log.Entries, Is.Empty);
    }

    [Test]
    public async Task SyncAsync_Continue_FinishesTheReply()
    {
        Log.Expect("1 replies were unfinished when their process ended; they go on");
        HasInterrupted(Interrupted("run-1", "Once upon"));
        var sent = default(IReadOnlyList<ChatMessage>);
        Answers((messages, _) =>
        {
            sent = messages;
            return Task.FromResult(Reply(" a time"));
        });

        await recovery.SyncAsync(None);
        await RunClockUntilAsync(Executor.StopAsync(None));

        Assert.That(sent!.Select(m => $"{m.Role}: {m.Text}"), Is.EqualTo(new[] { "system: Be kind.", "user: Question of run-1?", "assistant: Once upon" }));
        Assert.That((Stored.Single().RunId, Stored.Single().Status, Stored.Single().Reply), Is.EqualTo(("run-1", RunStatus.Completed, "Once upon a time")));
    }

    [Test]
    public async Task SyncAsync_Continue_FollowersGoOnBehindTheSeam()
    {
        Log.Expect("they go on");
        var model = StreamsWhatIsWritten();
        HasInterrupted(Interrupted("run-1", "Once upon"));
        await recovery.SyncAsync(None);
        var run = await Service.FindAsync(UserId, "run-1", None);

        model.TryWrite(" a time");
        model.Complete();
        await InTime(run!.Completion);

        Assert.That(await run.FollowAsync(after: 10, None).Select(LogReader.Show).ToArrayAsync(), Is.EqualTo(new[]
        {
            $"{RunLog.CrashGap + 10} continued 9 2", $"{RunLog.CrashGap + 17} delta 9 ' a time'", $"{RunLog.CrashGap + 18} ended Completed",
        }));
    }

    /// <summary>The database fails for one of them each time; those behind it, of its chat and of others, do not wait for that.</summary>
    [Test]
    public void SyncAsync_SettleFailsForSome_SettlesTheOthersAndThrowsTheFirstFailure()
    {
        Log.Expect("2 replies were unfinished when their process ended; they are marked incomplete");
        Holds(
            new HeldRun("run-1", "chat-1", RunStatus.InProgress, 2, false), new HeldRun("run-2", "chat-1", RunStatus.Queued, 2, false),
            new HeldRun("run-3", "chat-2", RunStatus.InProgress, 2, false));
        Runs.Setup(r => r.SettleAsync(It.IsAny<string>(), 2, Time.GetUtcNow(), It.IsAny<CancellationToken>())).ReturnsAsync(new FinishedRun(FinishOutcome.Stored, Next: null));
        Runs.Setup(r => r.SettleAsync("run-1", 2, Time.GetUtcNow(), It.IsAny<CancellationToken>())).ThrowsAsync(new IOException("disk"));

        Assert.That(Assert.ThrowsAsync<IOException>(() => recovery.SyncAsync(None)).Message, Is.EqualTo("disk"));

        Assert.That(Signals.Sent.Select(s => s.Id), Is.EquivalentTo(new[] { "run-2", "run-3" }));
    }

    [Test]
    public async Task SyncAsync_ContinueFailsForSome_GoesOnWithTheOthersAndThrowsTheFirstFailure()
    {
        Log.Expect("1 replies were unfinished when their process ended; they go on");
        HasInterrupted(Interrupted("run-1", "Once"), Interrupted("run-2", "Twice"), Interrupted("run-3", "Thrice"));
        Runs.Setup(r => r.ContinueAsync("run-1", It.IsAny<int>(), Time.GetUtcNow(), None)).ThrowsAsync(new IOException("disk"));
        Runs.Setup(r => r.ContinueAsync("run-2", It.IsAny<int>(), Time.GetUtcNow(), None)).ThrowsAsync(new IOException("other disk"));

        Assert.That(Assert.ThrowsAsync<IOException>(() => recovery.SyncAsync(None)).Message, Is.EqualTo("disk"));
        await RunClockUntilAsync(Executor.StopAsync(None));

        Assert.That(Stored.Select(r => r.RunId), Is.EqualTo(new[] { "run-3" }));
    }

    [Test]
    public async Task SyncAsync_ContinueWithAQueue_AnswersItInOrder()
    {
        Log.Expect("2 replies were unfinished");
        HasInterrupted(Interrupted("run-1", "Once"), Queued("run-2"));
        FinishesRuns((result, _) => Task.FromResult(
            new FinishedRun(FinishOutcome.Stored, result.RunId == "run-1" ? new NextRun("run-2", Attempt: 1) : null)));

        await recovery.SyncAsync(None);
        await RunClockUntilAsync(Executor.StopAsync(None));

        Assert.That(Stored.Select(r => (r.RunId, r.AssistantSequence, r.Reply)), Is.EqualTo(new[] { ("run-1", 2, "OnceHello!"), ("run-2", 4, "Hello!") }));
    }

    [Test]
    public async Task SyncAsync_ContinueWithAQueue_LetsItWaitForItsTurn()
    {
        Log.Expect("2 replies were unfinished");
        var model = StreamsWhatIsWritten();
        HasInterrupted(Interrupted("run-1", "Once"), Queued("run-2"));

        await recovery.SyncAsync(None);

        Assert.That(Executor.Active.Select(r => r.Run.Id), Is.EquivalentTo(new[] { "run-1", "run-2" }));
        Assert.That(Model.Invocations, Has.Count.EqualTo(1));
        model.Complete();
        Executor.Find("run-2")!.Stop(RunStopReason.Cancelled);
        await RunClockUntilAsync(Executor.StopAsync(None));
    }

    [Test]
    public async Task SyncAsync_ContinueAndAQueuedRunIsCancelled_EndsItWithoutATurn()
    {
        Log.Expect("1 replies were unfinished");
        HasInterrupted(Queued("run-2"));
        await recovery.SyncAsync(None);

        Executor.Find("run-2")!.Stop(RunStopReason.Cancelled);
        await RunClockUntilAsync(Executor.StopAsync(None));

        Assert.That((Stored.Single().Status, Stored.Single().AssistantSequence), Is.EqualTo((RunStatus.Cancelled, 4)));
    }

    [TestCase("smart", "oss-120b")]
    [TestCase("gone", "oss-20b")]
    public async Task SyncAsync_Continue_AsksTheRunsModelElseTheDefault(string alias, string expected)
    {
        Log.Expect("they go on");
        var interrupted = Interrupted("run-1", "Once");
        HasInterrupted(interrupted with { Run = interrupted.Run with { Alias = alias } });

        await recovery.SyncAsync(None);
        await RunClockUntilAsync(Executor.StopAsync(None));

        Assert.That(Stored.Single().Model, Is.EqualTo(expected));
    }

    [Test]
    public async Task SyncAsync_ReplyUnderWhichProcessesKeepDying_IsLeftIncomplete()
    {
        Log.Expect("1 replies were unfinished");
        Log.Expect("it was gone on with 3 times");
        var interrupted = Interrupted("run-1", "Once");
        HasInterrupted(interrupted with
        {
            Run = interrupted.Run with { Marks = [.. Enumerable.Range(1, 4).Select(i => new RunContinued(5 + (i * RunLog.CrashGap), 4, i + 1))] },
        });

        await recovery.SyncAsync(None);
        await RunClockUntilAsync(Executor.StopAsync(None));

        Assert.That(Model.Invocations, Is.Empty);
        Assert.That((Stored.Single().Status, Stored.Single().Reply, Stored.Single().Error!.Code), Is.EqualTo((RunStatus.Incomplete, "Once", "run_interrupted")));
    }

    /// <summary>Models that broke off say nothing against the reply.</summary>
    [Test]
    public async Task SyncAsync_ReplyThatSeveralModelsBrokeOff_GoesOn()
    {
        Log.Expect("1 replies were unfinished");
        var interrupted = Interrupted("run-1", "Once");
        HasInterrupted(interrupted with
        {
            Run = interrupted.Run with
            {
                Marks = [new RunContinued(3, 1, 2), new RunContinued(5, 2, 3), new RunContinued(7, 3, 4), new RunContinued(8 + RunLog.CrashGap, 4, 5)],
            },
        });

        await recovery.SyncAsync(None);
        await RunClockUntilAsync(Executor.StopAsync(None));

        Assert.That(Model.Invocations, Has.Count.EqualTo(1));
        Assert.That(Stored.Single().Status, Is.EqualTo(RunStatus.Completed));
    }

    [Test]
    public void SyncAsync_DatabaseFails_SaysSo()
    {
        Runs.Setup(r => r.GetHeldAsync(None)).ThrowsAsync(new IOException("disk"));

        Assert.ThrowsAsync<IOException>(() => recovery.SyncAsync(None));
    }

    [Test]
    public async Task SyncAsync_RunThatAnotherProcessHas_IsStopped()
    {
        Log.Expect("was taken over by another process");
        var run = await StartEndlessAsync(FinishOutcome.TakenOver);
        Holds();

        await recovery.SyncAsync(None);

        Assert.That(Assert.ThrowsAsync<UnavailableException>(() => InTime(run.Completion))!.RetryAfter, Is.Null);
        Assert.That(Executor.Find(run.RunId), Is.Null);
    }

    /// <summary>It was taken from this process, and came back when the one that had it died.</summary>
    [Test]
    public async Task SyncAsync_RunThatWasTakenAndCameBack_IsStoppedHereFirst()
    {
        Log.Expect("was taken over by another process");
        var run = await StartEndlessAsync(FinishOutcome.TakenOver);
        Holds(new HeldRun(run.RunId, ChatId, RunStatus.InProgress, 3, IsCancelRequested: false));

        await recovery.SyncAsync(None);

        Assert.ThrowsAsync<UnavailableException>(() => InTime(run.Completion));
    }

    [Test]
    public async Task SyncAsync_RunThatIsExecutedHere_GoesOn()
    {
        var run = await StartEndlessAsync(FinishOutcome.Stored);
        Holds(new HeldRun(run.RunId, ChatId, RunStatus.InProgress, 1, IsCancelRequested: false));

        await recovery.SyncAsync(None);

        Assert.That(Executor.Find(run.RunId)!.Stopped.IsCancellationRequested, Is.False);
        Executor.Find(run.RunId)!.Stop(RunStopReason.Cancelled);
        await InTime(run.Completion);
    }

    [Test]
    public async Task SyncAsync_SomebodyAskedForACancel_CancelsTheRun()
    {
        var run = await StartEndlessAsync(FinishOutcome.Stored);
        Holds(new HeldRun(run.RunId, ChatId, RunStatus.InProgress, 1, IsCancelRequested: true));

        await recovery.SyncAsync(None);

        Assert.That((await InTime(run.Completion)).Status, Is.EqualTo(RunStatus.Cancelled));
    }

    [TestCase(RunStatus.Queued, 0)]
    [TestCase(RunStatus.InProgress, 1)]
    public async Task SyncAsync_QueuedRun_BeginsWhenTheDatabaseSaysThatItsTurnCame(RunStatus status, int asked)
    {
        AcceptsRuns(new RunAdmission.Accepted(new RunPlace(3, 4), BusyWith: "run-of-another"));
        NeverAnswers();
        var run = (await Service.StartAsync(Send(), None))!;
        Holds(new HeldRun(run.RunId, ChatId, status, 1, IsCancelRequested: false));

        await recovery.SyncAsync(None);

        Assert.That(Model.Invocations, Has.Count.EqualTo(asked));
        Executor.Find(run.RunId)!.Stop(RunStopReason.Cancelled);
        await InTime(run.Completion);
    }

    [Test]
    public async Task SyncAsync_Settle_TellsTheFollowersAndHandsTheTurnOn()
    {
        Log.Expect("1 replies were unfinished");
        Holds(new HeldRun("run-1", ChatId, RunStatus.InProgress, 2, IsCancelRequested: false));
        Runs.Setup(r => r.SettleAsync("run-1", 2, Time.GetUtcNow(), It.IsAny<CancellationToken>()))
            .ReturnsAsync(new FinishedRun(FinishOutcome.Stored, new NextRun("run-of-another", Attempt: 1)));

        await recovery.SyncAsync(None);

        Assert.That(Signals.Sent, Is.EqualTo(new[]
        {
            new NodeSignal(NodeSignalKind.TurnCame, "run-of-another"), new NodeSignal(NodeSignalKind.RunChanged, "run-1"),
        }));
    }

    [Test]
    public async Task SyncAsync_RunEndedSinceItWasLookedUp_SaysNothing()
    {
        Holds(new HeldRun("run-1", ChatId, RunStatus.InProgress, 1, IsCancelRequested: false));
        Runs.Setup(r => r.SettleAsync("run-1", 1, Time.GetUtcNow(), It.IsAny<CancellationToken>())).ReturnsAsync(new FinishedRun(FinishOutcome.TakenOver, Next: null));

        await recovery.SyncAsync(None);

        Assert.That(Log.Entries, Is.Empty);
        Assert.That(Signals.Sent, Is.Empty);
    }

    /// <summary>A run that is executed here until it is stopped.</summary>
    private async Task<RunHandle> StartEndlessAsync(FinishOutcome outcome)
    {
        NeverAnswers();
        FinishesRuns((_, _) => Task.FromResult(new FinishedRun(outcome, Next: null)));
        return (await Service.StartAsync(Send(), None))!;
    }

    private static InterruptedRun Interrupted(string id, string text) => new()
    {
        UserId = UserId,
        Question = new RunQuestion($"Question of {id}?", "Be kind."),
        Run = NewStored(RunStatus.InProgress, text, lastSequence: null, attempt: 2) with
        {
            Id = id,
            Marks = [new RunContinued(RunLog.CrashGap + text.Length + 1, text.Length, Attempt: 2)],
        },
    };

    private static InterruptedRun Queued(string id) => new()
    {
        UserId = UserId,
        Question = new RunQuestion($"Question of {id}?", null),
        Run = NewStored(RunStatus.Queued, lastSequence: null) with { Id = id, Place = new RunPlace(3, 4) },
    };

    private void HasInterrupted(params InterruptedRun[] interrupted)
    {
        Settings.OnRestart = OnRestart.Continue;
        Holds([.. interrupted.Select(i => new HeldRun(i.Run.Id, i.Run.ChatId, i.Run.Status, i.Run.LeaseNumber, IsCancelRequested: false))]);
        foreach (var run in interrupted)
            Runs.Setup(r => r.ContinueAsync(run.Run.Id, run.Run.LeaseNumber, Time.GetUtcNow(), None)).ReturnsAsync(run);
    }

    private void Holds(params HeldRun[] held) => Runs.Setup(r => r.GetHeldAsync(None)).ReturnsAsync(held);
}
