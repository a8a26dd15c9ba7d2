using AiChat.Core.Models;

namespace AiChat.Core.Runs;

/// <summary>A run this process holds, from acceptance until its end is stored.</summary>
public sealed class ActiveRun : IDisposable
{
    // Whoever waits goes on at once, on the thread that ends the run: that is the last thing it does.
    private readonly TaskCompletionSource<RunResult> completion = new();
    private readonly TaskCompletionSource<bool> admission = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource stopping;
    private int stopReason;
    private bool hasBegun;

    public ActiveRun(NewRun run, string? systemPrompt, ModelAlias alias, RunLog log, TimeProvider time)
    {
        Run = run;
        SystemPrompt = systemPrompt ?? alias.SystemPrompt;
        Alias = alias;
        Attempts = new AttemptLog(log.Attempt);
        Log = log;
        stopping = new CancellationTokenSource(Timeout.InfiniteTimeSpan, time);
        Stopped = stopping.Token;
    }

    public NewRun Run { get; }

    public string? SystemPrompt { get; }

    /// <summary>The models that may answer.</summary>
    public ModelAlias Alias { get; }

    /// <summary>What was asked of them so far.</summary>
    public AttemptLog Attempts { get; }

    /// <summary>The provider that answers, or will as it looks now.</summary>
    public string Provider => Attempts.Last?.Provider ?? Alias.Active.Provider;

    /// <summary>The model that answers, or will as it looks now; its id at the provider.</summary>
    public string Model => Attempts.Last?.Model ?? Alias.Active.Model;

    /// <summary>What the followers read.</summary>
    public RunLog Log { get; }

    /// <summary>Whether the database has accepted it, as soon as that is known; it can be found before.</summary>
    public Task<bool> Admission => admission.Task;

    /// <summary>Where its messages stand; known when it is accepted.</summary>
    public RunPlace Place { get; private set; }

    /// <summary>
    /// With what number this process may write to it. Whoever takes the run over counts on, so that a process that wakes up late changes
    /// nothing. Known when it is accepted.
    /// </summary>
    public int LeaseNumber { get; private set; }

    /// <summary>When the first text came; null before.</summary>
    public DateTimeOffset? FirstTokenAt { get; set; }

    /// <summary>Ends with the run, whatever the end is; faults only when the end could not be stored, or not yet.</summary>
    public Task<RunResult> Completion => completion.Task;

    /// <summary>Set when the run has to end; <see cref="StopReason"/> says why.</summary>
    public CancellationToken Stopped { get; }

    /// <summary>Why it was stopped; the first reason counts.</summary>
    public RunStopReason StopReason => (RunStopReason)Volatile.Read(ref stopReason);

    /// <summary>The database has accepted it.</summary>
    public void Accept(RunPlace place, int leaseNumber)
    {
        (Place, LeaseNumber) = (place, leaseNumber);
        admission.TrySetResult(true);
    }

    /// <summary>The database has not accepted it.</summary>
    public void Refuse() => admission.TrySetResult(false);

    public void Stop(RunStopReason reason)
    {
        Interlocked.CompareExchange(ref stopReason, (int)reason, (int)RunStopReason.None);
        try
        {
            stopping.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // It ended a moment ago: there is nothing left to stop.
        }
    }

    /// <summary>Stops it when it takes longer than this from now on.</summary>
    public void StopAfter(TimeSpan duration) => stopping.CancelAfter(duration);

    /// <summary>True for the first one who asks: a run is begun when its turn comes or when it is stopped, whichever is first.</summary>
    public bool TryBegin() => !Interlocked.Exchange(ref hasBegun, true);

    public void Complete(RunResult result) => completion.TrySetResult(result);

    public void Fail(Exception failure) => completion.TrySetException(failure);

    public void Dispose() => stopping.Dispose();
}

/// <summary>Why a run has to end before its reply is whole.</summary>
public enum RunStopReason
{
    /// <summary>It was not stopped, or it took too long.</summary>
    None,
    /// <summary>Somebody asked for it.</summary>
    Cancelled,
    /// <summary>Its chat is gone.</summary>
    ChatDeleted,
    /// <summary>The server ends.</summary>
    Shutdown,
    /// <summary>Too many processes have died while they wrote it.</summary>
    GivenUp,
    /// <summary>The database knows it no more, or as another process's.</summary>
    Lost,
}
