using System.Data.Common;
using AiChat.Core.Budgets;
using AiChat.Infrastructure.Persistence;
using AiChat.Infrastructure.Usage;
using Dapper;

namespace AiChat.Infrastructure.Budgets;

/// <summary>What is used of budgets. Reading a window keeps others away from it, so nobody comes between reading it and adding to it.</summary>
public sealed class BudgetRepository(IDatabase database) : IBudgetRepository
{
    /// <summary>What was reserved in a window is settled there when the run ends, which may be a while after the window's end.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromDays(2);

    private const string OpenSql = """
        insert into budget_windows (scope, subject, period, starts_at, requests, tokens, cost)
        values (@Scope, @Subject, @Period, @StartsAt, 0, 0, 0)
        on conflict (scope, subject, period, starts_at) do update set requests = budget_windows.requests
        returning requests, tokens, cost
        """;

    /// <summary>Whether the run may begin; nothing is taken yet.</summary>
    internal static async Task<BudgetDecision> DecideAsync(DbConnection connection, BudgetClaims? claims)
    {
        if (claims is null)
            return BudgetDecision.Free;

        var used = new BudgetUse[claims.Windows.Count];
        foreach (var (key, i) in InOrder(claims.Windows.Select((claim, i) => (Key: ToKey(claim.Window), i)), c => c.Key))
            used[i] = (await connection.QuerySingleAsync<WindowRow>(Statement.Of(OpenSql, key))).ToUse();
        return claims.Decide(used);
    }

    private const string AddSql = """
        insert into budget_windows (scope, subject, period, starts_at, requests, tokens, cost)
        values (@Scope, @Subject, @Period, @StartsAt, @Requests, @Tokens, @Cost)
        on conflict (scope, subject, period, starts_at) do update set
          requests = budget_windows.requests + excluded.requests,
          tokens = budget_windows.tokens + excluded.tokens,
          cost = budget_windows.cost + excluded.cost
        """;

    private const string ReserveSql = """
        insert into budget_reservations (run_id, scope, subject, period, starts_at, first_attempt, tokens, cost)
        values (@RunId, @Scope, @Subject, @Period, @StartsAt, @FirstAttempt, @Tokens, @Cost)
        """;

    /// <summary>Takes what a run claims until the run ends; its request is taken for good.</summary>
    /// <param name="connection">The writer.</param>
    /// <param name="claims">Null when no budget applies.</param>
    /// <param name="runId">The run.</param>
    /// <param name="firstAttempt">Number of its attempt that begins.</param>
    internal static async Task ReserveAsync(DbConnection connection, BudgetClaims? claims, string runId, int firstAttempt)
    {
        if (claims is null)
            return;

        foreach (var claim in claims.Windows)
        {
            var key = ToKey(claim.Window);
            await AddAsync(connection, key, new BudgetUse(1, claims.Tokens, claims.Cost));
            // By the minute only requests are limited, and they are not given back.
            if (claim.Window.Period == BudgetPeriod.Minute)
                continue;
            await connection.ExecuteAsync(Statement.Of(ReserveSql, new
            {
                RunId = runId,
                key.Scope,
                key.Subject,
                key.Period,
                key.StartsAt,
                FirstAttempt = firstAttempt,
                claims.Tokens,
                Cost = Money.ToStored(claims.Cost),
            }));
        }
    }

    /// <summary>Adds to what is used of windows.</summary>
    internal static async Task AddAsync(DbConnection connection, IEnumerable<BudgetWindow> windows, BudgetUse use)
    {
        foreach (var key in InOrder(windows.Select(ToKey), k => k))
            await AddAsync(connection, key, use);
    }

    private static Task<int> AddAsync(DbConnection connection, WindowKey key, BudgetUse use) =>
        connection.ExecuteAsync(Statement.Of(AddSql, new
        {
            key.Scope,
            key.Subject,
            key.Period,
            key.StartsAt,
            use.Requests,
            use.Tokens,
            Cost = Money.ToStored(use.Cost),
        }));

    private const string TakeReservationsSql = """
        delete from budget_reservations where run_id = @RunId
        returning run_id, scope, subject, period, starts_at, first_attempt, tokens, cost
        """;

    /// <summary>Puts what the run's attempts used in the place of what was reserved for it. Calling it again changes nothing.</summary>
    internal static async Task SettleAsync(DbConnection connection, string runId) =>
        await SettleAsync(connection, await connection.QueryAsync<ReservationRow>(Statement.Of(TakeReservationsSql, new { RunId = runId })));

