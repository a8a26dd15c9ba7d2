using AiChat.Core.Budgets;

namespace AiChat.Core.Runs;

/// <summary>A run to wait for or to follow, whether it goes on or has ended long ago.</summary>
public sealed class RunHandle
{
    private readonly RunLog log;

    internal RunHandle(ActiveRun run, bool isReplay = false)
    {
        (RunId, ChatId, log, Completion, IsReplay) = (run.Run.Id, run.Run.ChatId, run.Log, run.Completion, isReplay);
    }

    internal RunHandle(ActiveRun run, RunAdmission.Accepted accepted)
        : this(run) => Budgets = accepted.Budgets;

    internal RunHandle(string runId, RunLog log, RunResult result, bool isReplay)
    {
        (RunId, ChatId, this.log, Completion, IsReplay) = (runId, result.ChatId, log, Task.FromResult(result), isReplay);
    }

    internal RunHandle(string runId, string chatId, RunLog log, Task<RunResult> completion)
    {
        (RunId, ChatId, this.log, Completion) = (runId, chatId, log, completion);
    }

    public string RunId { get; }

    public string ChatId { get; }

    /// <summary>The reply, as a message of its chat.</summary>
    public string MessageId => log.MessageId;

    /// <summary>Whether the request that asked for it had been accepted before, under the same key.</summary>
    public bool IsReplay { get; init; }

    /// <summary>What is left of every budget that applies to it; empty for a run that was not accepted by this very request.</summary>
    public IReadOnlyList<BudgetState> Budgets { get; } = [];

    /// <inheritdoc cref="ActiveRun.Completion"/>
    public Task<RunResult> Completion { get; }

    /// <summary>The reply. Cancelling ends the wait, not the run.</summary>
    /// <exception cref="RunFailedException">The run ended without a whole reply.</exception>
    /// <exception cref="Errors.UnavailableException">The end cannot be stored right now.</exception>
    public async Task<RunResult> WaitAsync(CancellationToken cancellationToken)
    {
        var result = await Completion.WaitAsync(cancellationToken);
        return result.Error is null ? result : throw new RunFailedException(result, result.Error);
    }

    /// <inheritdoc cref="RunLog.FollowAsync"/>
    public IAsyncEnumerable<RunEvent> FollowAsync(long after, CancellationToken cancellationToken) => log.FollowAsync(after, cancellationToken);

    /// <inheritdoc cref="RunLog.IsAtEnd"/>
    public bool IsAtEnd(long after) => log.IsAtEnd(after);
}
