using System.Data.Common;
using System.Text;
using AiChat.Core.Memory;
using AiChat.Core.Runs;
using AiChat.Infrastructure.Budgets;
using AiChat.Infrastructure.Chats;
using AiChat.Infrastructure.Persistence;
using Dapper;

namespace AiChat.Infrastructure.Runs;

/// <summary>What a process that died left behind.</summary>
public sealed partial class RunRepository
{
    private const string UnfinishedSql = """
        select runs.id, runs.chat_id, runs.user_id, user_message_id, assistant_message_id, user_sequence, assistant_sequence, alias, temperature,
          max_tokens, web_search, runs.status,
          (select coalesce(max(a.attempt), runs.attempt) from attempts a where a.run_id = runs.id and a.attempt >= runs.attempt) as attempt,
          first_sequence, runs.created_at, started_at, messages.content as message, chats.system_prompt
        from runs
        join messages on messages.chat_id = runs.chat_id and messages.sequence = runs.user_sequence
        join chats on chats.id = runs.chat_id
        where completed_at is null
        order by runs.chat_id, user_sequence
        """;

    private const string FlushedTextSql = "select text from run_events where run_id = @RunId and event = 'message.delta' order by sequence";

    private const string SettleMessageSql = """
        update messages set content = @Reply, status = 'incomplete', sources = @Sources, updated_at = @Now
        where chat_id = @ChatId and sequence = @AssistantSequence
        """;

    private const string SettleRunSql = """
        update runs set
          status = 'incomplete', error_code = @ErrorCode, error_message = @ErrorMessage, last_sequence = @LastSequence, completed_at = @Now,
          (attempt, input_tokens, output_tokens, usage_estimated, cost) = (
            select coalesce(max(a.attempt), runs.attempt), sum(a.input_tokens), sum(a.output_tokens), max(a.usage_estimated), sum(a.cost)
            from attempts a where a.run_id = runs.id and a.attempt >= runs.attempt),
          (provider, model) = (select a.provider, a.model from attempts a where a.run_id = runs.id order by a.attempt desc limit 1)
        where id = @RunId
        """;

    private const string FreeChatsSql = """
        update chats set active_run_id = null where id in (select chat_id from runs where completed_at is null)
        """;

    public Task<int> SettleUnfinishedAsync(DateTimeOffset now, CancellationToken cancellationToken) => database.WriteAsync(async connection =>
    {
        var unfinished = (await connection.QueryAsync<UnfinishedRow>(Statement.Of(UnfinishedSql))).AsList();
        await connection.ExecuteAsync(Statement.Of(FreeChatsSql));
        var error = RunError.ForShutdown();
        foreach (var run in unfinished)
        {
            var flushed = await ReadFlushedAsync(connection, run);
            await EndAttemptsAsync(connection, run, flushed, now);
            await connection.ExecuteAsync(Statement.Of(SettleMessageSql, new
            {
                flushed.Reply,
                Sources = StoredSources.ToText([.. flushed.Marks.OfType<SourceFound>().Select(m => m.Source)]),
                Now = now,
                run.ChatId,
                run.AssistantSequence,
            }));
            await connection.ExecuteAsync(Statement.Of(SettleRunSql, new
            {
                RunId = run.Id,
                ErrorCode = error.Code,
                ErrorMessage = error.Message,
                LastSequence = flushed.NextSequence,
                Now = now,
            }));
            await connection.ExecuteAsync(Statement.Of(DeleteTextSql, new { RunId = run.Id }));
            await BudgetRepository.SettleAsync(connection, run.Id);
        }

        await EndOrphanedAsync(connection, now);
        return unfinished.Count;
    });

    /// <summary>What the dead process was doing is over; what it used beside the prompt is what it got to write.</summary>
    private const string EndAttemptsSql = """
        update attempts set
          outcome = 'incomplete', error_code = @ErrorCode, error_message = @ErrorMessage, output_tokens = @OutputTokens, usage_estimated = true,
          cost = (input_tokens * input_price) + (@OutputTokens * output_price), completed_at = @Now
        where run_id = @RunId and outcome = 'in_progress'
        """;

    /// <summary>Of runs whose chat was deleted while their models still wrote.</summary>
    private const string EndOrphanedAttemptsSql = """
        update attempts set outcome = 'incomplete', error_code = @ErrorCode, error_message = @ErrorMessage, completed_at = @Now
        where outcome = 'in_progress' and not exists (select 1 from runs where runs.id = attempts.run_id)
        """;

    private static async Task EndOrphanedAsync(DbConnection connection, DateTimeOffset now)
    {
        var error = RunError.ForDeletedChat();
        await connection.ExecuteAsync(Statement.Of(EndOrphanedAttemptsSql, new { ErrorCode = error.Code, ErrorMessage = error.Message, Now = now }));
        await BudgetRepository.SettleOrphanedAsync(connection);
    }

    private const string KeepInterruptedSql = "insert into run_replies (run_id, attempt, reply) values (@RunId, @Attempt, @Reply)";

    private const string ContinueRunSql = "update runs set attempt = @Attempt, started_at = @Now where id = @RunId";

    private const string InsertMarkSql = """
        insert into run_events (run_id, sequence, event, text_offset, text, attempt)
        values (@RunId, @Sequence, @Event, @Offset, @Text, @Attempt)
        on conflict (run_id, sequence) do nothing
        """;

