using System.Globalization;
using AiChat.Core.Budgets;

namespace AiChat.Api.Budgets;

/// <summary>
/// What budgets allow and what is left of them, in the headers <c>RateLimit-Policy</c> and <c>RateLimit</c>
/// (https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers). Their numbers are whole: money is in millionths of the currency.
/// </summary>
internal static class RateLimitHeaders
{
    public const string Policy = "RateLimit-Policy";
    public const string Left = "RateLimit";

    private const decimal MoneyUnit = 1_000_000m;

    /// <summary>Sets them when the answer begins, whatever the answer is; none where no budget applies.</summary>
    public static void Announce(HttpResponse response, IReadOnlyList<BudgetState> budgets, TimeProvider time)
    {
        if (budgets.Count == 0)
            return;
        // Not now: an error handler empties the headers.
        response.OnStarting(() =>
        {
            Set(response.Headers, budgets, time.GetUtcNow());
            return Task.CompletedTask;
        });
    }

    public static void Set(IHeaderDictionary headers, IReadOnlyList<BudgetState> budgets, DateTimeOffset now)
    {
        headers[Policy] = string.Join(", ", budgets.Select(ToPolicy));
        headers[Left] = string.Join(", ", budgets.Select(b => ToLeft(b, now)));
    }

    private static string ToPolicy(BudgetState budget)
    {
        var unit = budget.Unit switch
        {
            BudgetUnit.Tokens => ";qu=\"tokens\"",
            BudgetUnit.Money => ";qu=\"money-millionths\"",
            _ => "",
        };
        var window = budget.Window.EndsAt - budget.Window.StartsAt;
        return $"{ToName(budget)};q={ToNumber(budget, budget.Limit)}{unit};w={ToSeconds(window)}";
    }

    private static string ToLeft(BudgetState budget, DateTimeOffset now) =>
        $"{ToName(budget)};r={ToNumber(budget, budget.Left)};t={ToSeconds(budget.Window.EndsAt - now)}";

    private static string ToName(BudgetState budget)
    {
        var (scope, unit, period) = (budget.Window.Scope, budget.Unit, budget.Window.Period);
        return $"\"{scope}-{unit}-{period}\"".ToLowerInvariant();
    }

    private static string ToNumber(BudgetState budget, decimal amount) =>
        decimal.Floor(budget.Unit == BudgetUnit.Money ? amount * MoneyUnit : amount).ToString(CultureInfo.InvariantCulture);

    private static string ToSeconds(TimeSpan time) => Math.Max(0, Math.Ceiling(time.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
}
