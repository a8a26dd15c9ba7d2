using AiChat.Core.Runs;
using AiChat.Tests.Support;
using static AiChat.Tests.Core.Runs.RunSamples;

namespace AiChat.Tests.Core.Runs;

public sealed class RunLogTests
{
    private const long Gap = RunLog.CrashGap;

    /// <summary>Only ever waited for in full by a test that fails.</summary>
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(10);

    private FakeTime time = null!;

    /// <summary>What is in the log in the end, and the pieces it came in. Not in attributes, which hold no half characters.</summary>
    private static TestCaseData[] Pieces { get; } =
    [
        new TestCaseData("a\ufffdb", new[] { "a\ud83d", "b" }).SetArgDisplayNames("first half, then something else"),
        new TestCaseData("a\ufffd😀", new[] { "a\ud83d", "\ud83d", "\ude00" }).SetArgDisplayNames("first half twice"),
        new TestCaseData("\ufffdb", new[] { "\ude00b" }).SetArgDisplayNames("second half alone"),
        new TestCaseData("a😀", new[] { "a\ud83d", "", "\ude00" }).SetArgDisplayNames("nothing between the halves"),
        new TestCaseData("a\ufffdb", new[] { "a\0b" }).SetArgDisplayNames("NUL"),
        new TestCaseData("a😀\ufffd", new[] { "a\ud83d", "\ude00\0" }).SetArgDisplayNames("NUL behind two halves"),
        new TestCaseData("\ufffd\ufffd\ufffd", new[] { "\ude00\ud83d\0" }).SetArgDisplayNames("halves in the wrong order"),
        new TestCaseData(" \r\n\t漢é", new[] { " \r", "\n\t漢", "é" }).SetArgDisplayNames("white space and other alphabets"),
    ];

    [SetUp]
    public void SetUp()
    {
        // As in the host: with one, whoever waits goes on elsewhere.
        SynchronizationContext.SetSynchronizationContext(null);
        time = new FakeTime();
    }

    [Test]
    public async Task FollowAsync_EndedLog_ReplaysItFromTheStart()
    {
        var log = Ended("Hello", " world");

        var events = await LogReader.ReadAllAsync(log);

        Assert.That(events, Is.EqualTo(new[] { "1 started 1", "12 delta 0 'Hello world'", "13 ended Completed" }));
    }

    [TestCase(1, "12 delta 0 'Hello world'")]
    [TestCase(6, "12 delta 5 ' world'")]
    [TestCase(11, "12 delta 10 'd'")]
    public async Task FollowAsync_CursorInTheText_GoesOnRightBehindIt(long after, string expected)
    {
        var log = Ended("Hello", " world");

        var events = await LogReader.ReadAllAsync(log, after);

        Assert.That(events, Is.EqualTo(new[] { expected, "13 ended Completed" }));
    }

    [Test]
    public async Task FollowAsync_CursorBehindTheText_GivesTheEnd()
    {
        var log = Ended("Hello");

        var events = await LogReader.ReadAllAsync(log, after: 6);

        Assert.That(events, Is.EqualTo(new[] { "7 ended Completed" }));
    }

    [Test]
    public async Task FollowAsync_CursorAtTheEnd_GivesNothing()
    {
        var log = Ended("Hello");

        var events = await LogReader.ReadAllAsync(log, after: 7);

        Assert.That(events, Is.Empty);
    }

    [TestCase(8)]
    [TestCase(long.MaxValue)]
    public async Task FollowAsync_CursorBeyondTheEnd_GivesEverythingAnew(long after)
    {
        var log = Ended("Hello");

        var events = await LogReader.ReadAllAsync(log, after);

        Assert.That(events, Is.EqualTo(new[] { "6 snapshot 'Hello'", "7 ended Completed" }));
    }

