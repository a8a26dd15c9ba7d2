using AiChat.Core.Errors;
using AiChat.Core.Nodes;
using AiChat.Core.Runs;
using AiChat.Tests.Core.Runs;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Moq;

namespace AiChat.Tests.Core.Nodes;

/// <summary>With the default lease time of 10 s: a lease lasts 7 s, and everything is looked at each second.</summary>
public sealed class NodeServiceTests : RunTestBase
{
    private readonly List<string> settled = [];
    private SemaphoreSlim renewals = null!;
    private SemaphoreSlim syncs = null!;
    private LoggerFactory loggers = null!;
    private Node node = null!;
    private NodeService service = null!;
    private Func<Task<int>> renew = null!;
    private int takeovers;

    [SetUp]
    public void SetUp()
    {
        (renewals, syncs, takeovers) = (new SemaphoreSlim(0), new SemaphoreSlim(0), 0);
        renew = () => Task.FromResult(1);
        Nodes.Setup(n => n.IsShared).Returns(true);
        Nodes.Setup(n => n.RenewAsync(TimeSpan.FromSeconds(7), It.IsAny<CancellationToken>())).Returns(() =>
        {
            var answer = renew();
            renewals.Release();
            return answer;
        });
        Nodes.Setup(n => n.LeaveAsync(It.IsAny<CancellationToken>())).Returns(Task.CompletedTask);
        Runs.Setup(r => r.TakeOverAsync(It.IsAny<CancellationToken>())).ReturnsAsync(() =>
        {
            takeovers++;
            return 0;
        });
        Holds();
        node = new Node();
        loggers = new LoggerFactory([Log]);
        var options = Options.Create(Settings);
        var recovery = new RunRecovery(Runs.Object, Executor, Registry, options, Time, loggers.CreateLogger<RunRecovery>());
        service = new NodeService(
            node, Nodes.Object, Runs.Object, recovery, Executor, Signals, options, Time, loggers.CreateLogger<NodeService>());
    }

    [TearDown]
    public async Task TearDown()
    {
        await InTime(service.StopAsync(None));
        service.Dispose();
        loggers.Dispose();
        renewals.Dispose();
        syncs.Dispose();
    }

    [TestCase(0, false)]
    [TestCase(2, true)]
    public async Task StartAsync_Shared_KnowsWhetherThereAreOthers(int others, bool expected)
    {
        renew = () => Task.FromResult(others);

        await StartAsync();

        Assert.That(node.HasOthers, Is.EqualTo(expected));
    }

    [Test]
    public async Task StartAsync_NotShared_TakesOverAndLooksOnce()
    {
        Nodes.Setup(n => n.IsShared).Returns(false);
        Runs.Setup(r => r.EndOrphanedAsync(Time.GetUtcNow(), Time.GetUtcNow(), None)).Returns(Task.CompletedTask);

        await service.StartAsync(None);
        Time.Advance(TimeSpan.FromMinutes(1));

        Assert.That((takeovers, syncs.CurrentCount, renewals.CurrentCount), Is.EqualTo((1, 1, 0)));
    }

    [Test]
    public async Task ExecuteAsync_AliveForLessThanALease_TakesNothingOver()
    {
        await StartAsync();

        for (var second = 1; second <= 7; second++)
            await TickAsync();

        Assert.That(takeovers, Is.Zero);
    }

    [Test]
    public async Task ExecuteAsync_AliveForALease_TakesOverEachTime()
    {
        await StartAsync();

        for (var second = 1; second <= 10; second++)
            await TickAsync();

        Assert.That(takeovers, Is.EqualTo(3));
    }

    [Test]
    public async Task ExecuteAsync_CouldNotRenewOnce_TakesNothingOverForALease()
    {
        Log.Expect("cannot say that it is alive");
        await StartAsync();
        for (var second = 1; second <= 10; second++)
            await TickAsync();

        renew = () => Task.FromException<int>(UnavailableException.ForDatabase(new IOException()));
        await TickAsync();
        Assert.That(() => Log.Entries.Any(e => e.Contains("cannot say that it is alive")), Is.True.After(10_000, 1));
        renew = () => Task.FromResult(1);
        // Both loops had that tick at the same time, in any order.
        var before = takeovers;
        for (var second = 1; second <= 7; second++)
            await TickAsync();

        Assert.That(takeovers, Is.EqualTo(before));
        // The failure may have been noted a tick later.
        await TickAsync();
        await TickAsync();
        Assert.That(takeovers, Is.GreaterThan(before));
    }