    /// <summary>Of runs whose chat is gone, which nobody ends after a crash.</summary>
    private const string TakeOrphanedSql = """
        delete from budget_reservations
        where run_id < @BegunBefore and not exists (select 1 from runs where runs.id = budget_reservations.run_id)
        returning run_id, scope, subject, period, starts_at, first_attempt, tokens, cost
        """;

    /// <summary>Settles what a process that died had reserved for runs that are not there any more.</summary>
    internal static async Task SettleOrphanedAsync(DbConnection connection, string begunBefore) =>
        await SettleAsync(connection, await connection.QueryAsync<ReservationRow>(Statement.Of(TakeOrphanedSql, new { BegunBefore = begunBefore })));

    private const string SettleSql = """
        update budget_windows set
          tokens = tokens - @Tokens + (
            select coalesce(sum(coalesce(a.input_tokens, 0) + coalesce(a.output_tokens, 0)), 0)
            from attempts a where a.run_id = @RunId and a.attempt >= @FirstAttempt),
          cost = cost - @Cost + (select coalesce(sum(a.cost), 0) from attempts a where a.run_id = @RunId and a.attempt >= @FirstAttempt)
        where scope = @Scope and subject = @Subject and period = @Period and starts_at = @StartsAt
        """;

    private static async Task SettleAsync(DbConnection connection, IEnumerable<ReservationRow> reservations)
    {
        foreach (var reservation in InOrder(reservations, r => r.ToKey()))
            await connection.ExecuteAsync(Statement.Of(SettleSql, reservation));
    }

    private const string DeleteExpiredSql = """
        delete from budget_windows
        where (scope, subject, period, starts_at) in (
          select scope, subject, period, starts_at from budget_windows where period = @Period and starts_at < @Before order by starts_at limit @Limit)
        """;

    public Task<int> DeleteExpiredAsync(DateTimeOffset now, int limit, CancellationToken cancellationToken) => database.WriteAsync(async connection =>
    {
        var deleted = 0;
        foreach (var period in Enum.GetValues<BudgetPeriod>())
        {
            var before = now - Grace - GetLongest(period);
            deleted += await connection.ExecuteAsync(Statement.Of(DeleteExpiredSql, new { Period = ToName(period), Before = before, Limit = limit }));
        }

        return deleted;
    });

    private static TimeSpan GetLongest(BudgetPeriod period) => period switch
    {
        BudgetPeriod.Minute => TimeSpan.FromMinutes(1),
        BudgetPeriod.Day => TimeSpan.FromDays(1),
        _ => TimeSpan.FromDays(31),
    };

    /// <summary>Whoever needs several windows takes them in this order: otherwise two of them would wait for each other.</summary>
    private static IEnumerable<T> InOrder<T>(IEnumerable<T> items, Func<T, WindowKey> toKey) => items
        .OrderBy(i => toKey(i).Scope, StringComparer.Ordinal)
        .ThenBy(i => toKey(i).Subject, StringComparer.Ordinal)
        .ThenBy(i => toKey(i).Period, StringComparer.Ordinal)
        .ThenBy(i => toKey(i).StartsAt);

    private static WindowKey ToKey(BudgetWindow window) => new(ToName(window.Scope), window.Subject, ToName(window.Period), window.StartsAt);

    private static string ToName(BudgetScope scope) => scope switch
    {
        BudgetScope.User => "user",
        BudgetScope.Model => "model",
        _ => throw new ArgumentOutOfRangeException(nameof(scope), scope, "Unknown scope."),
    };

    private static string ToName(BudgetPeriod period) => period switch
    {
        BudgetPeriod.Minute => "minute",
        BudgetPeriod.Day => "day",
        BudgetPeriod.Month => "month",
        _ => throw new ArgumentOutOfRangeException(nameof(period), period, "Unknown period."),
    };

    private sealed record WindowKey(string Scope, string Subject, string Period, DateTimeOffset StartsAt);

    private sealed record WindowRow
    {
        public required long Requests { get; init; }
        public required long Tokens { get; init; }
        public required long Cost { get; init; }

        public BudgetUse ToUse() => new(Requests, Tokens, Money.FromStored(Cost) ?? 0);
    }

    private sealed record ReservationRow
    {
        public required string RunId { get; init; }
        public required string Scope { get; init; }
        public required string Subject { get; init; }
        public required string Period { get; init; }
        public required DateTimeOffset StartsAt { get; init; }
        public required int FirstAttempt { get; init; }
        public required long Tokens { get; init; }
        public required long Cost { get; init; }

        public WindowKey ToKey() => new(Scope, Subject, Period, StartsAt);
    }
}