    /// <summary>No client was ever given such a position: there is no whole character to go on with.</summary>
    [Test]
    public async Task FollowAsync_CursorInsideACharacter_GivesEverythingAnew()
    {
        var log = Ended("a😀b");

        var events = await LogReader.ReadAllAsync(log, after: 3);

        Assert.That(events, Is.EqualTo(new[] { "5 snapshot 'a😀b'", "6 ended Completed" }));
    }

    [Test]
    public async Task FollowAsync_EmptyReply_HasABeginningAndAnEnd()
    {
        var log = Ended();

        var events = await LogReader.ReadAllAsync(log);

        Assert.That(events, Is.EqualTo(new[] { "1 started 1", "2 ended Completed" }));
    }

    [Test]
    public async Task FollowAsync_TextIsPublished_ComesToTheWaitingFollowerAtOnce()
    {
        var log = NewLog();
        await using var reader = new LogReader(log);
        var first = await reader.ShowReadyAsync();

        log.Append("Hello");
        log.Publish();
        var second = await reader.ShowReadyAsync();

        Assert.That(first, Is.EqualTo(new[] { "1 started 1" }));
        Assert.That(second, Is.EqualTo(new[] { "6 delta 0 'Hello'" }));
    }

    [Test]
    public async Task FollowAsync_PiecesThatArePublishedTogether_AreOneDelta()
    {
        var log = NewLog();
        await using var reader = new LogReader(log);
        await reader.TakeReadyAsync();

        log.Append("Hel");
        log.Append("");
        log.Append("lo");
        log.Publish();

        Assert.That(await reader.ShowReadyAsync(), Is.EqualTo(new[] { "6 delta 0 'Hello'" }));
    }

    [Test]
    public async Task FollowAsync_NothingIsPublished_FollowerWaits()
    {
        var log = NewLog();
        await using var reader = new LogReader(log);
        await reader.TakeReadyAsync();

        log.Append("Hello");

        Assert.That(await reader.TakeReadyAsync(), Is.Empty);
    }

    [Test]
    public async Task FollowAsync_PublishedWithoutText_GivesNoEvent()
    {
        var log = NewLog();
        await using var reader = new LogReader(log);
        await reader.TakeReadyAsync();

        log.Publish();

        Assert.That(await reader.TakeReadyAsync(), Is.Empty);
    }

    [Test]
    public async Task FollowAsync_LongText_ComesInPortions()
    {
        var log = Ended(new string('x', 80_000));
        await using var reader = new LogReader(log);

        var deltas = (await reader.TakeReadyAsync()).OfType<MessageDelta>();

        Assert.That(deltas.Select(d => (d.Offset, d.Text.Length, d.Sequence)), Is.EqualTo(new[] { (0, 32_768, 32_769L), (32_768, 32_768, 65_537L), (65_536, 14_464, 80_001L) }));
    }

    [Test]
    public async Task FollowAsync_CharacterAcrossTheLongestDelta_IsNotSplit()
    {
        var log = Ended(new string('x', 32_767) + "😀y");
        await using var reader = new LogReader(log);

        var deltas = (await reader.TakeReadyAsync()).OfType<MessageDelta>();

        Assert.That(deltas.Select(d => (d.Offset, d.Text.Length)), Is.EqualTo(new[] { (0, 32_767), (32_767, 3) }));
    }

    [Test]
    public async Task FollowAsync_SeveralFollowers_EachGetsEveryEvent()
    {
        var log = NewLog();
        await using var first = new LogReader(log);
        await using var second = new LogReader(log);
        await first.TakeReadyAsync();
        await second.TakeReadyAsync();

        log.Append("Hello");
        log.Publish();

        Assert.That(LogReader.Show((await first.NextAsync())!), Is.EqualTo("6 delta 0 'Hello'"));
        Assert.That(LogReader.Show((await second.NextAsync())!), Is.EqualTo("6 delta 0 'Hello'"));
    }

