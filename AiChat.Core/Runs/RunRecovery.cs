using AiChat.Core.Models;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace AiChat.Core.Runs;

/// <summary>At the start: settles, or goes on with, the runs a process before this one left unfinished.</summary>
public sealed partial class RunRecovery(
    IRunRepository runs, RunExecutor executor, ModelRegistry models, IOptions<RunOptions> options, TimeProvider time, ILogger<RunRecovery> logger)
    : IHostedService
{
    /// <summary>How often a reply is gone on with: the one that makes the server crash must not do so for ever, nor be paid for each time.</summary>
    private const int MostContinuations = 3;

    public Task StartAsync(CancellationToken cancellationToken) =>
        options.Value.OnRestart == OnRestart.Continue ? ContinueAsync(cancellationToken) : SettleAsync(cancellationToken);

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    private async Task SettleAsync(CancellationToken cancellationToken)
    {
        var settled = await runs.SettleUnfinishedAsync(time.GetUtcNow(), cancellationToken);
        if (settled > 0)
            LogSettled(settled);
    }

    private async Task ContinueAsync(CancellationToken cancellationToken)
    {
        var interrupted = await runs.ContinueUnfinishedAsync(time.GetUtcNow(), cancellationToken);
        if (interrupted.Count > 0)
            LogContinued(interrupted.Count);

        // All are known before the first begins: its end may begin the next.
        var restored = interrupted.Select(i => (Run: Restore(i), i.Run.Place, i.Run.Status)).ToList();
        foreach (var (run, place, status) in restored.Where(r => executor.TryRegister(r.Run)))
        {
            if (status == RunStatus.Queued)
                executor.Queue(run, place);
        }

        foreach (var (run, place, _) in restored.Where(r => r.Status == RunStatus.InProgress))
            executor.Begin(run, place);
    }

    private ActiveRun Restore(InterruptedRun interrupted)
    {
        var stored = interrupted.Run;
        // An alias that was taken out of the configuration meanwhile: the default one answers.
        var alias = models.Find(stored.Alias) ?? models.Get(ModelsOptions.DefaultAlias);
        var log = RunLog.Restore(stored.ToStarted(alias.Active.Provider, alias.Active.Model), time, stored.Reply, stored.Marks, result: null);
        var run = new ActiveRun(stored.ToNewRun(interrupted.UserId, interrupted.Question), interrupted.Question.SystemPrompt, alias, log, time);
        run.Admit(isAccepted: true);
        if (CountCrashes(stored) > MostContinuations)
        {
            LogGivenUp(stored.Id, MostContinuations);
            run.Stop(RunStopReason.GivenUp);
        }

        return run;
    }

    /// <summary>Seams behind which positions were left out; other marks follow the text before them.</summary>
    private static int CountCrashes(StoredRun run)
    {
        var (mark, offset, crashes) = (run.FirstSequence, 0, 0);
        foreach (var current in run.Marks)
        {
            if (current.Sequence - mark - (current.Offset - offset) >= RunLog.CrashGap)
                crashes++;
            (mark, offset) = (current.Sequence, current.Offset);
        }

        return crashes;
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Count} replies were unfinished when the last process ended; they are marked incomplete")]
    private partial void LogSettled(int count);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Run {RunId} is left incomplete: it was gone on with {Count} times, and each time the process died")]
    private partial void LogGivenUp(string runId, int count);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Count} replies were unfinished when the last process ended; they go on")]
    private partial void LogContinued(int count);
}
