namespace AiChat.Core.Budgets;

/// <summary>What a run takes from budgets before a model is called, and the limits it must not break.</summary>
/// <param name="Windows">At least one.</param>
/// <param name="Tokens">The most tokens it may need, estimated.</param>
/// <param name="Cost">What they cost at the most expensive candidate; 0 when no price is known.</param>
public sealed record BudgetClaims(IReadOnlyList<BudgetClaim> Windows, long Tokens, decimal Cost)
{
    /// <summary>Whether it may be taken from windows of which this much is used, in their order.</summary>
    public BudgetDecision Decide(IReadOnlyList<BudgetUse> used)
    {
        var states = new List<BudgetState>();
        for (var i = 0; i < Windows.Count; i++)
            states.AddRange(GetStates(Windows[i], used[i]));

        // Of several, the one that is broken longest: to come back earlier would be in vain.
        var exceeded = states.Where(s => s.IsExceeded).MaxBy(s => s.Window.EndsAt);
        return new BudgetDecision(exceeded, exceeded is null ? [.. states.Select(s => s with { Left = s.Left - s.Needed })] : states);
    }

    private IEnumerable<BudgetState> GetStates(BudgetClaim claim, BudgetUse used)
    {
        if (claim.Requests is { } requests)
            yield return ToState(claim.Window, BudgetUnit.Requests, requests, used.Requests, needed: 1);
        if (claim.Tokens is { } tokens)
            yield return ToState(claim.Window, BudgetUnit.Tokens, tokens, used.Tokens, Tokens);
        if (claim.Money is { } money)
            yield return ToState(claim.Window, BudgetUnit.Money, money, used.Cost, Cost);
    }

    private static BudgetState ToState(BudgetWindow window, BudgetUnit unit, decimal limit, decimal used, decimal needed) =>
        new(window, unit, limit, Math.Max(0, limit - used), needed);
}

/// <summary>The limits of one window; null where there is none.</summary>
/// <param name="Window">The window.</param>
/// <param name="Requests">Most messages.</param>
/// <param name="Tokens">Most tokens.</param>
/// <param name="Money">Highest cost.</param>
public sealed record BudgetClaim(BudgetWindow Window, long? Requests = null, long? Tokens = null, decimal? Money = null);

/// <summary>What is used of a window.</summary>
public readonly record struct BudgetUse(long Requests, long Tokens, decimal Cost);

/// <summary>Whether a run may begin.</summary>
/// <param name="Exceeded">The limit it would break; null when it breaks none.</param>
/// <param name="States">Every limit that applies; where none is broken, as it is with this run.</param>
public sealed record BudgetDecision(BudgetState? Exceeded, IReadOnlyList<BudgetState> States)
{
    /// <summary>Of a run that no budget applies to.</summary>
    public static BudgetDecision Free { get; } = new(null, []);
}

/// <summary>Where one limit stands.</summary>
/// <param name="Window">Its window.</param>
/// <param name="Unit">What it counts.</param>
/// <param name="Limit">The most that may be used.</param>
/// <param name="Left">What is left of it.</param>
/// <param name="Needed">What the run at hand takes of it.</param>
public sealed record BudgetState(BudgetWindow Window, BudgetUnit Unit, decimal Limit, decimal Left, decimal Needed)
{
    /// <summary>Whether the run at hand would break it; a limit of 0 is broken by everything, also by what costs nothing.</summary>
    public bool IsExceeded => Limit == 0 || Needed > Left;
}