    [Test]
    public async Task FollowAsync_SlowFollower_GetsMoreTextAtOnce()
    {
        var log = NewLog();
        await using var reader = new LogReader(log);
        await reader.TakeReadyAsync(most: 1);

        log.Append("Hello");
        log.Publish();
        log.Append(" world");
        log.Publish();

        Assert.That(await reader.ShowReadyAsync(), Is.EqualTo(new[] { "12 delta 0 'Hello world'" }));
    }

    [Test]
    public async Task FollowAsync_SlowFollower_HoldsNobodyUp()
    {
        var log = NewLog();
        await using var slow = new LogReader(log);
        await using var fast = new LogReader(log);
        await slow.TakeReadyAsync(most: 1);
        await fast.TakeReadyAsync();

        log.Append("Hello");
        log.Publish();

        Assert.That(LogReader.Show((await fast.NextAsync())!), Is.EqualTo("6 delta 0 'Hello'"));
    }

    [Test]
    public async Task FollowAsync_WriterAndFollowersOnTheirOwnThreads_EachGetsTheWholeTextAndTheEnd()
    {
        var log = NewLog();
        var followers = Enumerable.Range(0, 4).Select(_ => Task.Run(() => FollowToTheEndAsync(log))).ToList();

        foreach (var number in Enumerable.Range(0, 5000))
        {
            log.Append($"{number} ");
            log.Publish();
        }

        log.End(NewResult(log));
        var texts = await Task.WhenAll(followers).WaitAsync(LongestWait);

        Assert.That(texts, Is.All.EqualTo(log.GetText()));
    }

    [Test]
    public async Task FollowAsync_FollowerGoesAway_EndsItAlone()
    {
        var log = NewLog();
        await using var leaving = new LogReader(log);
        await using var staying = new LogReader(log);
        await leaving.TakeReadyAsync();
        await staying.TakeReadyAsync();

        await leaving.CancelAsync();
        Assert.That(leaving.NextAsync, Throws.InstanceOf<OperationCanceledException>());
        log.Append("Hello");
        log.Publish();

        Assert.That(LogReader.Show((await staying.NextAsync())!), Is.EqualTo("6 delta 0 'Hello'"));
    }

    [Test]
    public async Task FollowAsync_FollowerIsGoneAlready_EndsInsteadOfWaiting()
    {
        var log = NewLog();
        await using var reader = new LogReader(log);
        await reader.CancelAsync();
        await reader.TakeReadyAsync(most: 1);

        Assert.That(reader.NextAsync, Throws.InstanceOf<OperationCanceledException>());
    }

    [Test]
    public async Task End_FollowerWaits_IsTheLastEvent()
    {
        var log = NewLog();
        await using var reader = new LogReader(log);
        await reader.TakeReadyAsync();

        log.Append("Hello");
        log.End(NewResult(log));

        Assert.That(await reader.ShowReadyAsync(), Is.EqualTo(new[] { "6 delta 0 'Hello'", "7 ended Completed" }));
        Assert.That(reader.HasEnded, Is.True);
    }

    [Test]
    public async Task Break_FollowerWaits_EndsItWithoutAnEndOfTheRun()
    {
        var log = NewLog();
        await using var reader = new LogReader(log);
        await reader.TakeReadyAsync();

        log.Append("Hello");
        log.Break();

        Assert.That(await reader.ShowReadyAsync(), Is.EqualTo(new[] { "6 delta 0 'Hello'" }));
        Assert.That(reader.HasEnded, Is.True);
    }

    [Test]
    public async Task Break_FollowerComesLater_GetsTheTextAndIsLetGo()
    {
        var log = NewLog("Hello");
        log.Break();

        var events = await LogReader.ReadAllAsync(log);

        Assert.That(events, Is.EqualTo(new[] { "1 started 1", "6 delta 0 'Hello'" }));
    }

    [TestCase(6, false)]
    [TestCase(7, true)]
    [TestCase(8, false)]
    public void IsAtEnd_EndedLog_IsTrueForItsEndAlone(long after, bool expected)
    {
        var log = Ended("Hello");

        var isAtEnd = log.IsAtEnd(after);

        Assert.That(isAtEnd, Is.EqualTo(expected));
    }

