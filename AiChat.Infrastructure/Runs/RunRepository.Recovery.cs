using System.Data.Common;
using AiChat.Core.Memory;
using AiChat.Core.Runs;
using AiChat.Infrastructure.Budgets;
using AiChat.Infrastructure.Chats;
using AiChat.Infrastructure.Persistence;
using Dapper;

namespace AiChat.Infrastructure.Runs;

/// <summary>Whose runs are whose, and what becomes of those that a process left behind.</summary>
public sealed partial class RunRepository
{
    /// <summary>
    /// What belongs to a process that is not alive. One that is only slow takes itself for alive until it looks: the number it knows is an
    /// old one then. Where another process was quicker, PostgreSQL asks again, for the new owner, because its clock goes on meanwhile.
    /// </summary>
    private readonly string takeOverSql = $"""
        update runs set node_id = @NodeId, lease_number = lease_number + 1
        where completed_at is null and node_id <> @NodeId
          and not exists (select 1 from nodes n where n.id = runs.node_id and n.expires_at >= {database.Dialect.Now})
        """;

    public Task<int> TakeOverAsync(CancellationToken cancellationToken) =>
        database.WriteAsync(connection => connection.ExecuteAsync(Statement.Of(takeOverSql, new { NodeId = node.Id })));

    private const string HeldSql = """
        select id, chat_id, status, lease_number, cancel_requested_at is not null as is_cancel_requested
        from runs
        where node_id = @NodeId and completed_at is null
        order by chat_id, user_sequence
        """;

    public Task<IReadOnlyList<HeldRun>> GetHeldAsync(CancellationToken cancellationToken) => database.ReadAsync<IReadOnlyList<HeldRun>>(
        async connection => [.. (await connection.QueryAsync<HeldRunRow>(Statement.Of(HeldSql, new { NodeId = node.Id }, cancellationToken))).Select(r => r.ToHeld())],
        cancellationToken);

    private const string RequestCancelSql = """
        update runs set cancel_requested_at = coalesce(cancel_requested_at, @Now) where id = @RunId and user_id = @UserId and completed_at is null
        """;

    public Task<bool> RequestCancelAsync(string userId, string runId, DateTimeOffset now, CancellationToken cancellationToken) =>
        database.WriteAsync(async connection =>
            await connection.ExecuteAsync(Statement.Of(RequestCancelSql, new { UserId = userId, RunId = runId, Now = now })) > 0);

    private readonly string unfinishedSql = $"""
        select runs.id, runs.chat_id, runs.user_id, user_message_id, assistant_message_id, user_sequence, assistant_sequence, alias, temperature,
          max_tokens, web_search, runs.status, lease_number, cancel_requested_at is not null as is_cancel_requested,
          (select coalesce(max(a.attempt), runs.attempt) from attempts a where a.run_id = runs.id and a.attempt >= runs.attempt) as attempt,
          first_sequence, runs.created_at, started_at, messages.content as message, chats.system_prompt
        from runs
        join messages on messages.chat_id = runs.chat_id and messages.sequence = runs.user_sequence
        join chats on chats.id = runs.chat_id
        where runs.id = @RunId and completed_at is null and node_id = @NodeId and lease_number = @LeaseNumber
        {database.Dialect.LockRun}
        """;

    private const string FlushedTextSql = "select text from run_events where run_id = @RunId and event = 'message.delta' order by sequence";

    private const string SettleMessageSql = """
        update messages set content = @Reply, status = @Status, sources = @Sources, updated_at = @Now
        where chat_id = @ChatId and sequence = @AssistantSequence
        """;

    private const string SettleRunSql = """
        update runs set
          status = @Status, error_code = @ErrorCode, error_message = @ErrorMessage, last_sequence = @LastSequence, completed_at = @Now,
          (attempt, input_tokens, output_tokens, usage_estimated, cost) = (
            select coalesce(max(a.attempt), runs.attempt), sum(a.input_tokens), sum(a.output_tokens),
              max(case when a.usage_estimated then 1 when not a.usage_estimated then 0 end) = 1, sum(a.cost)
            from attempts a where a.run_id = runs.id and a.attempt >= runs.attempt),
          (provider, model) = (select a.provider, a.model from attempts a where a.run_id = runs.id order by a.attempt desc limit 1)
        where id = @RunId
        """;

