using System.Data.Common;
using System.Text.Json;
using System.Text.Json.Serialization;
using AiChat.Core.Memory;
using AiChat.Core.Runs;
using AiChat.Infrastructure.Chats;
using AiChat.Infrastructure.Persistence;
using AiChat.Infrastructure.Persistence.Sqlite;
using Dapper;

namespace AiChat.Infrastructure.Runs;

public sealed partial class RunRepository(SqliteDatabase database) : IRunRepository
{
    /// <summary>Takes the next two sequences and, when nobody has it, the chat's turn.</summary>
    private const string EnterChatSql = """
        update chats set
          message_count = message_count + 2,
          active_run_id = coalesce(active_run_id, @Id),
          updated_at = @CreatedAt
        where id = @ChatId and user_id = @UserId
        returning message_count, active_run_id
        """;

    private const string InsertMessagesSql = """
        insert into messages (chat_id, sequence, id, role, content, status, created_at, updated_at)
        values
          (@ChatId, @UserSequence, @UserMessageId, 'user', @Message, 'completed', @CreatedAt, @CreatedAt),
          (@ChatId, @UserSequence + 1, @AssistantMessageId, 'assistant', '', 'in_progress', @CreatedAt, @CreatedAt)
        """;

    private const string InsertRunSql = """
        insert into runs (id, chat_id, user_id, user_message_id, assistant_message_id, user_sequence, alias, temperature, max_tokens, status,
          created_at, started_at)
        values (@Id, @ChatId, @UserId, @UserMessageId, @AssistantMessageId, @UserSequence, @Alias, @Temperature, @MaxTokens, @Status,
          @CreatedAt, @StartedAt)
        """;

    public Task<AcceptedRun?> StartAsync(NewRun run, CancellationToken cancellationToken) => database.WriteAsync(async connection =>
    {
        if (run.NewChat is not null)
        {
            await connection.ExecuteAsync(Statement.Of(ChatRepository.InsertSql, run.NewChat));
            await connection.ExecuteAsync(Statement.Of(ChatRepository.CountUpSql, new { run.UserId }));
        }

        var entered = await connection.QuerySingleOrDefaultAsync<EnteredChat>(Statement.Of(EnterChatSql, new { run.Id, run.ChatId, run.UserId, run.CreatedAt }));
        if (entered is null)
            return default(AcceptedRun?);

        var accepted = new AcceptedRun
        {
            UserSequence = entered.MessageCount - 1,
            Status = entered.ActiveRunId == run.Id ? RunStatus.InProgress : RunStatus.Queued,
        };
        await connection.ExecuteAsync(Statement.Of(InsertMessagesSql, new
        {
            run.ChatId,
            accepted.UserSequence,
            run.UserMessageId,
            run.AssistantMessageId,
            run.Message,
            run.CreatedAt,
        }));
        await connection.ExecuteAsync(Statement.Of(InsertRunSql, new
        {
            run.Id,
            run.ChatId,
            run.UserId,
            run.UserMessageId,
            run.AssistantMessageId,
            accepted.UserSequence,
            run.Alias,
            run.Temperature,
            run.MaxTokens,
            Status = StoredNames.ToName(accepted.Status),
            run.CreatedAt,
            StartedAt = accepted.Status == RunStatus.InProgress ? run.CreatedAt : default(DateTimeOffset?),
        }));
        return accepted;
    });

    private const string FinishRunSql = """
        update runs set
          status = @Status,
          provider = @Provider,
          model = @Model,
          input_tokens = @InputTokens,
          output_tokens = @OutputTokens,
          usage_estimated = @IsUsageEstimated,
          finish_reason = @FinishReason,
          error_code = @ErrorCode,
          receipt = @Receipt,
          completed_at = @CompletedAt
        where id = @RunId and completed_at is null
        """;

    private const string ExistsSql = "select count(*) from runs where id = @RunId";

    private const string FinishMessageSql = """
        update messages set content = @Reply, status = @Status, model = @Model, updated_at = @CompletedAt
        where chat_id = @ChatId and sequence = @AssistantSequence
        """;