    [Test]
    public void IsAtEnd_ClosedLogThatHasNotEnded_IsFalse()
    {
        var log = NewLog("Hello");
        var end = log.Close();

        var isAtEnd = log.IsAtEnd(end);

        Assert.That(isAtEnd, Is.False);
    }

    [Test]
    public async Task Append_PieceEndsInsideACharacter_WaitsForTheRest()
    {
        var log = NewLog("a\ud83d");
        await using var reader = new LogReader(log);
        var first = await reader.ShowReadyAsync();

        log.Append("\ude00b");
        log.Publish();

        Assert.That(first, Is.EqualTo(new[] { "1 started 1", "2 delta 0 'a'" }));
        Assert.That(await reader.ShowReadyAsync(), Is.EqualTo(new[] { "5 delta 1 '😀b'" }));
    }

    [TestCaseSource(nameof(Pieces))]
    public void Append_Pieces_AreWholeCharactersAndNothingElse(string expected, string[] pieces)
    {
        var log = NewLog(pieces);

        Assert.That(log.GetText(), Is.EqualTo(expected));
    }

    [Test]
    public void Close_CharacterIsHalf_IsReplaced()
    {
        var log = NewLog("a\ud83d");

        var end = log.Close();

        Assert.That((end, log.GetText()), Is.EqualTo((4L, "a\ufffd")));
    }

    [Test]
    public void Close_Twice_ChangesNothing()
    {
        var log = NewLog("a\ud83d");
        var first = log.Close();

        var second = log.Close();

        Assert.That(second, Is.EqualTo(first));
    }

    [Test]
    public void Length_Text_IsCountedInCodeUnits()
    {
        var log = NewLog("a😀漢");

        Assert.That(log.Length, Is.EqualTo(4));
    }

    [Test]
    public async Task FollowAsync_LogWithASeam_ShowsItInItsPlace()
    {
        var events = await LogReader.ReadAllAsync(Continued());

        Assert.That(events, Is.EqualTo(new[]
        {
            "1 started 2", "6 delta 0 'Hello'", $"{Gap + 6} continued 5 2", $"{Gap + 12} delta 5 ' world'", $"{Gap + 13} ended Completed",
        }));
    }

    [Test]
    public async Task FollowAsync_CursorBeforeASeam_ReadsUpToItFirst()
    {
        var events = await LogReader.ReadAllAsync(Continued(), after: 4);

        Assert.That(events.Take(3), Is.EqualTo(new[] { "6 delta 3 'lo'", $"{Gap + 6} continued 5 2", $"{Gap + 12} delta 5 ' world'" }));
    }

    [Test]
    public async Task FollowAsync_CursorWhereTheStoredTextEnds_SeesTheSeamFirst()
    {
        var events = await LogReader.ReadAllAsync(Continued(), after: 6);

        Assert.That(events.Take(2), Is.EqualTo(new[] { $"{Gap + 6} continued 5 2", $"{Gap + 12} delta 5 ' world'" }));
    }

    /// <summary>Such a client has text that the crash has lost.</summary>
    [TestCase(7)]
    [TestCase(1000)]
    [TestCase(Gap + 5)]
    public async Task FollowAsync_CursorInTheGapOfACrash_GivesEverythingAnew(long after)
    {
        var events = await LogReader.ReadAllAsync(Continued(), after);

        Assert.That(events, Is.EqualTo(new[] { $"{Gap + 12} snapshot 'Hello world'", $"{Gap + 13} ended Completed" }));
    }

    [TestCase(0, "delta 5 ' world'")]
    [TestCase(4, "delta 9 'ld'")]
    public async Task FollowAsync_CursorAtOrBehindASeam_GoesOnWithTheTextBehindIt(int distance, string expected)
    {
        var events = await LogReader.ReadAllAsync(Continued(), after: Gap + 6 + distance);

        Assert.That(events, Is.EqualTo(new[] { $"{Gap + 12} {expected}", $"{Gap + 13} ended Completed" }));
    }

