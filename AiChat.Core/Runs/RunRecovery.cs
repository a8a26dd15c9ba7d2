using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using AiChat.Core.Models;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace AiChat.Core.Runs;

/// <summary>Holds what runs here against what the database says, and settles, or goes on with, runs that nobody executes any more.</summary>
public sealed partial class RunRecovery(
    IRunRepository runs, RunExecutor executor, ModelRegistry models, IOptions<RunOptions> options, TimeProvider time, ILogger<RunRecovery> logger)
{
    /// <summary>How often a reply is gone on with: the one that makes the server crash must not do so for ever, nor be paid for each time.</summary>
    private const int MostContinuations = 3;

    /// <summary>Chats whose runs are settled at the same time: a process that died may have left thousands.</summary>
    private const int MostAtOnce = 8;

    /// <summary>
    /// Looks at every unfinished run of this process. What another process has asked for or given up comes true here, also when its signal
    /// was lost.
    /// </summary>
    public async Task SyncAsync(CancellationToken cancellationToken)
    {
        var left = await FollowAsync(cancellationToken);
        if (left.Count > 0)
            await RecoverAsync(left, cancellationToken);
    }

    /// <summary>Does to the runs that are executed here what the database says, and returns those that nobody executes.</summary>
    public async Task<IReadOnlyList<HeldRun>> FollowAsync(CancellationToken cancellationToken)
    {
        // Before the database is asked: what is accepted since is not among what it says.
        var known = executor.Active.Where(r => r.Admission is { IsCompletedSuccessfully: true, Result: true }).ToList();
        var held = await runs.GetHeldAsync(cancellationToken);
        var leases = held.ToDictionary(h => h.Id, h => h.LeaseNumber);
        foreach (var lost in known.Where(r => !leases.TryGetValue(r.Run.Id, out var lease) || lease != r.LeaseNumber))
            lost.Stop(RunStopReason.Lost);

        var left = held.Where(h => executor.Find(h.Id) is null).ToList();
        foreach (var run in held)
            Follow(run);
        return left;
    }

    /// <summary>Settles, or goes on with, runs that nobody executes. Where that fails for some, the others are through when the first failure is thrown.</summary>
    public Task RecoverAsync(IReadOnlyList<HeldRun> left, CancellationToken cancellationToken) =>
        options.Value.OnRestart == OnRestart.Continue ? ContinueAsync(left, cancellationToken) : SettleAsync(left, cancellationToken);

    /// <summary>Does to a run that is executed here what the database says.</summary>
    private void Follow(HeldRun held)
    {
        if (executor.Find(held.Id) is not { Admission: { IsCompletedSuccessfully: true, Result: true } } run || run.LeaseNumber != held.LeaseNumber)
            return;
        if (held.IsCancelRequested)
            run.Stop(RunStopReason.Cancelled);
        else if (held.Status == RunStatus.InProgress)
            executor.Begin(run);
    }

    private async Task SettleAsync(IReadOnlyList<HeldRun> left, CancellationToken cancellationToken)
    {
        var settled = 0;
        var failures = new ConcurrentQueue<Exception>();
        // Those of a chat one after another: they hand its turn on.
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = MostAtOnce, CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(left.GroupBy(r => r.ChatId), parallel, async (chat, ct) =>
        {
            foreach (var run in chat)
            {
                ct.ThrowIfCancellationRequested();
                try
                {
                    if (await SettleAsync(run, ct))
                        Interlocked.Increment(ref settled);
                }
                catch (Exception failure) when (!ct.IsCancellationRequested)
                {
                    failures.Enqueue(failure);
                }
            }
        });
        if (settled > 0)
            LogSettled(settled);
        ThrowFirst(failures);
    }

    private async Task<bool> SettleAsync(HeldRun run, CancellationToken cancellationToken)
    {
        var finished = await runs.SettleAsync(run.Id, run.LeaseNumber, time.GetUtcNow(), cancellationToken);
        if (finished.Outcome != FinishOutcome.Stored)
            return false;
        if (finished.Next is { } next)
            executor.Pass(next);
        executor.Announce(run.Id);
        return true;
    }

    private async Task ContinueAsync(IReadOnlyList<HeldRun> left, CancellationToken cancellationToken)
    {
        var restored = new List<(ActiveRun Run, RunStatus Status)>();
        var failures = new Queue<Exception>();
        foreach (var run in left)
        {
            // Those before it have their seams by now, and begin all the same.
            if (cancellationToken.IsCancellationRequested)
                break;
            try
            {
                if (await runs.ContinueAsync(run.Id, run.LeaseNumber, time.GetUtcNow(), cancellationToken) is { } interrupted)
                    restored.Add((Restore(interrupted), interrupted.Run.Status));
            }
            catch (Exception failure)
            {
                failures.Enqueue(failure);
            }
        }

        Begin(restored);
        ThrowFirst(failures);
    }

    /// <summary>A run that cannot be recovered does not keep the others from it: what went wrong is said when they are through.</summary>
    private static void ThrowFirst(IEnumerable<Exception> failures)
    {
        if (failures.FirstOrDefault() is { } first)
            ExceptionDispatchInfo.Throw(first);
    }

    private void Begin(List<(ActiveRun Run, RunStatus Status)> restored)
    {
        if (restored.Count > 0)
            LogContinued(restored.Count);

        // All are known before the first begins: its end may begin the next.
        var registered = restored.Where(r => executor.TryRegister(r.Run)).ToList();
        foreach (var (run, status) in registered.Where(r => r.Status == RunStatus.Queued))
            executor.Queue(run);
        foreach (var (run, status) in registered.Where(r => r.Status == RunStatus.InProgress))
            executor.Begin(run);
    }

    private ActiveRun Restore(InterruptedRun interrupted)
    {
        var stored = interrupted.Run;
        // An alias that was taken out of the configuration meanwhile: the default one answers.
        var alias = models.Find(stored.Alias) ?? models.Get(ModelsOptions.DefaultAlias);
        var log = RunLog.Restore(stored.ToStarted(alias.Active.Provider, alias.Active.Model), time, stored.Reply, stored.Marks, result: null);
        var run = new ActiveRun(stored.ToNewRun(interrupted.UserId, interrupted.Question), interrupted.Question.SystemPrompt, alias, log, time);
        run.Accept(stored.Place, stored.LeaseNumber);
        if (interrupted.IsCancelRequested)
            run.Stop(RunStopReason.Cancelled);
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

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Count} replies were unfinished when their process ended; they are marked incomplete")]
    private partial void LogSettled(int count);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Run {RunId} is left incomplete: it was gone on with {Count} times, and each time the process died")]
    private partial void LogGivenUp(string runId, int count);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Count} replies were unfinished when their process ended; they go on")]
    private partial void LogContinued(int count);
}
