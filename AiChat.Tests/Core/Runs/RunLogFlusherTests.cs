using System.Collections.Concurrent;
using System.Threading.Channels;
using AiChat.Core.Errors;
using AiChat.Core.Models;
using AiChat.Core.Nodes;
using AiChat.Core.Runs;
using Microsoft.Extensions.Logging;
using Moq;

namespace AiChat.Tests.Core.Runs;

public sealed class RunLogFlusherTests : RunTestBase
{
    private LoggerFactory loggers = null!;
    private RunLogFlusher flusher = null!;
    private Channel<IReadOnlyList<RunText>> flushes = null!;
    private ConcurrentQueue<IReadOnlyList<Attempt>> attempts = null!;
    private volatile Exception? refusal;

    [SetUp]
    public void SetUp()
    {
        flushes = Channel.CreateUnbounded<IReadOnlyList<RunText>>();
        attempts = new ConcurrentQueue<IReadOnlyList<Attempt>>();
        refusal = null;
        Runs.Setup(r => r.AppendAsync(It.IsAny<IReadOnlyList<RunProgress>>(), It.IsAny<CancellationToken>()))
            .Returns((IReadOnlyList<RunProgress> progress, CancellationToken _) =>
            {
                var answer = refusal is { } failure ? Task.FromException(failure) : Task.CompletedTask;
                flushes.Writer.TryWrite([.. progress.SelectMany(p => p.Texts)]);
                attempts.Enqueue([.. progress.SelectMany(p => p.Attempts)]);
                return answer;
            });
        loggers = new LoggerFactory([Log]);
        flusher = new RunLogFlusher(Executor, Runs.Object, new Node(), Signals, Time, loggers.CreateLogger<RunLogFlusher>());
    }

    [TearDown]
    public async Task TearDown()
    {
        foreach (var run in Executor.Active)
            Executor.Forget(run);
        await InTime(flusher.StopAsync(None));
        flusher.Dispose();
        loggers.Dispose();
    }

    [Test]
    public void Interval_AsPromised_IsNoLongerThanATenthOfASecond()
    {
        Assert.That(RunLogFlusher.Interval, Is.LessThanOrEqualTo(TimeSpan.FromMilliseconds(100)));
    }

    [Test]
    public async Task ExecuteAsync_RepliesGrow_StoresAllOfThemWithOneCall()
    {
        Begin("run-1").Log.Append("Once");
        Begin("run-2").Log.Append("upon");
        Begin("run-3");

        await flusher.StartAsync(None);

        Assert.That(await NextFlushAsync(), Is.EquivalentTo(new[] { new RunText("run-1", 5, 0, "Once"), new RunText("run-2", 5, 0, "upon") }));
    }

    [Test]
    public async Task ExecuteAsync_ReplyGrowsOn_StoresTheRestOneIntervalLater()
    {
        var log = Begin("run-1").Log;
        log.Append("Once");
        await flusher.StartAsync(None);
        await NextFlushAsync();

        log.Append(" upon");
        Time.Advance(RunLogFlusher.Interval);

        Assert.That(await InTime(flushes.Reader.ReadAsync().AsTask()), Is.EqualTo(new[] { new RunText("run-1", 10, 4, " upon") }));
    }

    [Test]
    public async Task ExecuteAsync_NothingNew_AsksTheDatabaseForNothing()
    {
        var first = Begin("run-1").Log;
        first.Append("Once");
        await flusher.StartAsync(None);
        await NextFlushAsync();

        Time.Advance(RunLogFlusher.Interval);
        Begin("run-2").Log.Append("upon");

        Assert.That((await NextFlushAsync()).Select(t => t.RunId), Is.EqualTo(new[] { "run-2" }));
    }