    /// <summary>Hands the chat's turn to the run that has waited longest.</summary>
    private const string LeaveChatSql = """
        update chats set
          updated_at = @CompletedAt,
          active_run_id = (
            select id from runs
            where chat_id = @ChatId and completed_at is null and status = 'queued'
            order by user_sequence
            limit 1)
        where id = @ChatId and active_run_id = @RunId
        returning active_run_id
        """;

    private const string BeginNextSql = """
        update runs set status = 'in_progress', started_at = @CompletedAt where id = @NextRunId returning id, user_sequence
        """;

    public Task<FinishedRun> FinishAsync(RunResult result, CancellationToken cancellationToken) => database.WriteAsync(async connection =>
    {
        if (await connection.ExecuteAsync(Statement.Of(FinishRunSql, ToFinishParameters(result))) == 0)
            return new FinishedRun(IsChatThere: await connection.ExecuteScalarAsync<int>(Statement.Of(ExistsSql, new { result.RunId })) > 0, Next: null);

        await connection.ExecuteAsync(Statement.Of(FinishMessageSql, new
        {
            result.ChatId,
            result.AssistantSequence,
            result.Reply,
            Status = StoredNames.ToName(result.Status),
            Model = result.Status == RunStatus.Completed ? result.Model : null,
            result.CompletedAt,
        }));
        var nextRunId = await connection.QuerySingleOrDefaultAsync<string?>(Statement.Of(LeaveChatSql, new { result.ChatId, result.RunId, result.CompletedAt }));
        return new FinishedRun(IsChatThere: true, nextRunId is null ? null : await BeginNextAsync(connection, nextRunId, result.CompletedAt));
    });

    private const string SettleMessagesSql = """
        update messages set status = 'incomplete', updated_at = @Now
        where id in (select assistant_message_id from runs where completed_at is null)
        """;

    private const string FreeChatsSql = """
        update chats set active_run_id = null where id in (select chat_id from runs where completed_at is null)
        """;

    private const string SettleRunsSql = """
        update runs set status = 'incomplete', error_code = @ErrorCode, completed_at = @Now where completed_at is null
        """;

    public Task<int> SettleUnfinishedAsync(DateTimeOffset now, CancellationToken cancellationToken) => database.WriteAsync(async connection =>
    {
        await connection.ExecuteAsync(Statement.Of(SettleMessagesSql, new { Now = now }));
        await connection.ExecuteAsync(Statement.Of(FreeChatsSql));
        return await connection.ExecuteAsync(Statement.Of(SettleRunsSql, new { Now = now, ErrorCode = RunError.Interrupted }));
    });

    private static async Task<NextRun> BeginNextAsync(DbConnection connection, string nextRunId, DateTimeOffset completedAt)
    {
        var next = await connection.QuerySingleAsync<NextRunRow>(Statement.Of(BeginNextSql, new { NextRunId = nextRunId, CompletedAt = completedAt }));
        return new NextRun(next.Id, next.UserSequence);
    }

    private static object ToFinishParameters(RunResult result) => new
    {
        result.RunId,
        Status = StoredNames.ToName(result.Status),
        result.Provider,
        result.Model,
        result.Usage?.InputTokens,
        result.Usage?.OutputTokens,
        IsUsageEstimated = result.Usage?.IsEstimated,
        result.FinishReason,
        ErrorCode = result.Error?.Code,
        Receipt = result.Receipt is null ? null : JsonSerializer.Serialize(result.Receipt, ReceiptJson.Default.Receipt),
        result.CompletedAt,
    };

    private sealed record EnteredChat
    {
        public required int MessageCount { get; init; }
        public required string ActiveRunId { get; init; }
    }

    private sealed record NextRunRow
    {
        public required string Id { get; init; }
        public required int UserSequence { get; init; }
    }

    [JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
    [JsonSerializable(typeof(Receipt))]
    private sealed partial class ReceiptJson : JsonSerializerContext;
}