    [Test]
    public async Task ExecuteAsync_DatabaseIsAway_SaysSoOnceAndGoesOn()
    {
        Log.Expect("cannot say that it is alive");
        await StartAsync();
        renew = () => Task.FromException<int>(UnavailableException.ForDatabase(new IOException()));
        for (var second = 1; second <= 3; second++)
            await TickAsync();

        renew = () => Task.FromResult(0);
        await TickAsync();

        Assert.That(Log.Entries.Count(e => e.Contains("cannot say that it is alive")), Is.EqualTo(1));
        Assert.That(node.HasOthers, Is.False);
    }

    /// <summary>As in a process that was stopped for a while and goes on.</summary>
    [Test]
    public async Task ExecuteAsync_RenewalTookLongerThanALease_TakesNothingOverForAnother()
    {
        await StartAsync();
        for (var second = 1; second <= 8; second++)
            await TickAsync();
        var paused = new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously);
        renew = () => paused.Task;
        await TickAsync();
        for (var second = 1; second <= 10; second++)
            await SyncTickAsync();
        var before = takeovers;

        renew = () => Task.FromResult(1);
        paused.SetResult(1);
        await InTime(renewals.WaitAsync());
        for (var second = 1; second <= 7; second++)
            await TickAsync();

        Assert.That(takeovers, Is.EqualTo(before));
        await TickAsync();
        Assert.That(takeovers, Is.EqualTo(before + 1));
    }

    [Test]
    public async Task ExecuteAsync_TakesOver_Settles()
    {
        Log.Expect("2 replies were unfinished when their process ended; they belong to this one now");
        Log.Expect("2 replies were unfinished when their process ended; they are marked incomplete");
        await StartAsync();
        for (var second = 1; second <= 7; second++)
            await TickAsync();
        Runs.Setup(r => r.TakeOverAsync(It.IsAny<CancellationToken>())).ReturnsAsync(2);
        Runs.Setup(r => r.SettleAsync(It.IsAny<string>(), 2, It.IsAny<DateTimeOffset>(), It.IsAny<CancellationToken>()))
            .ReturnsAsync((string id, int _, DateTimeOffset _, CancellationToken _) =>
            {
                lock (settled)
                    settled.Add(id);
                return new FinishedRun(FinishOutcome.Stored, Next: null);
            });
        Holds(new HeldRun("run-1", "chat-1", RunStatus.InProgress, 2, false), new HeldRun("run-2", "chat-2", RunStatus.InProgress, 2, false));

        await TickAsync();
        Holds();
        Runs.Setup(r => r.TakeOverAsync(It.IsAny<CancellationToken>())).ReturnsAsync(0);
        await TickAsync();

        // Beside the ticks.
        Assert.That(() => GetSettled(), Is.EquivalentTo(new[] { "run-1", "run-2" }).After(10_000, 10));
    }

    [Test]
    public async Task ExecuteAsync_ServerEnds_LeavesTheDeadToTheOthers()
    {
        await StartAsync();
        for (var second = 1; second <= 7; second++)
            await TickAsync();

        Lifetime.StopApplication();
        await TickAsync();

        Assert.That(takeovers, Is.Zero);
    }

    [Test]
    public async Task ExecuteAsync_LookFails_SaysSoOnceAndGoesOn()
    {
        Log.Expect("cannot look up which runs are its own");
        await StartAsync();
        Runs.Setup(r => r.GetHeldAsync(It.IsAny<CancellationToken>())).Returns(() =>
        {
            syncs.Release();
            return Task.FromException<IReadOnlyList<HeldRun>>(UnavailableException.ForDatabase(new IOException()));
        });
        await TickAsync();
        await TickAsync();
        Holds();

        await TickAsync();

        Assert.That(Log.Entries.Count(e => e.Contains("cannot look up")), Is.EqualTo(1));
    }

    [Test]
    public async Task ExecuteAsync_RecoveryFails_SaysSoOnceUntilItWorksAgain()
    {
        Log.Expect("left unfinished cannot be taken care of");
        Log.Expect("1 replies were unfinished when their process ended");
        await StartAsync();
        var tries = 0;
        Runs.Setup(r => r.SettleAsync("run-1", 2, It.IsAny<DateTimeOffset>(), It.IsAny<CancellationToken>()))
            .Returns(() => Interlocked.Increment(ref tries) == 4
                ? Task.FromResult(new FinishedRun(FinishOutcome.Stored, Next: null))
                : Task.FromException<FinishedRun>(new IOException()));
        Holds(new HeldRun("run-1", "chat-1", RunStatus.InProgress, 2, false));

        // Beside the ticks, one after the other: with the seventh, six are through.
        while (Volatile.Read(ref tries) < 7)
            await SyncTickAsync();

        Assert.That(Log.Entries.Count(e => e.Contains("cannot be taken care of")), Is.EqualTo(2));
    }

    [TestCase(NodeSignalKind.TurnCame)]
    [TestCase(NodeSignalKind.CancelRequested)]
    public async Task Handle_RunOfThisProcess_LooksAtOnce(NodeSignalKind kind)
    {
        await StartAsync();
        NeverAnswers();
        var run = await Service.StartAsync(Send(), None);

        Signals.Receive(kind, run!.RunId);

        await InTime(syncs.WaitAsync());
        await EndRunsAsync();
    }

    [Test]
    public async Task Handle_RunOfAnotherProcess_LooksAtNothing()
    {
        await StartAsync();

        Signals.Receive(NodeSignalKind.CancelRequested, "run-of-another");
        await TickAsync();

        Assert.That(syncs.CurrentCount, Is.Zero);
    }

    [Test]
    public async Task ExecuteAsync_RecoveryEndsWhileItIsLookedWhatIsLeft_RecoversNothingTwice()
    {
        Settings.OnRestart = OnRestart.Continue;
        await StartAsync();
        var recovery = new TaskCompletionSource<InterruptedRun?>();
        Runs.Setup(r => r.ContinueAsync("run-1", 1, It.IsAny<DateTimeOffset>(), It.IsAny<CancellationToken>())).Returns(recovery.Task);
        var run = new HeldRun("run-1", "chat-1", RunStatus.InProgress, 1, false);
        Holds(run);
        await SyncTickAsync();

        Runs.Setup(r => r.GetHeldAsync(It.IsAny<CancellationToken>())).ReturnsAsync(() =>
        {
            // What is read here is from before.
            recovery.TrySetResult(null);
            syncs.Release();
            return [run];
        });
        await SyncTickAsync();
        Holds();
        await SyncTickAsync();

        Runs.Verify(r => r.ContinueAsync("run-1", 1, It.IsAny<DateTimeOffset>(), It.IsAny<CancellationToken>()), Times.Once);
    }

    [Test]
    public async Task Handle_ChatDeleted_EndsItsRuns()
    {
        await StartAsync();
        NeverAnswers();
        var run = await Service.StartAsync(Send(), None);

        Signals.Receive(NodeSignalKind.ChatDeleted, ChatId);

        Assert.That((await InTime(run!.Completion)).Error!.Code, Is.EqualTo("chat_deleted"));
        await EndRunsAsync();
    }

    [Test]
    public async Task StopAsync_Shared_SaysThatThisProcessIsNoMore()
    {
        await StartAsync();

        await InTime(service.StopAsync(None));

        Nodes.Verify(n => n.LeaveAsync(It.IsAny<CancellationToken>()), Times.Once);
    }

    [Test]
    public async Task StopAsync_DatabaseIsAway_EndsAllTheSame()
    {
        Log.Expect("could not say that it ends");
        await StartAsync();
        Nodes.Setup(n => n.LeaveAsync(It.IsAny<CancellationToken>())).ThrowsAsync(UnavailableException.ForDatabase(new IOException()));

        Assert.That(async () => await InTime(service.StopAsync(None)), Throws.Nothing);
    }

    /// <summary>Started, with the first look of both loops behind it.</summary>
    private async Task StartAsync()
    {
        await service.StartAsync(None);
        await InTime(renewals.WaitAsync());
        await InTime(renewals.WaitAsync());
        await InTime(syncs.WaitAsync());
    }

    private async Task TickAsync()
    {
        Time.Advance(TimeSpan.FromSeconds(1));
        await InTime(renewals.WaitAsync());
        await InTime(syncs.WaitAsync());
    }

    private async Task SyncTickAsync()
    {
        Time.Advance(TimeSpan.FromSeconds(1));
        await InTime(syncs.WaitAsync());
    }

    private async Task EndRunsAsync()
    {
        foreach (var run in Executor.Active)
            run.Stop(RunStopReason.Cancelled);
        await RunClockUntilAsync(Executor.StopAsync(None));
    }

    private void Holds(params HeldRun[] held) => Runs.Setup(r => r.GetHeldAsync(It.IsAny<CancellationToken>())).ReturnsAsync(() =>
    {
        syncs.Release();
        return held;
    });

    private string[] GetSettled()
    {
        lock (settled)
            return [.. settled];
    }
}
