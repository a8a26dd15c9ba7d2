namespace AiChat.Core.Budgets;

/// <summary>One minute, day or month of a budget, in UTC.</summary>
/// <param name="Scope">Whose budget it is.</param>
/// <param name="Subject">The user's id, or the alias.</param>
/// <param name="Period">How long it is.</param>
/// <param name="StartsAt">When it begins.</param>
public sealed record BudgetWindow(BudgetScope Scope, string Subject, BudgetPeriod Period, DateTimeOffset StartsAt)
{
    /// <summary>When it is over and the next one begins with nothing used.</summary>
    public DateTimeOffset EndsAt => Period switch
    {
        BudgetPeriod.Minute => StartsAt.AddMinutes(1),
        BudgetPeriod.Day => StartsAt.AddDays(1),
        _ => StartsAt.AddMonths(1),
    };

    /// <summary>The window an instant is in.</summary>
    public static BudgetWindow At(DateTimeOffset instant, BudgetScope scope, string subject, BudgetPeriod period)
    {
        var utc = instant.UtcDateTime;
        var start = period switch
        {
            BudgetPeriod.Minute => utc.Date.AddMinutes(Math.Floor(utc.TimeOfDay.TotalMinutes)),
            BudgetPeriod.Day => utc.Date,
            _ => new DateTime(utc.Year, utc.Month, 1, 0, 0, 0, DateTimeKind.Utc),
        };
        return new BudgetWindow(scope, subject, period, start);
    }
}

/// <summary>Whose budget it is.</summary>
public enum BudgetScope
{
    /// <summary>One user's, over all models.</summary>
    User,
    /// <summary>One alias's, over all users.</summary>
    Model,
}

/// <summary>How long a budget has to last.</summary>
public enum BudgetPeriod
{
    Minute,
    Day,
    Month,
}

/// <summary>What a budget counts.</summary>
public enum BudgetUnit
{
    /// <summary>Messages, and tries of runs.</summary>
    Requests,
    /// <summary>Tokens of prompts and replies.</summary>
    Tokens,
    /// <summary>Cost, in the currency of the configured prices.</summary>
    Money,
}
