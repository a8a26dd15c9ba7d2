using AiChat.Core.Errors;
using AiChat.Core.Models;
using AiChat.Core.Runs;
using Moq;

namespace AiChat.Tests.Core.Runs;

/// <summary>Showing, following and cancelling runs.</summary>
public sealed class RunServiceFindTests : RunTestBase
{
    private static readonly RunAdmission.Accepted Queued = new(new RunPlace(3, 4), BusyWith: "another run");

    [Test]
    public async Task GetAsync_RunThatGoesOn_ShowsHowFarItIs()
    {
        var model = StreamsWhatIsWritten();
        var run = await Service.StartAsync(Send(), None);
        HasRun(NewStored(RunStatus.InProgress, lastSequence: null) with { Id = run!.RunId });
        model.TryWrite("Once upon");

        var shown = await Service.GetAsync(UserId, run.RunId, None);

        Assert.That((shown!.Status, shown.Reply, shown.Provider, shown.Model, shown.FirstTokenAt), Is.EqualTo(
            (RunStatus.InProgress, "Once upon", "groq", "oss-20b", (DateTimeOffset?)Time.GetUtcNow())));
        model.Complete();
        await InTime(run.Completion);
    }

    [Test]
    public async Task GetAsync_RunEndedWhileItWasRead_ShowsTheEnd()
    {
        var model = StreamsWhatIsWritten();
        var run = await Service.StartAsync(Send(), None);
        HasRun(NewStored(RunStatus.Completed, "Once upon a time", lastSequence: 18) with { Id = run!.RunId });
        model.TryWrite("Once upon");

        var shown = await Service.GetAsync(UserId, run.RunId, None);

        Assert.That((shown!.Status, shown.Reply), Is.EqualTo((RunStatus.Completed, "Once upon a time")));
        model.Complete();
        await InTime(run.Completion);
    }

    [Test]
    public async Task GetAsync_RunOfSomebodyElse_IsNull()
    {
        HasRun(NewStored());

        var shown = await Service.GetAsync("bob", "run-1", None);

        Assert.That(shown, Is.Null);
    }

    [Test]
    public async Task FindAsync_RunThatGoesOn_IsFollowed()
    {
        var model = StreamsWhatIsWritten();
        var run = await Service.StartAsync(Send(), None);
        model.TryWrite("Once upon");

        var found = await Service.FindAsync(UserId, run!.RunId, None);
        model.Complete();

        Assert.That(await found!.FollowAsync(after: 5, None).Select(LogReader.Show).ToArrayAsync(), Is.EqualTo(new[]
        {
            "10 delta 4 ' upon'", "11 ended Completed",
        }));
        Assert.That(found.IsReplay, Is.False);
    }

    [Test]
    public async Task FindAsync_RunOfSomebodyElseThatGoesOn_IsNull()
    {
        var model = StreamsWhatIsWritten();
        var run = await Service.StartAsync(Send(), None);

        var found = await Service.FindAsync("bob", run!.RunId, None);

        Assert.That(found, Is.Null);
        model.TryWrite("Done.");
        model.Complete();
        await InTime(run.Completion);
    }

    [Test]
    public async Task FindAsync_RunOfSomebodyElseThatHasEnded_IsNull()
    {
        HasRun(NewStored());

        var found = await Service.FindAsync("bob", "run-1", None);

        Assert.That(found, Is.Null);
    }

    [Test]
    public async Task FindAsync_RunThatHasEnded_IsReplayed()
    {
        HasRun(NewStored(RunStatus.Completed, "Hello!", lastSequence: 8));

        var found = await Service.FindAsync(UserId, "run-1", None);

        Assert.That(await found!.FollowAsync(after: 0, None).Select(LogReader.Show).ToArrayAsync(), Is.EqualTo(new[]
        {
            "1 started 1", "7 delta 0 'Hello!'", "8 ended Completed",
        }));
        Assert.That(found.IsAtEnd(8), Is.True);
    }

    [Test]
    public async Task FindAsync_RunThatAnotherModelEnded_BeginsAsItWasShown()
    {
        var start = DateTimeOffset.UnixEpoch;
        HasRun(NewStored(RunStatus.Completed, "Hello!", lastSequence: 9, attempt: 3) with
        {
            StartedAt = start,
            Attempts = [NewAttempt(1, "one", start.AddSeconds(-1)), NewAttempt(2, "two", start), NewAttempt(3, "three", start.AddSeconds(1))],
            Marks = [new RunContinued(4, 2, 3)],
        });

        var found = await Service.FindAsync(UserId, "run-1", None);

        var events = await found!.FollowAsync(after: 0, None).ToListAsync();
        Assert.That((((RunStarted)events[0]).Attempt, ((RunStarted)events[0]).Model), Is.EqualTo((2, "two")));
        Assert.That(events.Select(LogReader.Show).Skip(1), Is.EqualTo(new[] { "3 delta 0 'He'", "4 continued 2 3", "8 delta 2 'llo!'", "9 ended Completed" }));
    }

