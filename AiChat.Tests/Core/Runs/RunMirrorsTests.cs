using AiChat.Core.Errors;
using AiChat.Core.Nodes;
using AiChat.Core.Runs;
using Moq;

namespace AiChat.Tests.Core.Runs;

/// <summary>Followers of a run that another process executes, over a database that has of it what the test says.</summary>
public sealed class RunMirrorsTests : RunTestBase
{
    private readonly Lock gate = new();
    private SemaphoreSlim looks = null!;
    private List<RunText> texts = null!;
    private long? firstSequence;
    private bool isEnded;
    private Exception? refusal;

    [SetUp]
    public async Task SetUp()
    {
        looks = new SemaphoreSlim(0);
        (texts, firstSequence, isEnded, refusal) = ([], 1, false, null);
        Nodes.Setup(n => n.IsShared).Returns(true);
        HasRun(NewStored(RunStatus.InProgress, lastSequence: null));
        Runs.Setup(r => r.GetNewsAsync(It.IsAny<IReadOnlyList<RunCursor>>(), It.IsAny<CancellationToken>()))
            .Returns((IReadOnlyList<RunCursor> cursors, CancellationToken _) => LookAsync(cursors));
        await Mirrors.StartAsync(None);
    }

    [TearDown]
    public async Task TearDown()
    {
        await InTime(Mirrors.StopAsync(None));
        looks.Dispose();
    }

    [Test]
    public async Task Follow_TextIsStored_ShowsItWithItsSignal()
    {
        await using var reader = await FollowAsync();

        Stores(new RunText("run-1", 5, 0, "Once"));
        Signals.Receive(NodeSignalKind.RunChanged, "run-1");
        var first = await reader.NextAsync();
        Stores(new RunText("run-1", 10, 4, " upon"));
        Signals.Receive(NodeSignalKind.RunChanged, "run-1");

        Assert.That(LogReader.Show(first!), Is.EqualTo("5 delta 0 'Once'"));
        Assert.That(LogReader.Show((await reader.NextAsync())!), Is.EqualTo("10 delta 4 ' upon'"));
    }

    [Test]
    public async Task Follow_SignalIsLost_ShowsTheTextWithTheNextPoll()
    {
        await using var reader = await FollowAsync();

        Stores(new RunText("run-1", 5, 0, "Once"));
        Time.Advance(RunMirrors.PollInterval);

        Assert.That(LogReader.Show((await reader.NextAsync())!), Is.EqualTo("5 delta 0 'Once'"));
    }

    [Test]
    public async Task Follow_SignalsMayBeLost_LooksAtOnce()
    {
        await using var reader = await FollowAsync();

        Stores(new RunText("run-1", 5, 0, "Once"));
        Signals.Receive(NodeSignalKind.Missed, "");

        Assert.That(LogReader.Show((await reader.NextAsync())!), Is.EqualTo("5 delta 0 'Once'"));
    }

    [Test]
    public async Task Handle_RunThatNobodyFollowsHere_LooksAtNothing()
    {
        Signals.Receive(NodeSignalKind.RunChanged, "run-1");
        Time.Advance(RunMirrors.PollInterval);
        await using var reader = await FollowAsync();

        Assert.That(looks.CurrentCount, Is.Zero);
    }

    [Test]
    public async Task Follow_Twice_LooksOnceForBoth()
    {
        await using var first = await FollowAsync();
        await using var second = await FollowAsync();

        Stores(new RunText("run-1", 5, 0, "Once"));
        Signals.Receive(NodeSignalKind.RunChanged, "run-1");

        Assert.That(LogReader.Show((await first.NextAsync())!), Is.EqualTo("5 delta 0 'Once'"));
        Assert.That(LogReader.Show((await second.NextAsync())!), Is.EqualTo("5 delta 0 'Once'"));
        await InTime(looks.WaitAsync());
        Assert.That(looks.CurrentCount, Is.Zero);
    }

