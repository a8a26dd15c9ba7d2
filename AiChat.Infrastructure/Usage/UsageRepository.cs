using System.Data;
using System.Data.Common;
using AiChat.Core.Budgets;
using AiChat.Core.Models;
using AiChat.Core.Usage;
using AiChat.Infrastructure.Budgets;
using AiChat.Infrastructure.Persistence;
using Dapper;

namespace AiChat.Infrastructure.Usage;

public sealed class UsageRepository(IDatabase database, BudgetPolicy budgets) : IUsageRepository
{
    private readonly Ledger ledger = new(database.Dialect);

    public Task AddAsync(LedgerEntry entry, CancellationToken cancellationToken) => database.WriteAsync(async connection =>
    {
        var stored = await ledger.StoreAsync(connection, entry);
        if (stored == 0)
            return stored;
        var usage = entry.Attempt.Usage ?? default;
        var use = new BudgetUse(0, (long)usage.InputTokens + usage.OutputTokens, entry.Attempt.Cost ?? 0);
        var limits = budgets.GetWindows(entry.UserId, entry.Alias, entry.Attempt.StartedAt).Where(l => l.Requests is null);
        await BudgetRepository.AddAsync(connection, limits.Select(l => l.Window), use);
        return stored;
    });

    private const string Sums = """
        count(*) as attempts,
          coalesce(sum(input_tokens), 0) as input_tokens,
          coalesce(sum(output_tokens), 0) as output_tokens,
          coalesce(sum(cached_tokens), 0) as cached_tokens,
          coalesce(sum(reasoning_tokens), 0) as reasoning_tokens,
          coalesce(sum(case when usage_estimated then 1 else 0 end), 0) as estimated_attempts,
          coalesce(sum(case when usage_estimated then input_tokens else 0 end), 0) as estimated_input_tokens,
          coalesce(sum(case when usage_estimated then output_tokens else 0 end), 0) as estimated_output_tokens,
          coalesce(sum(case when cost is null and input_tokens is not null then 1 else 0 end), 0) as unpriced_attempts,
          coalesce(sum(cost), 0) as cost
        """;

    private const string OfAll = "from attempts where started_at >= @From and started_at < @To and outcome <> 'in_progress'";

    private const string OfUser =
        "from attempts where user_id = @UserId and started_at >= @From and started_at < @To and outcome <> 'in_progress'";

    private const string Day = "started_at / 86400000";

    private const string ByDay = $"group by {Day} order by {Day} limit @Limit";

    private const string ByModel = "and (provider, model) > (@AfterProvider, @AfterModel) group by provider, model order by provider, model limit @Limit";

    private const string ByChat = "and chat_id > @AfterChat group by chat_id order by chat_id limit @Limit";

    // Not the column itself, which would let the whole ledger be read in the order of the users, instead of the asked time alone.
    private const string User = "user_id || ''";

    private const string ByUser = $"and {User} > @AfterUser group by {User} order by {User} limit @Limit";

    private const string SumSql = $"select {Sums} {OfAll}";
    private const string SumOfUserSql = $"select {Sums} {OfUser}";
    private const string DaysSql = $"select {Day} as day, {Sums} {OfAll} {ByDay}";
    private const string DaysOfUserSql = $"select {Day} as day, {Sums} {OfUser} {ByDay}";
    private const string ModelsSql = $"select provider, model, {Sums} {OfAll} {ByModel}";
    private const string ModelsOfUserSql = $"select provider, model, {Sums} {OfUser} {ByModel}";
    private const string ChatsSql = $"select chat_id, {Sums} {OfAll} {ByChat}";
    private const string ChatsOfUserSql = $"select chat_id, {Sums} {OfUser} {ByChat}";
    private const string UsersSql = $"select {User} as user_id, {Sums} {OfAll} {ByUser}";
    private const string UsersOfUserSql = $"select {User} as user_id, {Sums} {OfUser} {ByUser}";

