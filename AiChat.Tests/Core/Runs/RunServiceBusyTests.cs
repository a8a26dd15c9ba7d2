using AiChat.Core.Errors;
using AiChat.Core.Runs;

namespace AiChat.Tests.Core.Runs;

/// <summary>Messages to a chat whose last one is still being answered.</summary>
public sealed class RunServiceBusyTests : RunTestBase
{
    private static readonly RunAdmission.Accepted Begun = new(new RunPlace(1, 2), BusyWith: null);

    [TestCase(OnBusy.Queue, 7)]
    [TestCase(OnBusy.Reject, 0)]
    [TestCase(OnBusy.Interrupt, 8)]
    public async Task StartAsync_OnBusy_SaysHowManyRunsTheChatMayHave(OnBusy onBusy, int expected)
    {
        Settings.QueueLimit = 7;

        await InTime(SendAsync(Send() with { OnBusy = onBusy }, None));

        Assert.That(Started().Single().Admission, Is.EqualTo(new RunAdmissionRule(expected)));
    }

    [Test]
    public void StartAsync_RejectOnABusyChat_IsRefusedWithTheRunThatIsInTheWay()
    {
        AcceptsRuns(new RunAdmission.Busy("run-1"));

        var failure = Assert.ThrowsAsync<ConflictException>(() => Service.StartAsync(Send() with { OnBusy = OnBusy.Reject }, None));

        Assert.That((failure.Code, failure.RunId, failure.RetryAfter), Is.EqualTo(("chat_busy", "run-1", TimeSpan.FromSeconds(2))));
        Assert.That(failure.Message, Does.Contain("on_busy queue or interrupt"));
    }

    [TestCase(OnBusy.Queue)]
    [TestCase(OnBusy.Interrupt)]
    public void StartAsync_QueueIsFull_NamesTheLimit(OnBusy onBusy)
    {
        Settings.QueueLimit = 7;
        AcceptsRuns(new RunAdmission.Busy("run-1"));

        var failure = Assert.ThrowsAsync<ConflictException>(() => Service.StartAsync(Send() with { OnBusy = onBusy }, None));

        Assert.That(failure.Code, Is.EqualTo("chat_busy"));
        Assert.That(failure.Message, Does.StartWith("7 messages wait").And.Contain("Runs:QueueLimit"));
    }

    [Test]
    public void StartAsync_Refused_LeavesNothingRunning()
    {
        AcceptsRuns(new RunAdmission.Busy("run-1"));

        Assert.ThrowsAsync<ConflictException>(() => Service.StartAsync(Send(), None));

        Assert.That(Executor.Active, Is.Empty);
    }

    [Test]
    public async Task StartAsync_InterruptOnABusyChat_CancelsTheRunningReplyAndKeepsItsText()
    {
        var model = StreamsWhatIsWritten();
        var first = await Service.StartAsync(Send(), None);
        model.TryWrite("Once upon");
        AcceptsRuns(new RunAdmission.Accepted(new RunPlace(3, 4), BusyWith: first!.RunId));

        await Service.StartAsync(Send() with { OnBusy = OnBusy.Interrupt }, None);

        var result = await InTime(first.Completion);
        Assert.That((result.Status, result.Reply, result.Error!.Code), Is.EqualTo((RunStatus.Cancelled, "Once upon", "run_cancelled")));
    }

    [Test]
    public async Task StartAsync_InterruptOnABusyChat_IsAnsweredNext()
    {
        Answers(async (messages, ct) =>
        {
            if (messages[^1].Text == "One?")
                await Task.Delay(Timeout.InfiniteTimeSpan, ct);
            return Reply("Two.");
        });
        var first = await Service.StartAsync(Send("One?"), None);
        AcceptsRuns(new RunAdmission.Accepted(new RunPlace(3, 4), BusyWith: first!.RunId));
        FinishesRuns((result, _) => Task.FromResult(
            new FinishedRun(FinishOutcome.Stored, result.RunId == first.RunId ? new NextRun(Started()[^1].Id, Attempt: 1) : null)));

        var second = await Service.StartAsync(Send("Two?") with { OnBusy = OnBusy.Interrupt }, None);

        Assert.That((await InTime(second!.Completion)).Reply, Is.EqualTo("Two."));
    }

    [Test]
    public async Task StartAsync_InterruptOnAFreeChat_IsAnswered()
    {
        var result = await InTime(SendAsync(Send() with { OnBusy = OnBusy.Interrupt }, None));

        Assert.That(result!.Reply, Is.EqualTo("Hello!"));
    }

    [Test]
    public async Task StartAsync_InterruptWhenTheOtherHasJustEnded_Waits()
    {
        AcceptsRuns(new RunAdmission.Accepted(new RunPlace(3, 4), BusyWith: "run that has ended"));

        var run = await Service.StartAsync(Send() with { OnBusy = OnBusy.Interrupt }, None);
        Executor.Begin(Executor.Find(run!.RunId)!);

        Assert.That((await InTime(run.Completion)).Reply, Is.EqualTo("Hello!"));
    }

    [Test]
    public async Task StartAsync_QueueOnABusyChat_LetsTheRunningReplyGoOn()
    {
        var model = StreamsWhatIsWritten();
        AcceptsRuns(Begun);
        var first = await Service.StartAsync(Send(), None);
        AcceptsRuns(new RunAdmission.Accepted(new RunPlace(3, 4), BusyWith: first!.RunId));

        await Service.StartAsync(Send(), None);
        model.TryWrite("Once upon");
        model.Complete();

        Assert.That((await InTime(first.Completion)).Status, Is.EqualTo(RunStatus.Completed));
    }
}