    [Test]
    public async Task FollowAsync_TwoSeamsAtOneOffset_AreBothShown()
    {
        var result = NewResult("Hello", lastSequence: (2 * Gap) + 7);
        var log = RunLog.Restore(
            NewStarted(attempt: 3), time, "Hello", [new RunContinued(Gap + 6, 5, 2), new RunContinued((2 * Gap) + 6, 5, 3)], result);

        var events = await LogReader.ReadAllAsync(log, after: 6);

        Assert.That(events, Is.EqualTo(new[] { $"{Gap + 6} continued 5 2", $"{(2 * Gap) + 6} continued 5 3", $"{(2 * Gap) + 7} ended Completed" }));
    }

    [Test]
    public async Task FollowAsync_LogThatGoesOnAfterACrash_AppendsBehindTheSeam()
    {
        var log = RunLog.Restore(NewStarted(attempt: 2), time, "Hello", [new RunContinued(Gap + 6, 5, 2)], result: null);
        await using var reader = new LogReader(log, after: 6);
        await reader.TakeReadyAsync();

        log.Append("!");
        log.End(NewResult(log));

        Assert.That(await reader.ShowReadyAsync(), Is.EqualTo(new[] { $"{Gap + 7} delta 5 '!'", $"{Gap + 8} ended Completed" }));
    }

    /// <summary>The client saw more than the crash has left; it must not keep it.</summary>
    [Test]
    public async Task FollowAsync_CursorInTheGapOfALogThatGoesOn_GivesEverythingAnewAndGoesOn()
    {
        var log = RunLog.Restore(NewStarted(attempt: 2), time, "Hello", [new RunContinued(Gap + 6, 5, 2)], result: null);
        await using var reader = new LogReader(log, after: 9);
        var first = await reader.ShowReadyAsync();

        log.Append("!");
        log.Publish();

        Assert.That(first, Is.EqualTo(new[] { $"{Gap + 6} snapshot 'Hello'" }));
        Assert.That(await reader.ShowReadyAsync(), Is.EqualTo(new[] { $"{Gap + 7} delta 5 '!'" }));
    }

    [Test]
    public async Task FollowAsync_SettledLogWithLessTextThanTheClientHas_GivesEverythingAnew()
    {
        var log = RunLog.Restore(NewStarted(), time, "Hel", [], NewResult("Hel", lastSequence: Gap + 4));

        var events = await LogReader.ReadAllAsync(log, after: 6);

        Assert.That(events, Is.EqualTo(new[] { "4 snapshot 'Hel'", $"{Gap + 4} ended Completed" }));
    }

    [TestCase(0, "1 started 1", "6 snapshot 'Hello'", "7 ended Completed")]
    [TestCase(1, "6 snapshot 'Hello'", "7 ended Completed")]
    [TestCase(3, "6 snapshot 'Hello'", "7 ended Completed")]
    [TestCase(6, "7 ended Completed")]
    [TestCase(7)]
    [TestCase(99, "6 snapshot 'Hello'", "7 ended Completed")]
    public async Task FollowAsync_OldLog_HasTheWholeTextInPlaceOfItsSteps(long after, params string[] expected)
    {
        var log = RunLog.Restore(NewStarted(), time, "Hello", [], NewResult("Hello", lastSequence: 7), isCondensed: true);

        var events = await LogReader.ReadAllAsync(log, after);

        Assert.That(events, Is.EqualTo(expected));
    }

    [Test]
    public async Task FollowAsync_OldLogWithoutText_HasABeginningAndAnEnd()
    {
        var log = RunLog.Restore(NewStarted(), time, "", [], NewResult("", lastSequence: 2), isCondensed: true);

        var events = await LogReader.ReadAllAsync(log);

        Assert.That(events, Is.EqualTo(new[] { "1 started 1", "2 ended Completed" }));
    }

