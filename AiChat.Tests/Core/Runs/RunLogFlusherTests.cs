using System.Threading.Channels;
using AiChat.Core.Errors;
using AiChat.Core.Runs;
using Microsoft.Extensions.Logging;
using Moq;

namespace AiChat.Tests.Core.Runs;

public sealed class RunLogFlusherTests : RunTestBase
{
    private LoggerFactory loggers = null!;
    private RunLogFlusher flusher = null!;
    private Channel<IReadOnlyList<RunText>> flushes = null!;
    private volatile Exception? refusal;

    [SetUp]
    public void SetUp()
    {
        flushes = Channel.CreateUnbounded<IReadOnlyList<RunText>>();
        refusal = null;
        Runs.Setup(r => r.AppendAsync(It.IsAny<IReadOnlyList<RunText>>(), It.IsAny<CancellationToken>()))
            .Returns((IReadOnlyList<RunText> texts, CancellationToken _) =>
            {
                var answer = refusal is { } failure ? Task.FromException(failure) : Task.CompletedTask;
                flushes.Writer.TryWrite(texts);
                return answer;
            });
        loggers = new LoggerFactory([Log]);
        flusher = new RunLogFlusher(Executor, Runs.Object, Time, loggers.CreateLogger<RunLogFlusher>());
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

        Assert.That((await NextFlushAsync(t => t.Text == "Once upon")).Single().Offset, Is.Zero);
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
        await NextFlushAsync(t => t.Text == "ab");

        log.Append("c");
        refusal = UnavailableException.ForDatabase(new IOException());
        await NextFlushAsync(t => t.Text == "c");
        await InTime(flusher.StopAsync(None));

        Assert.That(Log.Entries.Count(e => e.Contains("cannot be stored")), Is.EqualTo(2));
    }

    [Test]
    public async Task StopAsync_Server_EndsQuietly()
    {
        await flusher.StartAsync(None);

        await InTime(flusher.StopAsync(None));

        Assert.That(Log.Entries, Is.Empty);
    }

    private ActiveRun Begin(string id)
    {
        var candidate = Registry.Get("fast").Active;
        var stored = NewStored(RunStatus.InProgress, lastSequence: null) with { Id = id };
        var log = new RunLog(stored.ToStarted(candidate.Provider, candidate.Model), Time);
        var run = new ActiveRun(stored.ToNewRun(UserId, new RunQuestion("Hi", null)), null, candidate, log, Time);
        Executor.TryRegister(run);
        return run;
    }

    private Task<IReadOnlyList<RunText>> NextFlushAsync() => NextFlushAsync(_ => true);

    /// <summary>Lets the clock run until something of this kind is stored.</summary>
    private async Task<IReadOnlyList<RunText>> NextFlushAsync(Predicate<RunText> isMeant)
    {
        while (true)
        {
            var flush = flushes.Reader.ReadAsync().AsTask();
            await RunClockUntilAsync(flush);
            var texts = await flush;
            if (texts.Any(t => isMeant(t)))
                return texts;
        }
    }
}
