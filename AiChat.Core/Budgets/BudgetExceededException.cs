using System.Globalization;
using AiChat.Core.Errors;

namespace AiChat.Core.Budgets;

/// <summary>A run would use more than a budget has left. Nothing was stored.</summary>
/// <param name="exceeded">The limit it would break.</param>
/// <param name="states">Every limit that applies.</param>
public sealed class BudgetExceededException(BudgetState exceeded, IReadOnlyList<BudgetState> states)
    : ChatException(BudgetExceeded, Describe(exceeded))
{
    public const string BudgetExceeded = "budget_exceeded";

    public IReadOnlyList<BudgetState> States { get; } = states;

    /// <summary>When the budget is a new one.</summary>
    public DateTimeOffset ResetsAt { get; } = exceeded.Window.EndsAt;

    private static string Describe(BudgetState state)
    {
        var whose = state.Window.Scope == BudgetScope.User ? "this user" : $"the model '{state.Window.Subject}'";
        var needed = state.Unit == BudgetUnit.Requests ? "needs 1" : $"may need up to {ToText(state.Needed)}";
        return $"The budget of {whose} is {Describe(state.Unit, state.Limit)} a {ToText(state.Window.Period)}, with {ToText(state.Left)} left; "
            + $"this message {needed}. {Advise(state)}";
    }

    private static string Describe(BudgetUnit unit, decimal limit) => unit switch
    {
        BudgetUnit.Requests => limit == 1 ? "1 message" : $"{ToText(limit)} messages",
        BudgetUnit.Tokens => $"{ToText(limit)} tokens",
        _ => $"a cost of {ToText(limit)}",
    };

    private static string Advise(BudgetState state)
    {
        if (state.Limit == 0)
            return "Nothing is allowed; the operator has to give more.";
        var resetsAt = state.Window.EndsAt.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
        return state.Needed > state.Limit
            ? "That is more than the whole budget: send a shorter message, or lower max_tokens."
            : $"It resets at {resetsAt}: send again then.";
    }

    private static string ToText(BudgetPeriod period) => period switch
    {
        BudgetPeriod.Minute => "minute",
        BudgetPeriod.Day => "day",
        _ => "month",
    };

    private static string ToText(decimal amount) => amount.ToString("0.############", CultureInfo.InvariantCulture);
}