    public Task<FinishedRun> SettleAsync(string runId, int leaseNumber, DateTimeOffset now, CancellationToken cancellationToken) =>
        database.WriteEndingAsync(async connection =>
        {
            if (await FindUnfinishedAsync(connection, runId, leaseNumber) is not { } run)
                return Ending.With<FinishedRun>(new FinishedRun(FinishOutcome.TakenOver, Next: null));

            var flushed = await ReadFlushedAsync(connection, run);
            await EndAttemptsAsync(connection, run, flushed, now);
            var (status, error) = run.IsCancelRequested ? (RunStatus.Cancelled, RunError.ForCancel()) : (RunStatus.Incomplete, RunError.ForShutdown());
            await connection.ExecuteAsync(Statement.Of(SettleMessageSql, new
            {
                flushed.Reply,
                Status = StoredNames.ToName(status),
                Sources = StoredSources.ToText([.. flushed.Marks.OfType<SourceFound>().Select(m => m.Source)]),
                Now = now,
                run.ChatId,
                run.AssistantSequence,
            }));
            await connection.ExecuteAsync(Statement.Of(SettleRunSql, new
            {
                RunId = run.Id,
                Status = StoredNames.ToName(status),
                ErrorCode = error.Code,
                ErrorMessage = error.Message,
                LastSequence = flushed.NextSequence,
                Now = now,
            }));
            await connection.ExecuteAsync(Statement.Of(DeleteTextSql, new { RunId = run.Id }));
            await BudgetRepository.SettleAsync(connection, run.Id);
            return Ending.Reading<FinishedRun>(
                async row => new FinishedRun(FinishOutcome.Stored, await ReadNextAsync(row)), [.. PassTurn(run.ChatId, run.Id, now)]);
        });

    /// <summary>What the dead process was doing is over; what it used beside the prompt is what it got to write.</summary>
    private const string EndAttemptsSql = """
        update attempts set
          outcome = 'incomplete', error_code = @ErrorCode, error_message = @ErrorMessage, output_tokens = @OutputTokens, usage_estimated = true,
          cost = (input_tokens * input_price) + (@OutputTokens * output_price), completed_at = @Now
        where run_id = @RunId and outcome = 'in_progress'
        """;

    /// <summary>Of runs whose chat was deleted while their models still wrote. The ids of runs grow with time.</summary>
    private const string EndOrphanedAttemptsSql = """
        update attempts set outcome = 'incomplete', error_code = @ErrorCode, error_message = @ErrorMessage, completed_at = @Now
        where outcome = 'in_progress' and run_id < @BegunBefore and not exists (select 1 from runs where runs.id = attempts.run_id)
        """;

    public Task EndOrphanedAsync(DateTimeOffset begunBefore, DateTimeOffset now, CancellationToken cancellationToken) =>
        database.WriteAsync(async connection =>
        {
            var error = RunError.ForDeletedChat();
            var before = Guid.CreateVersion7(begunBefore).ToString();
            await BudgetRepository.SettleOrphanedAsync(connection, before);
            return await connection.ExecuteAsync(Statement.Of(
                EndOrphanedAttemptsSql, new { ErrorCode = error.Code, ErrorMessage = error.Message, Now = now, BegunBefore = before }));
        });

    private const string KeepInterruptedSql = "insert into run_replies (run_id, attempt, reply) values (@RunId, @Attempt, @Reply)";

    private const string ContinueRunSql = "update runs set attempt = @Attempt, started_at = @Now where id = @RunId";

    private const string InsertMarkSql = """
        insert into run_events (run_id, sequence, event, text_offset, text, attempt)
        values (@RunId, @Sequence, @Event, @Offset, @Text, @Attempt)
        on conflict (run_id, sequence) do nothing
        """;

    public Task<InterruptedRun?> ContinueAsync(string runId, int leaseNumber, DateTimeOffset now, CancellationToken cancellationToken) =>
        database.WriteAsync(async connection => await FindUnfinishedAsync(connection, runId, leaseNumber) switch
        {
            null => null,
            { Status: StoredNames.InProgress } run => await ContinueAsync(connection, run, now),
            var queued => queued.ToInterrupted(queued.Attempt, "", []),
        });

    private Task<UnfinishedRow?> FindUnfinishedAsync(DbConnection connection, string runId, int leaseNumber) =>
        connection.QuerySingleOrDefaultAsync<UnfinishedRow?>(
            Statement.Of(unfinishedSql, new { RunId = runId, NodeId = node.Id, LeaseNumber = leaseNumber }));