    [Test]
    public async Task FollowAsync_ResultWithoutAPosition_EndsRightBehindTheText()
    {
        var log = RunLog.Restore(NewStarted(), time, "Hello", [], NewResult("Hello", lastSequence: null));

        var events = await LogReader.ReadAllAsync(log, after: 6);

        Assert.That(events, Is.EqualTo(new[] { "7 ended Completed" }));
    }

    [TestCase(0)]
    [TestCase(1)]
    [TestCase(19)]
    public async Task FollowAsync_CursorOfAnEarlierAttempt_StartsOver(long after)
    {
        var log = new RunLog(NewStarted(first: 20, attempt: 2), time);
        log.Append("Hello");
        log.End(NewResult(log));

        var events = await LogReader.ReadAllAsync(log, after);

        Assert.That(events, Is.EqualTo(new[] { "20 started 2", "25 delta 0 'Hello'", "26 ended Completed" }));
    }

    [Test]
    public async Task FollowAsync_CursorOfTheSecondAttempt_GoesOn()
    {
        var log = new RunLog(NewStarted(first: 20, attempt: 2), time);
        log.Append("Hello");
        log.End(NewResult(log));

        var events = await LogReader.ReadAllAsync(log, after: 22);

        Assert.That(events, Is.EqualTo(new[] { "25 delta 2 'llo'", "26 ended Completed" }));
    }

    [Test]
    public async Task FollowAsync_NothingHappens_SaysSoAgainAndAgain()
    {
        await using var reader = new LogReader(NewLog(), after: 1);
        await reader.TakeReadyAsync();

        time.Advance(RunLog.KeepAliveInterval);
        var first = await reader.ShowReadyAsync();
        time.Advance(RunLog.KeepAliveInterval);
        var second = await reader.ShowReadyAsync();

        Assert.That((first, second), Is.EqualTo((new[] { "keep-alive" }, new[] { "keep-alive" })));
    }

    [TestCase(0)]
    [TestCase(0.1)]
    [TestCase(3.5)]
    [TestCase(6.9)]
    public async Task FollowAsync_SilenceAfterAnEvent_LastsNoLongerThanFifteenSeconds(double eventAt)
    {
        var log = NewLog();
        await using var reader = new LogReader(log);
        time.Advance(TimeSpan.FromSeconds(eventAt));
        log.Append("Hello");
        await reader.TakeReadyAsync();

        var silence = await MeasureSilenceAsync(reader);

        Assert.That(silence, Is.GreaterThan(TimeSpan.FromSeconds(6)).And.LessThan(TimeSpan.FromSeconds(15)));
    }

    [Test]
    public async Task FollowAsync_EventsComeAllTheTime_NoKeepAlive()
    {
        var log = NewLog();
        await using var reader = new LogReader(log);
        var shown = new List<RunEvent>();

        for (var second = 0; second < 60; second++)
        {
            time.Advance(TimeSpan.FromSeconds(1));
            log.Append("x");
            log.Publish();
            shown.AddRange(await reader.TakeReadyAsync());
        }

        Assert.That(shown.OfType<KeepAlive>(), Is.Empty);
    }

    [Test]
    public async Task FollowAsync_ReaderPausedForLong_GetsTheNewsWithoutAKeepAliveBehindIt()
    {
        var log = NewLog();
        await using var reader = new LogReader(log);
        await reader.TakeReadyAsync(most: 1);
        time.Advance(TimeSpan.FromMinutes(1));
        log.Append("Hello");

        var events = await reader.ShowReadyAsync();

        Assert.That(events, Is.EqualTo(new[] { "6 delta 0 'Hello'" }));
    }

