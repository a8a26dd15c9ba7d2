using AiChat.Core.Budgets;

namespace AiChat.Core.Runs;

/// <summary>When a run may enter a chat.</summary>
/// <param name="MostUnfinished">Most unfinished runs the chat may have already; 0 wants a free chat.</param>
public readonly record struct RunAdmissionRule(int MostUnfinished);

/// <summary>What the database said of a run that wants to enter a chat.</summary>
public abstract record RunAdmission
{
    /// <summary>It is stored.</summary>
    /// <param name="Place">Where its messages stand.</param>
    /// <param name="BusyWith">The run whose end it has to wait for; null when its turn is now.</param>
    public sealed record Accepted(RunPlace Place, string? BusyWith) : RunAdmission
    {
        /// <summary>With what number this process may write to it.</summary>
        public int LeaseNumber { get; init; } = 1;

        /// <summary>What is left of every budget that applies to it.</summary>
        public IReadOnlyList<BudgetState> Budgets { get; init; } = [];
    }

    /// <summary>The user has no such chat; nothing is stored.</summary>
    public sealed record NoSuchChat : RunAdmission;

    /// <summary>The chat is busy with that run and takes no more; nothing is stored.</summary>
    public sealed record Busy(string RunId) : RunAdmission;

    /// <summary>The key belongs to an earlier request; nothing is stored.</summary>
    public sealed record KeyTaken(Idempotency.KeyedRequest Earlier) : RunAdmission;

    /// <summary>It would use more than a budget has left; nothing is stored.</summary>
    /// <param name="Exceeded">The limit it would break.</param>
    /// <param name="Budgets">Every limit that applies.</param>
    public sealed record OverBudget(BudgetState Exceeded, IReadOnlyList<BudgetState> Budgets) : RunAdmission;

    /// <summary>The message has a run already; nothing is stored.</summary>
    public sealed record AlreadyAnswered(string RunId) : RunAdmission;

    /// <summary>The user has said something else since the message; nothing is stored.</summary>
    public sealed record Overtaken : RunAdmission;

    /// <summary>The run to try again has not failed, or is being tried again already; nothing is stored.</summary>
    public sealed record NotRetryable : RunAdmission;
}

/// <summary>What storing a result led to.</summary>
/// <param name="Outcome">Whether it is stored.</param>
/// <param name="Next">The chat's next run, which is now <see cref="RunStatus.InProgress"/>; null when none waits.</param>
public readonly record struct FinishedRun(FinishOutcome Outcome, NextRun? Next);

/// <summary>Whether a result is stored.</summary>
public enum FinishOutcome
{
    /// <summary>It is, perhaps since an earlier call.</summary>
    Stored,
    /// <summary>The chat was deleted meanwhile.</summary>
    ChatDeleted,
    /// <summary>The run belongs to another process, or to a later attempt.</summary>
    TakenOver,
}

/// <summary>A run whose turn has come.</summary>
/// <param name="Id">The run.</param>
/// <param name="Attempt">The attempt that begins: if it was tried again since, that one has a turn of its own.</param>
public readonly record struct NextRun(string Id, int Attempt);
