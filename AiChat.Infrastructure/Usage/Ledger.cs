using System.Data.Common;
using AiChat.Core.Models;
using AiChat.Core.Runs;
using AiChat.Infrastructure.Chats;
using AiChat.Infrastructure.Persistence;
using Dapper;

namespace AiChat.Infrastructure.Usage;

/// <summary>Writes attempts into the ledger, inside a transaction of whoever made them.</summary>
internal static class Ledger
{
    /// <summary>An attempt that has ended there is not changed any more.</summary>
    private const string StoreSql = """
        insert into attempts (run_id, attempt, purpose, chat_id, user_id, alias, provider, model, outcome, error_code, error_message,
          input_tokens, output_tokens, cached_tokens, reasoning_tokens, usage_estimated, input_price, output_price, cost, started_at, first_token_at,
          completed_at)
        values (@RunId, @Number, @Purpose, @ChatId, @UserId, @Alias, @Provider, @Model, @Outcome, @ErrorCode, @ErrorMessage,
          @InputTokens, @OutputTokens, @CachedTokens, @ReasoningTokens, @IsUsageEstimated, @InputPrice, @OutputPrice, @Cost, @StartedAt, @FirstTokenAt,
          @CompletedAt)
        on conflict (run_id, attempt) do update set
          outcome = excluded.outcome, error_code = excluded.error_code, error_message = excluded.error_message,
          input_tokens = excluded.input_tokens, output_tokens = excluded.output_tokens, cached_tokens = excluded.cached_tokens,
          reasoning_tokens = excluded.reasoning_tokens, usage_estimated = excluded.usage_estimated, cost = excluded.cost,
          first_token_at = excluded.first_token_at, completed_at = excluded.completed_at
        where attempts.outcome = 'in_progress'
        """;

    public static Task<int> StoreAsync(DbConnection connection, LedgerEntry entry)
    {
        var attempt = entry.Attempt;
        var error = RunError.Of(attempt);
        return connection.ExecuteAsync(Statement.Of(StoreSql, new
        {
            entry.RunId,
            attempt.Number,
            Purpose = StoredNames.ToName(entry.Purpose),
            entry.ChatId,
            entry.UserId,
            entry.Alias,
            attempt.Provider,
            attempt.Model,
            Outcome = StoredNames.ToName(attempt.Outcome),
            ErrorCode = error?.Code,
            ErrorMessage = error?.Message,
            attempt.Usage?.InputTokens,
            attempt.Usage?.OutputTokens,
            attempt.Usage?.CachedTokens,
            attempt.Usage?.ReasoningTokens,
            IsUsageEstimated = attempt.Usage?.IsEstimated,
            InputPrice = Money.ToStored(attempt.Price?.Input / ModelPrice.Tokens),
            OutputPrice = Money.ToStored(attempt.Price?.Output / ModelPrice.Tokens),
            Cost = Money.ToStored(attempt.Cost),
            attempt.StartedAt,
            attempt.FirstTokenAt,
            attempt.CompletedAt,
        }));
    }

    /// <summary>The ledger's entry for an attempt of a run.</summary>
    public static LedgerEntry ToEntry(this Attempt attempt, string runId, string chatId, string userId, string alias) => new()
    {
        RunId = runId,
        Purpose = AttemptPurpose.Reply,
        ChatId = chatId,
        UserId = userId,
        Alias = alias,
        Attempt = attempt,
    };
}
