using AiChat.Core.Runs;
using AiChat.Core.WebSearch;
using AiChat.Tests.Support;
using static AiChat.Tests.Core.Runs.RunSamples;

namespace AiChat.Tests.Core.Runs;

/// <summary>Sources are marks in a log: each has a position, and nothing of the text moves.</summary>
public sealed class RunLogSourceTests
{
    private readonly FakeTime time = new();

    [SetUp]
    public void LeaveContext() => SynchronizationContext.SetSynchronizationContext(null);

    [Test]
    public async Task FollowAsync_SourcesBeforeTheText_AreEventsOfTheirOwn()
    {
        var log = Ended();

        Assert.That(await LogReader.ReadAllAsync(log), Is.EqualTo(new[]
        {
            "1 started 1", "2 source 0 1", "3 source 0 2", "8 delta 0 'Hello'", "9 ended Completed",
        }));
    }

    [TestCase(1, new[] { "2 source 0 1", "3 source 0 2", "8 delta 0 'Hello'", "9 ended Completed" })]
    [TestCase(2, new[] { "3 source 0 2", "8 delta 0 'Hello'", "9 ended Completed" })]
    [TestCase(3, new[] { "8 delta 0 'Hello'", "9 ended Completed" })]
    [TestCase(5, new[] { "8 delta 2 'llo'", "9 ended Completed" })]
    [TestCase(9, new string[0])]
    public async Task FollowAsync_CursorAmongThem_GoesOnRightBehindIt(long after, string[] expected) =>
        Assert.That(await LogReader.ReadAllAsync(Ended(), after), Is.EqualTo(expected));

    [Test]
    public async Task FollowAsync_SourceThatComesLive_IsShownAtOnce()
    {
        var log = New();
        await using var reader = new LogReader(log);
        await reader.TakeReadyAsync();

        log.Add(NewSource(1));
        log.Publish();

        Assert.That(LogReader.Show((await reader.NextAsync())!), Is.EqualTo("2 source 0 1"));
    }

    [Test]
    public void GetUnflushed_SourcesAndText_AreInOrder()
    {
        var log = New();
        log.Add(NewSource(1));
        log.Append("Hello");

        var unflushed = log.GetUnflushed();
        log.SetFlushed(unflushed);

        Assert.That(unflushed, Is.EqualTo(new[]
        {
            new RunText("run-1", 2, 0, "", new SourceFound(2, 0, NewSource(1))), new RunText("run-1", 7, 0, "Hello"),
        }));
        Assert.That((log.GetUnflushed(), log.GetUnflushedMarks()), Is.EqualTo((Array.Empty<RunText>(), Array.Empty<RunMark>())));
    }

    [Test]
    public async Task Restore_LogWithSources_IsFollowedAsItWas()
    {
        var log = Ended();
        var restored = RunLog.Restore(NewStarted(), time, log.GetText(), log.GetMarks(), NewResult(log));

        Assert.That(await LogReader.ReadAllAsync(restored, after: 2), Is.EqualTo(await LogReader.ReadAllAsync(log, after: 2)));
        Assert.That(restored.GetSources(), Is.EqualTo(new[] { NewSource(1), NewSource(2) }));
    }

    [Test]
    public async Task FollowAsync_PositionThatIsLost_GetsTheSourcesWithTheText()
    {
        var log = Ended();

        var snapshot = (RunSnapshot)await log.FollowAsync(after: RunLog.CrashGap).FirstAsync();

        Assert.That((snapshot.Text, snapshot.Sources), Is.EqualTo(("Hello", new[] { NewSource(1), NewSource(2) })));
    }

    [Test]
    public async Task FollowAsync_LogWhoseStepsAreNotKept_GetsTheSourcesOfTheResult()
    {
        var result = NewResult(Ended()) with { Sources = [NewSource(1)] };
        var log = RunLog.Restore(NewStarted(), time, "Hello", [], result, isCondensed: true);

        var snapshot = await log.FollowAsync(after: 0).OfType<RunSnapshot>().SingleAsync();

        Assert.That(snapshot.Sources, Is.EqualTo(new[] { NewSource(1) }));
    }

    [Test]
    public void Attempt_OnlySourcesSoFar_IsTheFirst()
    {
        var log = New();
        log.Add(NewSource(1));

        Assert.That(log.Attempt, Is.EqualTo(1));
    }

    private RunLog Ended()
    {
        var log = New();
        log.Add(NewSource(1));
        log.Add(NewSource(2));
        log.Append("Hello");
        log.Close();
        log.End(NewResult(log));
        return log;
    }

    private RunLog New() => new(NewStarted(), time);

    private static Source NewSource(int number) =>
        new() { Number = number, Url = $"https://example.org/{number}", Title = "A title", Excerpt = "Text." };
}