    [Test]
    public async Task FollowAsync_EndedLog_HasNoKeepAlive()
    {
        var log = Ended("Hello");
        await using var reader = new LogReader(log);
        await reader.TakeReadyAsync(most: 1);
        time.Advance(TimeSpan.FromMinutes(1));

        var events = await reader.ShowReadyAsync();

        Assert.That(events, Is.EqualTo(new[] { "6 delta 0 'Hello'", "7 ended Completed" }));
    }

    [Test]
    public void GetUnflushed_NoText_IsEmpty()
    {
        Assert.That(NewLog().GetUnflushed(), Is.Empty);
    }

    [Test]
    public void GetUnflushed_Text_HasItsPlace()
    {
        var unflushed = NewLog("Hello").GetUnflushed();

        Assert.That(unflushed, Is.EqualTo(new[] { new RunText("run-1", Sequence: 6, Offset: 0, "Hello") }));
    }

    [Test]
    public void GetUnflushed_SomeIsStored_IsTheRest()
    {
        var log = NewLog("Hello");
        log.SetFlushed(log.GetUnflushed());
        log.Append(" world");

        var unflushed = log.GetUnflushed();

        Assert.That(unflushed, Is.EqualTo(new[] { new RunText("run-1", Sequence: 12, Offset: 5, " world") }));
    }

    [Test]
    public void GetUnflushed_TextCameWhileSomeWasBeingStored_IsLeftForTheNextTime()
    {
        var log = NewLog("Hello");
        var first = log.GetUnflushed();
        log.Append(" world");
        log.SetFlushed(first);

        var second = log.GetUnflushed();

        Assert.That(second.Single().Text, Is.EqualTo(" world"));
    }

    [Test]
    public void GetUnflushed_StoringFailed_IsTheSameAgainAndThenTheRest()
    {
        var log = NewLog("Hello");
        log.GetUnflushed();
        log.Append(" world");

        var again = log.GetUnflushed();
        log.SetFlushed(again);
        var rest = log.GetUnflushed();

        Assert.That(again, Is.EqualTo(new[] { new RunText("run-1", Sequence: 6, Offset: 0, "Hello") }));
        Assert.That(rest, Is.EqualTo(new[] { new RunText("run-1", Sequence: 12, Offset: 5, " world") }));
    }

    [Test]
    public void GetUnflushed_AllIsStored_IsEmpty()
    {
        var log = NewLog("Hello");
        log.SetFlushed(log.GetUnflushed());

        Assert.That(log.GetUnflushed(), Is.Empty);
    }

    [Test]
    public void GetUnflushed_HalfACharacter_IsNotAmongIt()
    {
        var unflushed = NewLog("a\ud83d").GetUnflushed();

        Assert.That(unflushed.Single().Text, Is.EqualTo("a"));
    }

    [Test]
    public void GetUnflushed_ClosedLog_IsEmpty()
    {
        var log = NewLog("Hello");
        log.Close();

        Assert.That(log.GetUnflushed(), Is.Empty);
    }

    [Test]
    public void GetUnflushed_LogThatGoesOnAfterACrash_IsWhatCameSinceBehindTheSeam()
    {
        var log = RunLog.Restore(NewStarted(attempt: 2), time, "Hello", [new RunContinued(Gap + 6, 5, 2)], result: null);
        log.Append("!");

        var unflushed = log.GetUnflushed();

        Assert.That(unflushed, Is.EqualTo(new[] { new RunText("run-1", Gap + 7, Offset: 5, "!") }));
    }

    [Test]
    public async Task Continue_AnotherAttempt_IsASeamRightBehindTheText()
    {
        var log = NewLog("Hello");
        log.Continue(2);
        log.Append(" world");
        log.End(NewResult(log));

        var events = await log.FollowAsync(after: 0).ToListAsync();

        Assert.That(events[1..^1], Is.EqualTo(new RunEvent[]
        {
            new MessageDelta(6, 0, "Hello"), new RunContinued(7, 5, 2), new MessageDelta(13, 5, " world"),
        }));
        Assert.That(events[^1].Sequence, Is.EqualTo(14));
    }