    private static async Task<InterruptedRun> ContinueAsync(DbConnection connection, UnfinishedRow run, DateTimeOffset now)
    {
        var flushed = await ReadFlushedAsync(connection, run);
        var seam = new RunContinued(flushed.NextSequence, flushed.Reply.Length, run.Attempt + 1);
        await EndAttemptsAsync(connection, run, flushed, now);
        await connection.ExecuteAsync(Statement.Of(KeepInterruptedSql, new { RunId = run.Id, run.Attempt, flushed.Reply }));
        await connection.ExecuteAsync(Statement.Of(ContinueRunSql, new { RunId = run.Id, seam.Attempt, Now = now }));
        await connection.ExecuteAsync(Statement.Of(InsertMarkSql, RunEventRow.Of(run.Id, seam, run.LeaseNumber)));
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
        var reply = string.Concat(texts);
        var marks = await GetMarksAsync(connection, run.Id, CancellationToken.None);
        var (mark, markOffset) = marks.Count == 0 ? (run.FirstSequence, 0) : (marks[^1].Sequence, marks[^1].Offset);
        return new FlushedLog(reply, marks, mark + (reply.Length - markOffset) + RunLog.CrashGap);
    }

    private sealed record FlushedLog(string Reply, IReadOnlyList<RunMark> Marks, long NextSequence);

    /// <summary>The run and its events in one look: they are removed in the moment it ends.</summary>
    private const string NewsSql = """
        select r.first_sequence, r.completed_at, e.sequence, e.event, e.text_offset, e.text, e.attempt
        from runs r left join run_events e on e.run_id = r.id and e.sequence > @After
        where r.id = @RunId
        order by e.sequence
        """;

    public Task<IReadOnlyList<RunNews>> GetNewsAsync(IReadOnlyList<RunCursor> cursors, CancellationToken cancellationToken) =>
        database.ReadAsync(connection => GetNewsAsync(connection, cursors, cancellationToken), cancellationToken);

    private Task<IReadOnlyList<RunNews>> GetNewsAsync(DbConnection connection, IReadOnlyList<RunCursor> cursors, CancellationToken cancellationToken) =>
        database.Dialect.QueryManyAsync(connection, NewsSql, cursors, ReadNewsAsync, cancellationToken);

    private static async Task<RunNews> ReadNewsAsync(RunCursor cursor, DbDataReader row, CancellationToken cancellationToken)
    {
        var texts = new List<RunText>();
        var (firstSequence, isEnded) = (default(long?), false);
        while (await row.ReadAsync(cancellationToken))
        {
            (firstSequence, isEnded) = (row.GetInt64(0), !row.IsDBNull(1));
            if (row.IsDBNull(2))
                continue;
            var mark = new MarkRow
            {
                Sequence = row.GetInt64(2),
                Event = row.GetString(3),
                TextOffset = row.GetInt32(4),
                Text = row.GetString(5),
                Attempt = row.IsDBNull(6) ? null : row.GetInt32(6),
            };
            texts.Add(mark.Event == RunEventRow.Delta
                ? new RunText(cursor.RunId, mark.Sequence, mark.TextOffset, mark.Text)
                : new RunText(cursor.RunId, mark.Sequence, mark.TextOffset, "", mark.ToMark()));
        }

        return new RunNews { RunId = cursor.RunId, FirstSequence = firstSequence, IsEnded = isEnded, Texts = texts };
    }

    private sealed record HeldRunRow
    {
        public required string Id { get; init; }
        public required string ChatId { get; init; }
        public required string Status { get; init; }
        public required int LeaseNumber { get; init; }
        public required bool IsCancelRequested { get; init; }

        public HeldRun ToHeld() => new(Id, ChatId, StoredNames.ToRunStatus(Status), LeaseNumber, IsCancelRequested);
    }

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
        public required int LeaseNumber { get; init; }
        public required bool IsCancelRequested { get; init; }
        public required int Attempt { get; init; }
        public required long FirstSequence { get; init; }
        public required DateTimeOffset CreatedAt { get; init; }
        public DateTimeOffset? StartedAt { get; init; }
        public required string Message { get; init; }
        public string? SystemPrompt { get; init; }

        public InterruptedRun ToInterrupted(int attempt, string reply, IReadOnlyList<RunMark> marks) => new()
        {
            UserId = UserId,
            IsCancelRequested = IsCancelRequested,
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
                LeaseNumber = LeaseNumber,
                CreatedAt = CreatedAt,
                StartedAt = StartedAt,
                Marks = marks,
            },
        };
    }
}
