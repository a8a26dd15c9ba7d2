using System.Data.Common;
using AiChat.Core.Models;
using AiChat.Core.Runs;
using AiChat.Infrastructure.Chats;
using AiChat.Infrastructure.Persistence;
using Dapper;

namespace AiChat.Infrastructure.Usage;

/// <summary>Writes attempts into the ledger, inside a transaction of whoever made them.</summary>
internal sealed class Ledger(ISqlDialect dialect)
{
    /// <summary>
    /// An attempt that has ended there is not changed any more; nor is one of a run that another process has taken, which nobody does between
    /// the look at it and the commit. A run that is gone with its chat was paid for all the same.
    /// </summary>
    private readonly string storeSql = $"""
        insert into attempts (run_id, attempt, purpose, chat_id, user_id, alias, provider, model, outcome, error_code, error_message,
          input_tokens, output_tokens, cached_tokens, reasoning_tokens, usage_estimated, input_price, output_price, cost, started_at, first_token_at,
          completed_at)
        select @RunId, @Number, @Purpose, @ChatId, @UserId, @Alias, @Provider, @Model, @Outcome, @ErrorCode, @ErrorMessage,
          @InputTokens, @OutputTokens, @CachedTokens, @ReasoningTokens, @IsUsageEstimated, @InputPrice, @OutputPrice, @Cost, @StartedAt, @FirstTokenAt,
          @CompletedAt
        where coalesce((select lease_number from runs where id = @RunId {dialect.ForShare}), @LeaseNumber) = @LeaseNumber
        on conflict (run_id, attempt) do update set
          outcome = excluded.outcome, error_code = excluded.error_code, error_message = excluded.error_message,
          input_tokens = excluded.input_tokens, output_tokens = excluded.output_tokens, cached_tokens = excluded.cached_tokens,
          reasoning_tokens = excluded.reasoning_tokens, usage_estimated = excluded.usage_estimated, cost = excluded.cost,
          first_token_at = excluded.first_token_at, completed_at = excluded.completed_at
        where attempts.outcome = 'in_progress'
        """;

    /// <summary>Stores one entry; zero when it is there already, or not this process's to write.</summary>
    public Task<int> StoreAsync(DbConnection connection, LedgerEntry entry) => connection.ExecuteAsync(Statement.Of(storeSql, ToRow(entry)));

    public Task StoreAsync(DbConnection connection, IReadOnlyList<LedgerEntry> entries) =>
        dialect.ExecuteManyAsync(connection, storeSql, [.. entries.Select(ToRow)]);

    public BoundStatement ToStatement(LedgerEntry entry) => new(storeSql, ToRow(entry));

    private static LedgerRow ToRow(LedgerEntry entry)
    {
        var attempt = entry.Attempt;
        var error = RunError.Of(attempt);
        return new LedgerRow
        {
            RunId = entry.RunId,
            LeaseNumber = entry.LeaseNumber,
            Number = attempt.Number,
            Purpose = StoredNames.ToName(entry.Purpose),
            ChatId = entry.ChatId,
            UserId = entry.UserId,
            Alias = entry.Alias,
            Provider = attempt.Provider,
            Model = attempt.Model,
            Outcome = StoredNames.ToName(attempt.Outcome),
            ErrorCode = error?.Code,
            ErrorMessage = error?.Message,
            InputTokens = attempt.Usage?.InputTokens,
            OutputTokens = attempt.Usage?.OutputTokens,
            CachedTokens = attempt.Usage?.CachedTokens,
            ReasoningTokens = attempt.Usage?.ReasoningTokens,
            IsUsageEstimated = attempt.Usage?.IsEstimated,
            InputPrice = Money.ToStored(attempt.Price?.Input / ModelPrice.Tokens),
            OutputPrice = Money.ToStored(attempt.Price?.Output / ModelPrice.Tokens),
            Cost = Money.ToStored(attempt.Cost),
            StartedAt = attempt.StartedAt,
            FirstTokenAt = attempt.FirstTokenAt,
            CompletedAt = attempt.CompletedAt,
        };
    }

    /// <summary>The ledger's entry for an attempt of a run.</summary>
    public static LedgerEntry ToEntry(Attempt attempt, string runId, string chatId, string userId, string alias, int leaseNumber) => new()
    {
        LeaseNumber = leaseNumber,
        RunId = runId,
        Purpose = AttemptPurpose.Reply,
        ChatId = chatId,
        UserId = userId,
        Alias = alias,
        Attempt = attempt,
    };

    private sealed record LedgerRow
    {
        public required string RunId { get; init; }
        public required int LeaseNumber { get; init; }
        public required int Number { get; init; }
        public required string Purpose { get; init; }
        public required string ChatId { get; init; }
        public required string UserId { get; init; }
        public required string Alias { get; init; }
        public required string Provider { get; init; }
        public required string Model { get; init; }
        public required string Outcome { get; init; }
        public string? ErrorCode { get; init; }
        public string? ErrorMessage { get; init; }
        public int? InputTokens { get; init; }
        public int? OutputTokens { get; init; }
        public int? CachedTokens { get; init; }
        public int? ReasoningTokens { get; init; }
        public bool? IsUsageEstimated { get; init; }
        public long? InputPrice { get; init; }
        public long? OutputPrice { get; init; }
        public long? Cost { get; init; }
        public required DateTimeOffset StartedAt { get; init; }
        public DateTimeOffset? FirstTokenAt { get; init; }
        public DateTimeOffset? CompletedAt { get; init; }
    }
}