    [Test]
    public async Task Continue_FollowerStoodAtTheSeam_SeesItAndTheRest([Values(6, 7)] int after)
    {
        var log = NewLog("Hello");
        log.Continue(2);
        log.Append(" world");
        log.End(NewResult(log));

        var events = await log.FollowAsync(after).ToListAsync();

        Assert.That(events.OfType<RunContinued>().Count(), Is.EqualTo(after == 6 ? 1 : 0));
        Assert.That(events.OfType<MessageDelta>().Single(), Is.EqualTo(new MessageDelta(13, 5, " world")));
    }

    [Test]
    public async Task Continue_HalfACharacterBeforeIt_IsNotCompletedByTheOtherAttempt()
    {
        var log = NewLog("a\ud83d");
        log.Continue(2);
        log.Append("\ude00b");
        log.End(NewResult(log));

        Assert.That(await FollowToTheEndAsync(log), Is.EqualTo("a\ufffd\ufffdb"));
    }

    [Test]
    public void GetUnflushed_SeamAmongTheText_KeepsTheOrder()
    {
        var log = NewLog("Hello");
        log.Continue(2);
        log.Append("!");

        var unflushed = log.GetUnflushed();

        Assert.That(unflushed, Is.EqualTo(new[]
        {
            new RunText("run-1", 6, 0, "Hello"), new RunText("run-1", 7, 5, "", new RunContinued(7, 5, 2)), new RunText("run-1", 8, 5, "!"),
        }));
    }

    [Test]
    public void GetUnflushedMarks_SeamCameAfterTheLastFlush_IsIt()
    {
        var log = NewLog("Hello");
        log.Continue(2);
        log.SetFlushed(log.GetUnflushed());
        log.Append("!");
        log.Continue(3);

        Assert.That(log.GetUnflushedMarks(), Is.EqualTo(new[] { new RunContinued(9, 6, 3) }));
    }

    [Test]
    public void HasFlushed_NothingWasTaken_IsFalse()
    {
        Assert.That(NewLog("Hello").HasFlushed, Is.False);
    }

    [Test]
    public void HasFlushed_TextIsOnItsWay_IsTrue()
    {
        var log = NewLog("Hello");
        log.GetUnflushed();

        Assert.That(log.HasFlushed, Is.True);
    }

    [Test]
    public void HasFlushed_RestoredText_IsTrue()
    {
        var log = RunLog.Restore(NewStarted(attempt: 2), time, "Hello", [new RunContinued(Gap + 6, 5, 2)], result: null);

        Assert.That(log.HasFlushed, Is.True);
    }

    private static async Task<string> FollowToTheEndAsync(RunLog log)
    {
        var text = "";
        await foreach (var runEvent in log.FollowAsync(after: 0))
        {
            if (runEvent is MessageDelta delta)
                text = text[..delta.Offset] + delta.Text;
        }

        return text;
    }

    private async Task<TimeSpan> MeasureSilenceAsync(LogReader reader)
    {
        var step = TimeSpan.FromMilliseconds(100);
        var silence = TimeSpan.Zero;
        while ((await reader.TakeReadyAsync()).Count == 0 && silence < TimeSpan.FromMinutes(1))
        {
            time.Advance(step);
            silence += step;
        }

        return silence;
    }

    private RunLog NewLog(params string[] pieces)
    {
        var log = new RunLog(NewStarted(), time);
        foreach (var piece in pieces)
            log.Append(piece);
        return log;
    }

    private RunLog Ended(params string[] pieces)
    {
        var log = NewLog(pieces);
        log.End(NewResult(log));
        return log;
    }

    /// <summary>"Hello" by a process that died, " world" by the next one.</summary>
    private RunLog Continued() => RunLog.Restore(
        NewStarted(attempt: 2), time, "Hello world", [new RunContinued(Gap + 6, 5, 2)], NewResult("Hello world", lastSequence: Gap + 13));
}
