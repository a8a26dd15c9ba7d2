using AiChat.Core.Models;
using Microsoft.Extensions.Options;

namespace AiChat.Core.Budgets;

/// <summary>Knows which budgets apply to whom.</summary>
public sealed class BudgetPolicy
{
    private readonly BudgetLimits perUser;
    private readonly Dictionary<string, BudgetLimits> users;
    private readonly Dictionary<string, (string Alias, BudgetLimits Limits)> models;

    public BudgetPolicy(IOptions<BudgetOptions> options)
    {
        perUser = options.Value.PerUser;
        users = options.Value.Users.ToDictionary(u => u.Key, u => u.Value.Over(perUser), StringComparer.Ordinal);
        models = options.Value.Models.ToDictionary(m => m.Key, m => (m.Key, m.Value), StringComparer.OrdinalIgnoreCase);
    }

    /// <summary>The windows of this instant that limit the user or the alias; empty when nothing does.</summary>
    public IReadOnlyList<BudgetClaim> GetWindows(string userId, string alias, DateTimeOffset now)
    {
        var windows = new List<BudgetClaim>(0);
        AddWindows(windows, BudgetScope.User, userId, users.GetValueOrDefault(userId, perUser), now);
        if (models.TryGetValue(alias, out var model))
            AddWindows(windows, BudgetScope.Model, model.Alias, model.Limits, now);
        return windows;
    }

    /// <summary>What a run that may use so much takes from these windows.</summary>
    public static BudgetClaims ToClaims(IReadOnlyList<BudgetClaim> windows, ModelAlias alias, TokenUsage usage) =>
        new(windows, (long)usage.InputTokens + usage.OutputTokens, alias.Candidates.Where(c => c.IsUsable).Max(c => c.Price?.GetCost(usage)) ?? 0);

    private static void AddWindows(List<BudgetClaim> windows, BudgetScope scope, string subject, BudgetLimits limits, DateTimeOffset now)
    {
        if (limits.RequestsPerMinute is { } requests)
            windows.Add(new BudgetClaim(At(BudgetPeriod.Minute), Requests: requests));
        if (limits.TokensPerDay is not null || limits.MoneyPerDay is not null)
            windows.Add(new BudgetClaim(At(BudgetPeriod.Day), Tokens: limits.TokensPerDay, Money: limits.MoneyPerDay));
        if (limits.MoneyPerMonth is { } money)
            windows.Add(new BudgetClaim(At(BudgetPeriod.Month), Money: money));

        BudgetWindow At(BudgetPeriod period) => BudgetWindow.At(now, scope, subject, period);
    }
}
