using AiChat.Core.Runs;
using AiChat.Tests.Support;
using static AiChat.Tests.Core.Runs.RunSamples;

namespace AiChat.Tests.Core.Runs;

/// <summary>The log of a run that another process writes.</summary>
public sealed class RunLogMirrorTests
{
    private const long Gap = RunLog.CrashGap;

    private FakeTime time = null!;

    [SetUp]
    public void SetUp()
    {
        // As in the host: with one, whoever waits goes on elsewhere.
        SynchronizationContext.SetSynchronizationContext(null);
        time = new FakeTime();
    }

    [Test]
    public async Task Take_MoreText_IsShownBehindWhatThereIs()
    {
        var log = NewMirror("Once");
        await using var reader = new LogReader(log);
        await reader.TakeReadyAsync();

        log.Take([Text(10, 4, " upon"), Text(12, 9, " a")]);

        Assert.That(await reader.ShowReadyAsync(), Is.EqualTo(new[] { "12 delta 4 ' upon a'" }));
        Assert.That(log.Position, Is.EqualTo(12));
    }

    [Test]
    public async Task Take_SeamBetweenTexts_IsShownBetweenThem()
    {
        var log = NewMirror("Once");
        await using var reader = new LogReader(log);
        await reader.TakeReadyAsync();

        log.Take([Text(10, 4, " upon"), new RunText("run-1", 11, 9, "", new RunContinued(11, 9, 2)), Text(13, 9, " a")]);

        Assert.That(await reader.ShowReadyAsync(), Is.EqualTo(new[] { "10 delta 4 ' upon'", "11 continued 9 2", "13 delta 9 ' a'" }));
    }

    [Test]
    public void Take_TextThatDoesNotFollow_IsLeftForTheNextLook()
    {
        var log = NewMirror("Once");

        log.Take([Text(12, 9, " a")]);

        Assert.That((log.GetText(), log.Position), Is.EqualTo(("Once", 5)));
    }

    [Test]
    public async Task FollowAsync_PositionThatIsNotStoredYet_IsWaitedFor()
    {
        var log = NewMirror("Once");
        await using var reader = new LogReader(log, after: 8);
        var before = await reader.ShowReadyAsync();

        log.Take([Text(7, 4, " u")]);
        var meanwhile = await reader.ShowReadyAsync();
        log.Take([Text(10, 6, "pon")]);

        Assert.That(before, Is.EqualTo(new[] { "keep-alive" }));
        Assert.That(meanwhile, Is.Empty);
        Assert.That(await reader.ShowReadyAsync(), Is.EqualTo(new[] { "10 delta 7 'on'" }));
    }

    [Test]
    public async Task FollowAsync_PositionThatWasNeverStored_IsShownTheWholeWithTheEnd()
    {
        var log = NewMirror("Once");
        await using var reader = new LogReader(log, after: 8);
        await reader.TakeReadyAsync();

        log.TakeRest("Once", []);
        log.End(NewResult("Once", Gap + 5));

        Assert.That(await reader.ShowReadyAsync(), Is.EqualTo(new[] { $"5 snapshot 'Once'", $"{Gap + 5} ended Completed" }));
    }

    [Test]
    public async Task FollowAsync_PositionThatWasLostBeforeAnotherProcessWentOn_IsShownTheWhole()
    {
        var log = NewMirror("Once");
        await using var reader = new LogReader(log, after: 8);
        await reader.TakeReadyAsync();

        log.Take([new RunText("run-1", Gap + 6, 4, "", new RunContinued(Gap + 6, 4, 2)), Text(Gap + 9, 4, " at")]);

        Assert.That(await reader.ShowReadyAsync(), Is.EqualTo(new[] { $"{Gap + 9} snapshot 'Once at'" }));
    }

    [Test]
    public async Task FollowAsync_PositionOfTheEnd_IsOverWhenTheEndComes()
    {
        var log = NewMirror("Once");
        await using var reader = new LogReader(log, after: 6);
        await reader.TakeReadyAsync();

        log.TakeRest("Once", []);
        log.End(NewResult("Once", lastSequence: 6));

        Assert.That(await reader.ShowReadyAsync(), Is.Empty);
        Assert.That(reader.HasEnded, Is.True);
    }

    [Test]
    public async Task FollowAsync_NotStoredYetAndTheRunGoesElsewhere_LetsTheFollowerGo()
    {
        var log = NewMirror("Once");
        await using var reader = new LogReader(log, after: 8);
        await reader.TakeReadyAsync();

        log.Break();

        Assert.That(await reader.ShowReadyAsync(), Is.Empty);
        Assert.That(reader.HasEnded, Is.True);
    }

    [Test]
    public async Task TakeRest_MoreTextAndMarks_IsShownBeforeTheEnd()
    {
        var log = NewMirror("Once");
        await using var reader = new LogReader(log, after: 5);
        await reader.TakeReadyAsync();

        log.TakeRest("Once upon", [new RunContinued(6, 4, 2)]);
        log.End(NewResult("Once upon", lastSequence: 12));

        Assert.That(await reader.ShowReadyAsync(), Is.EqualTo(new[] { "6 continued 4 2", "11 delta 4 ' upon'", "12 ended Completed" }));
    }

    /// <summary>A defect kept the text from being stored at the end.</summary>
    [Test]
    public async Task TakeRest_LessThanWhatWasShown_KeepsThat()
    {
        var log = NewMirror("Once");
        await using var reader = new LogReader(log, after: 5);
        await reader.TakeReadyAsync();

        log.TakeRest("", []);
        log.End(NewResult("", lastSequence: 6));

        Assert.That(log.GetText(), Is.EqualTo("Once"));
        Assert.That(await reader.ShowReadyAsync(), Is.EqualTo(new[] { "6 ended Completed" }));
    }

    private static RunText Text(long sequence, int offset, string text) => new("run-1", sequence, offset, text);

    private RunLog NewMirror(string text) => RunLog.Mirror(NewStarted(), time, text, []);
}