    [TestCase(7, 0, "7 delta 0 'Hello!'")]
    [TestCase(7, 1, "7 snapshot 'Hello!'")]
    public async Task FindAsync_RunOlderThanTheRetention_HasTheWholeReplyOnly(int days, int milliseconds, string expected)
    {
        Settings.Retention = TimeSpan.FromDays(7);
        var completedAt = Time.GetUtcNow() - new TimeSpan(days, 0, 0, 0, milliseconds);
        HasRun(NewStored(RunStatus.Completed, "Hello!", lastSequence: 8) with { CompletedAt = completedAt });

        var found = await Service.FindAsync(UserId, "run-1", None);

        Assert.That(await found!.FollowAsync(after: 1, None).Select(LogReader.Show).FirstAsync(), Is.EqualTo(expected));
    }

    /// <summary>Its end could not be stored; nobody is left who would tell its followers anything.</summary>
    [Test]
    public void FindAsync_UnfinishedRunThatNobodyHolds_IsUnavailable()
    {
        HasRun(NewStored(RunStatus.InProgress, lastSequence: null));

        Assert.ThrowsAsync<UnavailableException>(() => Service.FindAsync(UserId, "run-1", None));
    }

    [Test]
    public async Task FindAsync_RunThatIsTriedAgainThisMoment_IsTheNewAttempt()
    {
        using var begun = NewActive();
        Runs.Setup(r => r.GetAsync(UserId, "run-1", None)).ReturnsAsync(() =>
        {
            Executor.TryRegister(begun);
            begun.Accept(new RunPlace(1, 2), leaseNumber: 1);
            return NewStored(RunStatus.InProgress, lastSequence: null, attempt: 2);
        });

        var found = await Service.FindAsync(UserId, "run-1", None);

        Assert.That(found!.Completion, Is.SameAs(begun.Completion));
        Executor.Forget(begun);
    }

    [Test]
    public async Task CancelAsync_RunThatGoesOn_KeepsItsTextAndReturnsItAsItIsStored()
    {
        var model = StreamsWhatIsWritten();
        var run = await Service.StartAsync(Send(), None);
        model.TryWrite("Once upon");
        Runs.Setup(r => r.GetAsync(UserId, run!.RunId, None))
            .ReturnsAsync(() => NewStored(Stored.Single().Status, Stored.Single().Reply, Stored.Single().LastSequence));

        var cancelled = await InTime(Service.CancelAsync(UserId, run!.RunId, None));

        Assert.That((cancelled!.Status, cancelled.Reply), Is.EqualTo((RunStatus.Cancelled, "Once upon")));
    }

    [Test]
    public async Task CancelAsync_RunThatWaitsForItsTurn_EndsItAtOnce()
    {
        AcceptsRuns(Queued);
        var run = await Service.StartAsync(Send(), None);
        HasRun(NewStored(RunStatus.Cancelled) with { Id = run!.RunId });

        await InTime(Service.CancelAsync(UserId, run.RunId, None));

        Assert.That((Stored.Single().Status, Stored.Single().AssistantSequence, Stored.Single().Usage), Is.EqualTo((RunStatus.Cancelled, 4, (TokenUsage?)null)));
        Assert.That(Model.Invocations, Is.Empty);
    }

    /// <summary>Its predecessor may end at the same moment and begin it, too.</summary>
    [Test]
    public async Task CancelAsync_RunThatWaitedForItsTurn_IsNotBegunAnyMore()
    {
        AcceptsRuns(Queued);
        var handle = await Service.StartAsync(Send(), None);
        var run = Executor.Find(handle!.RunId)!;
        HasRun(NewStored(RunStatus.Cancelled) with { Id = run.Run.Id });
        await InTime(Service.CancelAsync(UserId, run.Run.Id, None));

        Executor.Begin(run);

        Assert.That(Stored, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task CancelAsync_RunThatHasEnded_IsLeftAsItIs()
    {
        var ended = NewStored(RunStatus.Completed, "Hello!", lastSequence: 8);
        HasRun(ended);

        var shown = await Service.CancelAsync(UserId, "run-1", None);

        Assert.That(shown, Is.SameAs(ended));
    }

    [Test]
    public async Task CancelAsync_RunOfSomebodyElse_IsNullAndGoesOn()
    {
        var model = StreamsWhatIsWritten();
        var run = await Service.StartAsync(Send(), None);
        HasRun(NewStored(RunStatus.InProgress, lastSequence: null) with { Id = run!.RunId });

        var cancelled = await Service.CancelAsync("bob", run.RunId, None);
        model.TryWrite("Done.");
        model.Complete();

        Assert.That((cancelled, (await InTime(run.Completion)).Status), Is.EqualTo((default(StoredRun), RunStatus.Completed)));
    }

    [Test]
    public async Task CancelAsync_Twice_IsCancelledOnce()
    {
        NeverAnswers();
        var run = await Service.StartAsync(Send(), None);
        HasRun(NewStored(RunStatus.Cancelled) with { Id = run!.RunId });

        await InTime(Task.WhenAll(Service.CancelAsync(UserId, run.RunId, None), Service.CancelAsync(UserId, run.RunId, None)));

        Assert.That(Stored.Select(r => r.Status), Is.EqualTo(new[] { RunStatus.Cancelled }));
    }

    private static StoredAttempt NewAttempt(int number, string model, DateTimeOffset startedAt) => new()
    {
        Number = number,
        Outcome = AttemptOutcome.Completed,
        Provider = "groq",
        Model = model,
        Reply = "",
        StartedAt = startedAt,
    };
}