    [Test]
    public async Task Follow_RunEnds_ShowsTheRestAndTheEnd()
    {
        var run = await Service.FindAsync(UserId, "run-1", None);
        await using var reader = await FollowAsync();

        Ends(NewStored(RunStatus.Completed, "Once upon", lastSequence: 11));

        Assert.That(LogReader.Show((await reader.NextAsync())!), Is.EqualTo("10 delta 0 'Once upon'"));
        Assert.That(LogReader.Show((await reader.NextAsync())!), Is.EqualTo("11 ended Completed"));
        Assert.That((await InTime(run!.WaitAsync(None))).Reply, Is.EqualTo("Once upon"));
    }

    [Test]
    public async Task Follow_RunFailed_SaysWhyToWhoeverWaits()
    {
        var run = await Service.FindAsync(UserId, "run-1", None);
        await InTime(looks.WaitAsync());

        Ends(NewStored(RunStatus.Failed, lastSequence: 2));

        Assert.That((await InTime(run!.Completion)).Error!.Code, Is.EqualTo("provider_timeout"));
    }

    [Test]
    public async Task Follow_ChatIsDeleted_EndsWithWhatWasStored()
    {
        await using var reader = await FollowAsync();
        Stores(new RunText("run-1", 5, 0, "Once"));
        Signals.Receive(NodeSignalKind.RunChanged, "run-1");
        await reader.NextAsync();

        firstSequence = null;
        Signals.Receive(NodeSignalKind.ChatDeleted, ChatId);

        var end = (RunEnded)(await reader.NextAsync())!;
        Assert.That((end.Result.Status, end.Result.Error!.Code, end.Result.Reply), Is.EqualTo((RunStatus.Cancelled, "chat_deleted", "Once")));
    }

    [Test]
    public async Task Follow_RunWasBegunAnewBeforeItsEndWasSeen_LetsTheFollowersGo()
    {
        var run = await Service.FindAsync(UserId, "run-1", None);
        await using var reader = await FollowAsync();

        firstSequence = 12;
        Signals.Receive(NodeSignalKind.RunChanged, "run-1");

        Assert.That(await reader.NextAsync(), Is.Null);
        Assert.ThrowsAsync<UnavailableException>(() => InTime(run!.Completion));
    }

    [Test]
    public async Task Follow_RunThatWasBegunAnew_FollowsTheNewAttempt()
    {
        await using var old = await FollowAsync();
        HasRun(NewStored(RunStatus.InProgress, lastSequence: null, attempt: 2) with { FirstSequence = 12 });
        firstSequence = 12;

        var run = await Service.FindAsync(UserId, "run-1", None);

        Assert.That(await old.NextAsync(), Is.Null);
        Assert.That(LogReader.Show(await run!.FollowAsync(after: 5, None).FirstAsync()), Is.EqualTo("12 started 2"));
    }

    [Test]
    public async Task Follow_DatabaseFails_SaysSoOnceAndGoesOn()
    {
        Log.Expect("cannot be read");
        await using var reader = await FollowAsync();
        refusal = UnavailableException.ForDatabase(new IOException());
        for (var i = 0; i < 3; i++)
        {
            Time.Advance(RunMirrors.PollInterval);
            await InTime(looks.WaitAsync());
        }

        refusal = null;
        Stores(new RunText("run-1", 5, 0, "Once"));
        Time.Advance(RunMirrors.PollInterval);

        Assert.That(LogReader.Show((await reader.NextAsync())!), Is.EqualTo("5 delta 0 'Once'"));
        Assert.That(Log.Entries.Count(e => e.Contains("cannot be read")), Is.EqualTo(1));
    }

    [Test]
    public async Task StopAsync_RunGoesOnElsewhere_LetsTheFollowersGoWithTheLastRunsOfThisProcess()
    {
        var run = await Service.FindAsync(UserId, "run-1", None);
        await using var reader = await FollowAsync();

        Lifetime.StopApplication();
        Time.Advance(Settings.ShutdownTimeout);

        Assert.That(await reader.NextAsync(), Is.Null);
        Assert.That(Assert.ThrowsAsync<UnavailableException>(() => InTime(run!.Completion))!.Code, Is.EqualTo("shutting_down"));
        Assert.That(
            Assert.ThrowsAsync<UnavailableException>(() => Service.FindAsync(UserId, "run-1", None))!.Code, Is.EqualTo("shutting_down"));
    }