    public Task<UsageReport> GetAsync(UsageQuery query, CancellationToken cancellationToken) => database.ReadAsync(async connection =>
    {
        // The total and the groups of one moment.
        await connection.ExecuteAsync(Statement.Of(database.Dialect.BeginSnapshot, cancellationToken: CancellationToken.None));
        try
        {
            return await GetAsync(connection, query, cancellationToken);
        }
        finally
        {
            // A connection that broke has nothing left to end.
            if (connection.State == ConnectionState.Open)
                await connection.ExecuteAsync(Statement.Of("commit", cancellationToken: CancellationToken.None));
        }
    }, cancellationToken);

    private static async Task<UsageReport> GetAsync(DbConnection connection, UsageQuery query, CancellationToken cancellationToken)
    {
        var total = await connection.QuerySingleAsync<UsageRow>(
            Statement.Of(query.UserId is null ? SumSql : SumOfUserSql, new { query.UserId, query.From, query.To }, cancellationToken));
        if (query.GroupBy is not { } grouping)
            return new UsageReport(total.ToSums(), [], Next: null);

        var rows = await connection.QueryAsync<UsageRow>(
            Statement.Of(GetSql(grouping, isOfUser: query.UserId is not null), ToParameters(query), cancellationToken));
        var groups = rows.Select(r => new UsageGroup(r.ToKey(), r.ToSums())).ToList();
        return groups.Count <= query.Limit
            ? new UsageReport(total.ToSums(), groups, Next: null)
            : new UsageReport(total.ToSums(), groups[..query.Limit], groups[query.Limit - 1].Key);
    }

    /// <summary>One group more than wanted says whether there are more. Days that were listed are left out by their time.</summary>
    private static object ToParameters(UsageQuery query) => new
    {
        query.UserId,
        From = query.After?.Day is { } day && ToInstant(day.AddDays(1)) is var next && next > query.From ? next : query.From,
        query.To,
        AfterProvider = query.After?.Provider ?? "",
        AfterModel = query.After?.Model ?? "",
        AfterChat = query.After?.ChatId ?? "",
        AfterUser = query.After?.UserId ?? "",
        Limit = query.Limit + 1,
    };

    private static DateTimeOffset ToInstant(DateOnly day) => new(day.ToDateTime(TimeOnly.MinValue), TimeSpan.Zero);

    private static string GetSql(UsageGrouping grouping, bool isOfUser) => grouping switch
    {
        UsageGrouping.Day => isOfUser ? DaysOfUserSql : DaysSql,
        UsageGrouping.Model => isOfUser ? ModelsOfUserSql : ModelsSql,
        UsageGrouping.Chat => isOfUser ? ChatsOfUserSql : ChatsSql,
        UsageGrouping.User => isOfUser ? UsersOfUserSql : UsersSql,
        _ => throw new ArgumentOutOfRangeException(nameof(grouping), grouping, "Unknown grouping."),
    };

    /// <summary>Sums, and the columns they are grouped by.</summary>
    private sealed record UsageRow
    {
        /// <summary>Days since 1970.</summary>
        public long? Day { get; init; }
        public string? Provider { get; init; }
        public string? Model { get; init; }
        public string? ChatId { get; init; }
        public string? UserId { get; init; }
        public required long Attempts { get; init; }
        public required long InputTokens { get; init; }
        public required long OutputTokens { get; init; }
        public required long CachedTokens { get; init; }
        public required long ReasoningTokens { get; init; }
        public required long EstimatedAttempts { get; init; }
        public required long EstimatedInputTokens { get; init; }
        public required long EstimatedOutputTokens { get; init; }
        public required long UnpricedAttempts { get; init; }
        public required long Cost { get; init; }

        public UsageKey ToKey() => new()
        {
            Day = Day is { } day ? DateOnly.FromDateTime(DateTime.UnixEpoch).AddDays((int)day) : null,
            Provider = Provider,
            Model = Model,
            ChatId = ChatId,
            UserId = UserId,
        };

        public UsageSums ToSums() => new()
        {
            Attempts = Attempts,
            InputTokens = InputTokens,
            OutputTokens = OutputTokens,
            CachedTokens = CachedTokens,
            ReasoningTokens = ReasoningTokens,
            EstimatedAttempts = EstimatedAttempts,
            EstimatedInputTokens = EstimatedInputTokens,
            EstimatedOutputTokens = EstimatedOutputTokens,
            UnpricedAttempts = UnpricedAttempts,
            Cost = Money.FromStored(Cost) ?? 0,
        };
    }
}
