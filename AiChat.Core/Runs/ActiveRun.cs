using AiChat.Core.Models;

namespace AiChat.Core.Runs;

/// <summary>A run this process holds, from acceptance until its end is stored.</summary>
public sealed class ActiveRun(NewRun run, string? systemPrompt, ModelCandidate candidate) : IDisposable
{
    private readonly TaskCompletionSource<RunResult> completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource abandonment = new();

    public NewRun Run { get; } = run;

    public string? SystemPrompt { get; } = systemPrompt;

    /// <summary>The model that answers.</summary>
    public ModelCandidate Candidate { get; } = candidate;

    /// <summary>Sequence of the user's message; set when the run begins.</summary>
    public int UserSequence { get; set; }

    /// <summary>Ends with the run, whatever the end is; faults only when the end could not be stored.</summary>
    public Task<RunResult> Completion => completion.Task;

    /// <summary>Set when nobody can want the reply any more, because its chat is gone.</summary>
    public CancellationToken Abandoned => abandonment.Token;

    public void Abandon() => abandonment.Cancel();

    public void Complete(RunResult result) => completion.TrySetResult(result);

    public void Fail(Exception failure) => completion.TrySetException(failure);

    public void Dispose() => abandonment.Dispose();
}