    [Test]
    public async Task ExecuteAsync_StoringFails_KeepsTheTextForTheNextTime()
    {
        Log.Expect("The text of 1 running replies cannot be stored");
        refusal = UnavailableException.ForDatabase(new IOException());
        var log = Begin("run-1").Log;
        log.Append("Once");
        await flusher.StartAsync(None);
        await NextFlushAsync();

        log.Append(" upon");
        refusal = null;
        var again = await NextFlushAsync();
        var rest = await NextFlushAsync(t => t.Text == " upon");

        Assert.That(again.Single().Text, Is.EqualTo("Once"));
        Assert.That(rest.Single().Offset, Is.EqualTo(4));
    }

    [Test]
    public async Task ExecuteAsync_StoringFailsAgainAndAgain_SaysSoOnce()
    {
        Log.Expect("cannot be stored; it is kept in memory and tried again");
        refusal = UnavailableException.ForDatabase(new IOException());
        Begin("run-1").Log.Append("Once");
        await flusher.StartAsync(None);

        await NextFlushAsync();
        await NextFlushAsync();
        await NextFlushAsync();
        await InTime(flusher.StopAsync(None));

        Assert.That(Log.Entries.Count(e => e.Contains("cannot be stored")), Is.EqualTo(1));
    }

    [Test]
    public async Task ExecuteAsync_StoringFailsAfterItWorkedAgain_SaysSoAgain()
    {
        Log.Expect("cannot be stored");
        refusal = UnavailableException.ForDatabase(new IOException());
        var log = Begin("run-1").Log;
        log.Append("a");
        await flusher.StartAsync(None);
        await NextFlushAsync();
        refusal = null;
        log.Append("b");
        await NextFlushAsync(t => t.Text == "b");

        log.Append("c");
        refusal = UnavailableException.ForDatabase(new IOException());
        await NextFlushAsync(t => t.Text == "c");
        await InTime(flusher.StopAsync(None));

        Assert.That(Log.Entries.Count(e => e.Contains("cannot be stored")), Is.EqualTo(2));
    }

    [Test]
    public async Task ExecuteAsync_AttemptBeginsAndEnds_IsStoredEachTime()
    {
        var run = Begin("run-1");
        var begun = NewAttempt(AttemptOutcome.InProgress);
        run.Attempts.Begin(begun);
        await flusher.StartAsync(None);
        await NextFlushAsync(_ => true, isEmptyMeant: true);

        var ended = NewAttempt(AttemptOutcome.Failed);
        run.Attempts.Update(ended);
        await NextFlushAsync(_ => true, isEmptyMeant: true);

        Assert.That(attempts.SelectMany(a => a), Is.EqualTo(new[] { begun, ended }));
    }

    [Test]
    public async Task StopAsync_Server_EndsQuietly()
    {
        await flusher.StartAsync(None);

        await InTime(flusher.StopAsync(None));

        Assert.That(Log.Entries, Is.Empty);
    }

    private static Attempt NewAttempt(AttemptOutcome outcome) =>
        new() { Number = 1, Provider = "groq", Model = "oss", Outcome = outcome, StartedAt = default };

    private ActiveRun Begin(string id)
    {
        var alias = Registry.Get("fast");
        var stored = NewStored(RunStatus.InProgress, lastSequence: null) with { Id = id };
        var log = new RunLog(stored.ToStarted(alias.Active.Provider, alias.Active.Model), Time);
        var run = new ActiveRun(stored.ToNewRun(UserId, new RunQuestion("Hi", null)), null, alias, log, Time);
        Executor.TryRegister(run);
        return run;
    }

    private Task<IReadOnlyList<RunText>> NextFlushAsync() => NextFlushAsync(_ => true);

    /// <summary>Lets the clock run until something of this kind is stored.</summary>
    private async Task<IReadOnlyList<RunText>> NextFlushAsync(Predicate<RunText> isMeant, bool isEmptyMeant = false)
    {
        while (true)
        {
            var flush = flushes.Reader.ReadAsync().AsTask();
            await RunClockUntilAsync(flush);
            var texts = await flush;
            if (texts.Any(t => isMeant(t)) || (isEmptyMeant && texts.Count == 0))
                return texts;
        }
    }
}
