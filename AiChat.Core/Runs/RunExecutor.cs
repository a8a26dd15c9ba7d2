using System.Collections.Concurrent;
using AiChat.Core.Chats;
using AiChat.Core.Errors;
using AiChat.Core.Models;
using AiChat.Core.Nodes;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace AiChat.Core.Runs;

/// <summary>
/// Holds the runs of this process, from acceptance until their ends are stored. A run belongs to the server: it goes on when the request
/// that brought it is gone, and the shutdown waits for it.
/// </summary>
public sealed partial class RunExecutor(
    IRunRepository runs, RunGenerator generator, TitleWriter titles, INodeSignals signals, IOptions<RunOptions> options, IHostApplicationLifetime lifetime,
    TimeProvider time, ILogger<RunExecutor> logger) : IHostedService, IDisposable
{
    private static readonly TimeSpan DrainPollDelay = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan StoreRetryDelay = TimeSpan.FromSeconds(1);

    /// <summary>From the stop of the last runs until their followers must have read the ends.</summary>
    private static readonly TimeSpan ReleaseDelay = TimeSpan.FromSeconds(3);

    private readonly ConcurrentDictionary<string, ActiveRun> active = new();
    private readonly CancellationTokenSource shutdown = new(Timeout.InfiniteTimeSpan, time);
    private readonly CancellationTokenSource release = new(Timeout.InfiniteTimeSpan, time);

    /// <summary>From the first moment of a shutdown on: no new run is taken.</summary>
    public bool IsStopping => lifetime.ApplicationStopping.IsCancellationRequested;

    /// <summary>Cancelled when a shutdown leaves runs no more time.</summary>
    public CancellationToken Expired => shutdown.Token;

    /// <summary>Cancelled when every run has ended and been shown for a while: who has not read its end by then is not waited for.</summary>
    public CancellationToken Released => release.Token;

    /// <summary>Every run of this process, queued ones included, at about this moment.</summary>
    public IEnumerable<ActiveRun> Active => active.Select(r => r.Value);

    public Task StartAsync(CancellationToken cancellationToken)
    {
        shutdown.Token.Register(() => StopAll(_ => true, RunStopReason.Shutdown));
        // The clock starts with the signal, not with StopAsync: the web server stops first and waits for requests that wait for runs.
        lifetime.ApplicationStopping.Register(() =>
        {
            shutdown.CancelAfter(options.Value.ShutdownTimeout);
            release.CancelAfter(options.Value.ShutdownTimeout + ReleaseDelay);
        });
        return Task.CompletedTask;
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        while (!active.IsEmpty && !cancellationToken.IsCancellationRequested)
        {
            // The end of a run is shown a moment before it leaves the table, and the next one of its chat may begin then.
            Task ends = Task.WhenAll(active.Values.Select(r => r.Completion));
            await ends.WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await Task.Delay(DrainPollDelay, time, CancellationToken.None);
        }
    }

    /// <summary>The run, while its end is not stored; null otherwise.</summary>
    public ActiveRun? Find(string runId) => active.GetValueOrDefault(runId);

    /// <summary>
    /// Makes a run known before it is stored, so that the run in front of it in its chat can begin it. False when it is known already.
    /// </summary>
    public bool TryRegister(ActiveRun run)
    {
        if (!active.TryAdd(run.Run.Id, run))
            return false;
        ChatTelemetry.ActiveRuns.Add(1);
        return true;
    }

    /// <summary>Takes back <see cref="TryRegister"/> for a run that was not accepted.</summary>
    public void Forget(ActiveRun run)
    {
        if (active.TryRemove(KeyValuePair.Create(run.Run.Id, run)))
            ChatTelemetry.ActiveRuns.Add(-1);
        run.Dispose();
    }

    /// <summary>Starts generating the reply of a registered and accepted run whose turn it is. Returns at once.</summary>
    public void Begin(ActiveRun run)
    {
        if (!run.TryBegin())
            return;
        if (shutdown.IsCancellationRequested)
            run.Stop(RunStopReason.Shutdown);
        _ = ExecuteAsync(run);
    }

    /// <summary>
    /// Keeps a registered and accepted run until the one in front of it ends. When it is stopped before, no turn is waited for: the run is
    /// begun then, finds itself stopped, and tells the one who waits.
    /// </summary>
    public void Queue(ActiveRun run) => run.Stopped.UnsafeRegister(_ => Begin(run), null);

    /// <summary>Tells those who follow the run from other processes to look at it.</summary>
    public void Announce(string runId) => signals.Send(new NodeSignal(NodeSignalKind.RunChanged, runId));

    /// <summary>Stops the runs of a chat that is no more, wherever they are.</summary>
    public void AbandonChat(string chatId)
    {
        StopChat(chatId);
        signals.Send(new NodeSignal(NodeSignalKind.ChatDeleted, chatId));
    }

    /// <summary>Stops the runs of a chat that is no more, as far as they are here.</summary>
    public void StopChat(string chatId) => StopAll(r => r.Run.ChatId == chatId, RunStopReason.ChatDeleted);

    public void Dispose()
    {
        shutdown.Dispose();
        release.Dispose();
    }

    private void StopAll(Func<ActiveRun, bool> isMeant, RunStopReason reason)
    {
        foreach (var run in Active.Where(isMeant))
            run.Stop(reason);
    }

    /// <summary>The top of a run: whatever happens in it, its end is stored, the chat goes on, and whoever waits is told.</summary>
    private async Task ExecuteAsync(ActiveRun run)
    {
        try
        {
            var (result, finished) = await StoreAsync(run, await generator.GenerateAsync(run));
            Forget(run);
            if (finished.Next is { } next)
                Pass(next);
            if (finished.Outcome == FinishOutcome.TakenOver)
            {
                Release(run);
                return;
            }

            if (finished.Outcome == FinishOutcome.ChatDeleted)
                result = generator.End(run, RunStatus.Cancelled, RunError.ForDeletedChat());
            Announce(run.Run.Id);
            // Last: followers and whoever waits go on here, on this thread.
            run.Log.End(result);
            run.Complete(result);
            titles.Offer(run.Run.Message, result);
        }
        catch (Exception failure)
        {
            LogNotStored(failure, run.Run.Id);
            Forget(run);
            EndQueue(run.Run.ChatId);
            run.Log.Break();
            run.Fail(failure is UnavailableException ? UnavailableException.ForUnstoredReply(failure) : failure);
        }
    }

    /// <summary>Tells those who wait behind a run whose end is not stored: their turn comes no more, and the next start settles them too.</summary>
    private void EndQueue(string chatId)
    {
        var error = shutdown.IsCancellationRequested ? RunError.ForShutdown() : RunError.ForDefect();
        foreach (var waiting in Active.Where(r => r.Run.ChatId == chatId && r.TryBegin()))
        {
            Forget(waiting);
            waiting.Log.Break();
            waiting.Complete(generator.End(waiting, RunStatus.Incomplete, error));
        }
    }

    /// <summary>Lets the run begin whose turn it is now, here or where it is. Returns at once.</summary>
    public void Pass(NextRun next)
    {
        if (Find(next.Id) is not { } run)
            signals.Send(new NodeSignal(NodeSignalKind.TurnCame, next.Id));
        // Not of that attempt any more when it was cancelled and is tried again, this moment.
        else if (run.Log.Attempt == next.Attempt)
            // On a thread of its own: a long queue would nest, one run inside the end of the other.
            ThreadPool.UnsafeQueueUserWorkItem(static self => _ = self.Executor.BeginAcceptedAsync(self.Run), (Executor: this, Run: run), preferLocal: false);
    }

    private async Task BeginAcceptedAsync(ActiveRun run)
    {
        if (await run.Admission)
            Begin(run);
    }

    /// <summary>The run goes on in another process, or has ended there: whoever follows it here comes back and finds it.</summary>
    private void Release(ActiveRun run)
    {
        LogTakenOver(run.Run.Id);
        run.Log.Break();
        run.Fail(UnavailableException.ForTakenOver());
    }

    /// <summary>
    /// Stores the end, however long the database needs; during a shutdown it is tried twice: the first time may have stored it, and only the
    /// answer was lost. Whatever else goes wrong, the chat must go on:
    /// an end that a defect keeps from being stored is tried once more as it is, then as a reply that broke off, and then without its text.
    /// Returns what was stored.
    /// </summary>
    private async Task<(RunResult Result, FinishedRun Finished)> StoreAsync(ActiveRun run, RunResult result)
    {
        for (var (defects, refusals) = (0, 0); ;)
        {
            try
            {
                return (result, await runs.FinishAsync(result, CancellationToken.None));
            }
            catch (UnavailableException failure) when (refusals == 0 || !shutdown.IsCancellationRequested)
            {
                refusals++;
                // The last of the text goes with the end otherwise, which takes its time now.
                run.Log.Publish();
                if (refusals == 1)
                    continue;
                // The one who waits is told now; the reply is kept and stored as soon as the database takes it. Said once.
                if (refusals == 2)
                    LogStoreRetry(failure, run.Run.Id);
                run.Fail(UnavailableException.ForUnstoredReply(failure));
            }
            catch (Exception failure) when (failure is not UnavailableException && !(shutdown.IsCancellationRequested && defects > 1))
            {
                LogDefect(failure, run.Run.Id);
                defects++;
                if (defects > 2)
                    run.Fail(failure);
                result = AfterDefect(result, defects);
                if (defects <= 2)
                    continue;
            }

            await Task.Delay(StoreRetryDelay, time, shutdown.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private static RunResult AfterDefect(RunResult result, int defects) => defects switch
    {
        1 => result,
        2 => result with
        {
            Status = result.Reply.Length == 0 ? RunStatus.Failed : RunStatus.Incomplete,
            FinishReason = null,
            Error = RunError.ForDefect(),
            Receipt = null,
        },
        _ => result with { Status = RunStatus.Failed, Reply = "" },
    };

    [LoggerMessage(Level = LogLevel.Error, Message = "Run {RunId} failed because of a defect")]
    private partial void LogDefect(Exception failure, string runId);

    [LoggerMessage(Level = LogLevel.Error, Message = "The end of run {RunId} cannot be stored; trying again")]
    private partial void LogStoreRetry(Exception failure, string runId);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Run {RunId} was taken over by another process, which took this one for dead; what came here since is not stored")]
    private partial void LogTakenOver(string runId);

    [LoggerMessage(Level = LogLevel.Critical, Message = "The end of run {RunId} was not stored; the next start settles it")]
    private partial void LogNotStored(Exception failure, string runId);
}
