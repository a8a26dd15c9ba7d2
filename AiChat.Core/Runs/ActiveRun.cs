using AiChat.Core.Models;

namespace AiChat.Core.Runs;

/// <summary>A run this process holds, from acceptance until its end is stored.</summary>
public sealed class ActiveRun : IDisposable
{
    // Whoever waits goes on at once, on the thread that ends the run: that is the last thing it does.
    private readonly TaskCompletionSource<RunResult> completion = new();
    private readonly CancellationTokenSource abandonment = new();
    private bool hasBegun;

    public ActiveRun(NewRun run, string? systemPrompt, ModelCandidate candidate)
    {
        Run = run;
        SystemPrompt = systemPrompt;
        Candidate = candidate;
        Abandoned = abandonment.Token;
    }

    public NewRun Run { get; }

    public string? SystemPrompt { get; }

    /// <summary>The model that answers.</summary>
    public ModelCandidate Candidate { get; }

    /// <summary>Sequence of the user's message; set when the run begins.</summary>
    public int UserSequence { get; set; }

    /// <summary>Ends with the run, whatever the end is; faults only when the end could not be stored.</summary>
    public Task<RunResult> Completion => completion.Task;

    /// <summary>Set when nobody can want the reply any more, because its chat is gone.</summary>
    public CancellationToken Abandoned { get; }

    public void Abandon()
    {
        try
        {
            abandonment.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // It ended a moment ago: there is nothing left to stop.
        }
    }

    /// <summary>True for the first one who asks: a run is begun when its turn comes or when its chat is deleted, whichever is first.</summary>
    public bool TryBegin() => !Interlocked.Exchange(ref hasBegun, true);

    public void Complete(RunResult result) => completion.TrySetResult(result);

    public void Fail(Exception failure) => completion.TrySetException(failure);

    public void Dispose() => abandonment.Dispose();
}