    public Task<IReadOnlyList<InterruptedRun>> ContinueUnfinishedAsync(DateTimeOffset now, CancellationToken cancellationToken) =>
        database.WriteAsync(async connection =>
        {
            await EndOrphanedAsync(connection, now);
            var interrupted = new List<InterruptedRun>();
            foreach (var run in (await connection.QueryAsync<UnfinishedRow>(Statement.Of(UnfinishedSql))).AsList())
                interrupted.Add(run.Status == StoredNames.InProgress ? await ContinueAsync(connection, run, now) : run.ToInterrupted(run.Attempt, "", []));
            return (IReadOnlyList<InterruptedRun>)interrupted;
        });

    private static async Task<InterruptedRun> ContinueAsync(DbConnection connection, UnfinishedRow run, DateTimeOffset now)
    {
        var flushed = await ReadFlushedAsync(connection, run);
        var seam = new RunContinued(flushed.NextSequence, flushed.Reply.Length, run.Attempt + 1);
        await EndAttemptsAsync(connection, run, flushed, now);
        await connection.ExecuteAsync(Statement.Of(KeepInterruptedSql, new { RunId = run.Id, run.Attempt, flushed.Reply }));
        await connection.ExecuteAsync(Statement.Of(ContinueRunSql, new { RunId = run.Id, seam.Attempt, Now = now }));
        await connection.ExecuteAsync(Statement.Of(InsertMarkSql, RunEventRow.Of(run.Id, seam)));
        return run.ToInterrupted(seam.Attempt, flushed.Reply, [.. flushed.Marks, seam]);
    }

    /// <summary>Whether the text behind the last seam is of an attempt that had broken off before the process died.</summary>
    private const string HasBrokenOffSql = """
        select exists (
          select 1 from attempts
          where run_id = @RunId and outcome = 'incomplete' and attempt >= @WritingSince
            and attempt >= (select attempt from runs where id = @RunId))
        """;

    private static async Task EndAttemptsAsync(DbConnection connection, UnfinishedRow run, FlushedLog flushed, DateTimeOffset now)
    {
        var error = RunError.ForShutdown();
        var (offset, writingSince) = flushed.Marks.OfType<RunContinued>().LastOrDefault() is { } seam ? (seam.Offset, seam.Attempt) : (0, 0);
        var hasBrokenOff = await connection.ExecuteScalarAsync<bool>(Statement.Of(HasBrokenOffSql, new { RunId = run.Id, WritingSince = writingSince }));
        await connection.ExecuteAsync(Statement.Of(EndAttemptsSql, new
        {
            RunId = run.Id,
            ErrorCode = error.Code,
            ErrorMessage = error.Message,
            OutputTokens = hasBrokenOff ? 0 : TokenEstimator.Count(flushed.Reply[offset..]),
            Now = now,
        }));
    }

    /// <summary>The text that was stored, and the first position behind everything the dead process may have shown.</summary>
    private static async Task<FlushedLog> ReadFlushedAsync(DbConnection connection, UnfinishedRow run)
    {
        var texts = await connection.QueryAsync<string>(Statement.Of(FlushedTextSql, new { RunId = run.Id }));
        var reply = texts.Aggregate(new StringBuilder(), (all, text) => all.Append(text)).ToString();
        var marks = await GetMarksAsync(connection, run.Id, CancellationToken.None);
        var (mark, markOffset) = marks.Count == 0 ? (run.FirstSequence, 0) : (marks[^1].Sequence, marks[^1].Offset);
        return new FlushedLog(reply, marks, mark + (reply.Length - markOffset) + RunLog.CrashGap);
    }

    private sealed record FlushedLog(string Reply, IReadOnlyList<RunMark> Marks, long NextSequence);

    private sealed record UnfinishedRow
    {
        public required string Id { get; init; }
        public required string ChatId { get; init; }
        public required string UserId { get; init; }
        public required string UserMessageId { get; init; }
        public required string AssistantMessageId { get; init; }
        public required int UserSequence { get; init; }
        public required int AssistantSequence { get; init; }
        public required string Alias { get; init; }
        public double? Temperature { get; init; }
        public int? MaxTokens { get; init; }
        public bool WebSearch { get; init; }
        public required string Status { get; init; }
        public required int Attempt { get; init; }
        public required long FirstSequence { get; init; }
        public required DateTimeOffset CreatedAt { get; init; }
        public DateTimeOffset? StartedAt { get; init; }
        public required string Message { get; init; }
        public string? SystemPrompt { get; init; }

        public InterruptedRun ToInterrupted(int attempt, string reply, IReadOnlyList<RunMark> marks) => new()
        {
            UserId = UserId,
            Question = new RunQuestion(Message, SystemPrompt),
            Run = new StoredRun
            {
                Id = Id,
                ChatId = ChatId,
                UserMessageId = UserMessageId,
                AssistantMessageId = AssistantMessageId,
                Place = new RunPlace(UserSequence, AssistantSequence),
                Alias = Alias,
                Temperature = Temperature,
                MaxTokens = MaxTokens,
                WebSearch = WebSearch,
                Status = StoredNames.ToRunStatus(Status),
                Attempt = attempt,
                Reply = reply,
                FirstSequence = FirstSequence,
                CreatedAt = CreatedAt,
                StartedAt = StartedAt,
                Marks = marks,
            },
        };
    }
}