    [Test]
    public async Task Cancel_RunOfAnotherProcess_AsksForItAndWaitsForTheEnd()
    {
        Runs.Setup(r => r.RequestCancelAsync(UserId, "run-1", Time.GetUtcNow(), It.IsAny<CancellationToken>())).ReturnsAsync(true);

        var cancel = Service.CancelAsync(UserId, "run-1", None);
        await InTime(looks.WaitAsync());
        var sent = Signals.Sent;
        Ends(NewStored(RunStatus.Cancelled, "Once", lastSequence: 6));

        Assert.That((await InTime(cancel))!.Status, Is.EqualTo(RunStatus.Cancelled));
        Assert.That(sent, Is.EqualTo(new[] { new NodeSignal(NodeSignalKind.CancelRequested, "run-1") }));
    }

    /// <summary>As in a process that was stopped for longer than its lease, and has not looked since.</summary>
    [Test]
    public async Task Cancel_RunThatWasTakenOverMeanwhile_AsksForItAndWaitsForTheEnd()
    {
        Log.Expect("was taken over by another process");
        var run = await StartTakenOverAsync();

        var cancel = Service.CancelAsync(UserId, run.RunId, None);
        await InTime(looks.WaitAsync());
        var sent = Signals.Sent;
        HasRun(NewStored(RunStatus.Cancelled, "Once", lastSequence: 6) with { Id = run.RunId });
        isEnded = true;
        Signals.Receive(NodeSignalKind.RunChanged, run.RunId);

        Assert.That((await InTime(cancel))!.Status, Is.EqualTo(RunStatus.Cancelled));
        Assert.That(sent, Is.EqualTo(new[] { new NodeSignal(NodeSignalKind.CancelRequested, run.RunId) }));
    }

    [Test]
    public async Task StartAsync_InterruptsARunThatWasTakenOverMeanwhile_AsksForItsEnd()
    {
        Log.Expect("was taken over by another process");
        var first = await StartTakenOverAsync();
        AcceptsRuns(new RunAdmission.Accepted(new RunPlace(3, 4), BusyWith: first.RunId));

        var second = await InTime(Service.StartAsync(Send() with { OnBusy = OnBusy.Interrupt }, None));

        Assert.That(Signals.Sent, Is.EqualTo(new[] { new NodeSignal(NodeSignalKind.CancelRequested, first.RunId) }));
        Assert.That(Executor.Active.Select(r => r.Run.Id), Is.EqualTo(new[] { second!.RunId }));
    }

    /// <summary>A run that goes on elsewhere, which this process does not know yet.</summary>
    private async Task<RunHandle> StartTakenOverAsync()
    {
        NeverAnswers();
        FinishesRuns((_, _) => Task.FromResult(new FinishedRun(FinishOutcome.TakenOver, Next: null)));
        var run = (await Service.StartAsync(Send(), None))!;
        HasRun(NewStored(RunStatus.InProgress, lastSequence: null) with { Id = run.RunId });
        Runs.Setup(r => r.RequestCancelAsync(UserId, run.RunId, Time.GetUtcNow(), It.IsAny<CancellationToken>())).ReturnsAsync(true);
        return run;
    }

    /// <summary>Somebody who has seen the beginning and waits for more; what the database had then was looked at.</summary>
    private async Task<LogReader> FollowAsync()
    {
        var run = await Service.FindAsync(UserId, "run-1", None);
        await InTime(looks.WaitAsync());
        var reader = new LogReader(run!);
        await reader.TakeReadyAsync();
        return reader;
    }

    private void Stores(RunText text)
    {
        lock (gate)
            texts.Add(text);
    }

    private void Ends(StoredRun run)
    {
        HasRun(run);
        isEnded = true;
        Signals.Receive(NodeSignalKind.RunChanged, "run-1");
    }

    private Task<IReadOnlyList<RunNews>> LookAsync(IReadOnlyList<RunCursor> cursors)
    {
        lock (gate)
        {
            looks.Release();
            return refusal is { } failure
                ? Task.FromException<IReadOnlyList<RunNews>>(failure)
                : Task.FromResult<IReadOnlyList<RunNews>>([.. cursors.Select(c => new RunNews
                {
                    RunId = c.RunId,
                    FirstSequence = firstSequence,
                    IsEnded = isEnded,
                    Texts = [.. texts.Where(t => t.Sequence > c.After)],
                })]);
        }
    }
}
