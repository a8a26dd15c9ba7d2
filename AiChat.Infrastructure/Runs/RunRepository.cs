using System.Data.Common;
using System.Text.Json;
using System.Text.Json.Serialization;
using AiChat.Core.Budgets;
using AiChat.Core.Errors;
using AiChat.Core.Idempotency;
using AiChat.Core.Memory;
using AiChat.Core.Models;
using AiChat.Core.Nodes;
using AiChat.Core.Runs;
using AiChat.Infrastructure.Budgets;
using AiChat.Infrastructure.Chats;
using AiChat.Infrastructure.Idempotency;
using AiChat.Infrastructure.Persistence;
using AiChat.Infrastructure.Usage;
using Dapper;

namespace AiChat.Infrastructure.Runs;

public sealed partial class RunRepository(IDatabase database, Node node) : IRunRepository
{
    /// <summary>Takes so many sequences and the turn of a chat where nobody has it; nothing elsewhere.</summary>
    private const string EnterFreeChatSql = """
        update chats set message_count = message_count + @NewMessages, active_run_id = @RunId, updated_at = @Now
        where id = @ChatId and user_id = @UserId and active_run_id is null
        returning message_count, active_run_id
        """;

    /// <summary>Takes so many sequences and, when nobody has it, the chat's turn; nothing when too many wait for it.</summary>
    private const string EnterChatSql = """
        update chats set
          message_count = message_count + @NewMessages,
          active_run_id = coalesce(active_run_id, @RunId),
          updated_at = @Now
        where id = @ChatId and user_id = @UserId and (
          active_run_id is null
          or (select count(*) from runs where chat_id = @ChatId and completed_at is null) <= @MostUnfinished)
        returning message_count, active_run_id
        """;

    private readonly Ledger ledger = new(database.Dialect);

    /// <summary>What is looked up in the chat from here on stays true until the transaction ends.</summary>
    private readonly string lockChatSql = database.Dialect.LockChat;

    private const string GetActiveRunSql = "select active_run_id from chats where id = @ChatId and user_id = @UserId";

    private const string InsertMessagesSql = """
        insert into messages (chat_id, sequence, id, role, content, status, run_id, created_at, updated_at)
        values
          (@ChatId, @UserSequence, @UserMessageId, 'user', @Message, 'completed', null, @CreatedAt, @CreatedAt),
          (@ChatId, @AssistantSequence, @AssistantMessageId, 'assistant', '', 'in_progress', @Id, @CreatedAt, @CreatedAt)
        """;

    private const string InsertReplySql = """
        insert into messages (chat_id, sequence, id, role, content, status, run_id, created_at, updated_at)
        values (@ChatId, @AssistantSequence, @AssistantMessageId, 'assistant', '', 'in_progress', @Id, @CreatedAt, @CreatedAt)
        """;

    private const string InsertRunSql = """
        insert into runs (id, chat_id, user_id, user_message_id, assistant_message_id, user_sequence, assistant_sequence, alias, temperature,
          max_tokens, web_search, status, node_id, created_at, started_at)
        values (@Id, @ChatId, @UserId, @UserMessageId, @AssistantMessageId, @UserSequence, @AssistantSequence, @Alias, @Temperature,
          @MaxTokens, @WebSearch, @Status, @NodeId, @CreatedAt, @StartedAt)
        """;

    private const string FindRunSql = "select id from runs where chat_id = @ChatId and user_sequence = @UserSequence and user_id = @UserId";

    /// <summary>A reply would stand behind a later message, and look like the answer to that.</summary>
    private const string IsOvertakenSql = """
        select exists (select 1 from messages where chat_id = @ChatId and sequence > @UserSequence and role = 'user')
        """;

    public Task<RunAdmission> StartAsync(NewRun run, CancellationToken cancellationToken) => AdmitAsync(run.Id, attempt: 1, async connection =>
    {
        if (run.Key is not null && await IdempotencyRepository.ClaimAsync(connection, run.Key, run.Id, run.CreatedAt) is { } earlier)
            return Ending.With<RunAdmission>(new RunAdmission.KeyTaken(earlier));

        // Everybody locks budgets before chats.
        var budget = await BudgetRepository.DecideAsync(connection, run.Claims);
        if (run.UserSequence is not null)
        {
            await LockChatAsync(connection, run.ChatId);
            if (await RefuseAnswerAsync(connection, run) is { } refusal)
                return Ending.With<RunAdmission>(refusal);
        }

        if (budget.Exceeded is not null)
            return Ending.With<RunAdmission>(await RefuseAsync(connection, budget.Exceeded, budget.States, run.Key));

        if (run.NewChat is not null)
            await connection.ExecuteAsync(Statement.Of(ChatRepository.InsertSql, run.NewChat));

        var chat = new ChatEntry(run.Id, run.ChatId, run.UserId, NewMessages: run.UserSequence is null ? 2 : 1, run.Admission.MostUnfinished, run.CreatedAt);
        if (await EnterChatAsync(connection, chat) is not { } entered)
            return Ending.With<RunAdmission>(await RefuseAsync(connection, chat, run.Key));

        await BudgetRepository.ReserveAsync(connection, run.Claims, run.Id, firstAttempt: 1);
        var place = new RunPlace(run.UserSequence ?? entered.MessageCount - 1, entered.MessageCount);
        var accepted = ToAccepted(entered, run.Id, place);
        var insertMessages = new BoundStatement(run.UserSequence is null ? InsertMessagesSql : InsertReplySql, new
        {
            run.Id,
            run.ChatId,
            place.UserSequence,
            place.AssistantSequence,
            run.UserMessageId,
            run.AssistantMessageId,
            run.Message,
            run.CreatedAt,
        });
        var insertRun = new BoundStatement(InsertRunSql, new
        {
            run.Id,
            run.ChatId,
            run.UserId,
            run.UserMessageId,
            run.AssistantMessageId,
            place.UserSequence,
            place.AssistantSequence,
            run.Alias,
            run.Temperature,
            run.MaxTokens,
            run.WebSearch,
            Status = StoredNames.ToName(accepted.BusyWith is null ? RunStatus.InProgress : RunStatus.Queued),
            NodeId = node.Id,
            run.CreatedAt,
            StartedAt = accepted.BusyWith is null ? run.CreatedAt : default(DateTimeOffset?),
        });
        IEnumerable<BoundStatement> countChat = run.NewChat is null ? [] : [new BoundStatement(ChatRepository.CountUpSql, new { run.UserId })];
        return Ending.With<RunAdmission>(accepted with { Budgets = budget.States }, [insertMessages, insertRun, .. countChat]);
    });

    private const string KeepReplySql = """
        insert into run_replies (run_id, attempt, reply)
        select r.id, r.attempt, m.content
        from runs r join messages m on m.chat_id = r.chat_id and m.sequence = r.assistant_sequence
        where r.id = @RunId and r.user_id = @UserId and r.status in ('failed', 'cancelled', 'incomplete') and r.attempt = @Attempt - 1
        on conflict (run_id, attempt) do nothing
        """;

    private const string RestartRunSql = """
        update runs set
          status = @Status, attempt = @Attempt, first_sequence = @FirstSequence, last_sequence = null, provider = null, model = null,
          input_tokens = null, output_tokens = null, usage_estimated = null, finish_reason = null, error_code = null, error_message = null,
          receipt = null, cost = null, started_at = @StartedAt, first_token_at = null, completed_at = null,
          web_search = coalesce(@WebSearch, web_search), node_id = @NodeId, lease_number = lease_number + 1, cancel_requested_at = null
        where id = @RunId
        returning user_sequence, assistant_sequence, lease_number
        """;

    private const string RestartMessageSql = """
        update messages set content = '', status = 'in_progress', model = null, sources = null, updated_at = @Now
        where chat_id = @ChatId and sequence = @AssistantSequence
        """;

    private const string DeleteEventsSql = "delete from run_events where run_id = @RunId";

    public Task<RunAdmission> RetryAsync(RunRetry retry, CancellationToken cancellationToken) =>
        AdmitAsync(retry.RunId, retry.Attempt, async connection => Ending.With(await RetryAsync(connection, retry)));

    private async Task<RunAdmission> RetryAsync(DbConnection connection, RunRetry retry)
    {
        if (retry.Key is not null && await IdempotencyRepository.ClaimAsync(connection, retry.Key, retry.RunId, retry.Now) is { } earlier)
            return new RunAdmission.KeyTaken(earlier);

        var budget = await BudgetRepository.DecideAsync(connection, retry.Claims);
        if (budget.Exceeded is not null)
            return await RefuseAsync(connection, budget.Exceeded, budget.States, retry.Key);

        var chat = new ChatEntry(retry.RunId, retry.ChatId, retry.UserId, NewMessages: 0, retry.Admission.MostUnfinished, retry.Now);
        if (await connection.ExecuteAsync(Statement.Of(KeepReplySql, retry)) == 0)
        {
            await ReleaseAsync(connection, retry.Key);
            return new RunAdmission.NotRetryable();
        }

        if (await EnterChatAsync(connection, chat) is not { } entered)
        {
            await connection.ExecuteAsync(Statement.Of(ForgetReplySql, new { retry.RunId, Attempt = retry.Attempt - 1 }));
            return await RefuseAsync(connection, chat, retry.Key);
        }

        var isQueued = entered.ActiveRunId != retry.RunId;
        var place = await connection.QuerySingleAsync<RunPlaceRow>(Statement.Of(RestartRunSql, new
        {
            retry.RunId,
            Status = StoredNames.ToName(isQueued ? RunStatus.Queued : RunStatus.InProgress),
            retry.Attempt,
            retry.FirstSequence,
            retry.WebSearch,
            NodeId = node.Id,
            StartedAt = isQueued ? default(DateTimeOffset?) : retry.Now,
        }));
        await connection.ExecuteAsync(Statement.Of(RestartMessageSql, new { retry.ChatId, place.AssistantSequence, retry.Now }));
        await connection.ExecuteAsync(Statement.Of(DeleteEventsSql, new { retry.RunId }));
        await BudgetRepository.ReserveAsync(connection, retry.Claims, retry.RunId, retry.Attempt);
        return ToAccepted(entered, retry.RunId, place.ToPlace()) with { LeaseNumber = place.LeaseNumber, Budgets = budget.States };
    }

    private const string FindAcceptedSql = """
        select r.user_sequence, r.assistant_sequence, r.lease_number, c.active_run_id
        from runs r join chats c on c.id = r.chat_id
        where r.id = @RunId and r.attempt = @Attempt and r.node_id = @NodeId and r.completed_at is null
        """;

    /// <summary>
    /// Stores a run, and looks for it where the answer to the commit was lost: one that is there was accepted like any other. One that is not
    /// there may still come.
    /// </summary>
    private async Task<RunAdmission> AdmitAsync(string runId, int attempt, Func<DbConnection, Task<Ending<RunAdmission>>> store)
    {
        try
        {
            return await database.WriteEndingAsync(store);
        }
        catch (UnavailableException lost) when (lost.MayBeDone)
        {
            if (await FindAcceptedAsync(runId, attempt) is not { } accepted)
                throw;
            return new RunAdmission.Accepted(
                new RunPlace(accepted.UserSequence, accepted.AssistantSequence), accepted.ActiveRunId == runId ? null : accepted.ActiveRunId)
            {
                LeaseNumber = accepted.LeaseNumber,
            };
        }
    }

    /// <summary>Null also when the database is still away.</summary>
    private async Task<AcceptedRow?> FindAcceptedAsync(string runId, int attempt)
    {
        try
        {
            return await database.ReadAsync(connection => connection.QuerySingleOrDefaultAsync<AcceptedRow?>(
                Statement.Of(FindAcceptedSql, new { RunId = runId, Attempt = attempt, NodeId = node.Id })), CancellationToken.None);
        }
        catch (UnavailableException)
        {
            return null;
        }
    }

    private const string ForgetReplySql = "delete from run_replies where run_id = @RunId and attempt = @Attempt";

    /// <summary>
    /// Only while the attempt goes on, and here: its end, the end of its chat, or the next attempt may have been stored since the text was
    /// taken, or another process may have it. What is stored already is so because the answer to an earlier try was lost.
    /// </summary>
    private readonly string appendSql = $"""
        insert into run_events (run_id, sequence, event, text_offset, text, attempt)
        select id, @Sequence, @Event, @Offset, @Text, @Attempt
        from runs
        where id = @RunId and completed_at is null and first_sequence < @Sequence and lease_number = @LeaseNumber
        {database.Dialect.ForShare}
        on conflict (run_id, sequence) do nothing
        """;

    public Task AppendAsync(IReadOnlyList<RunProgress> progress, CancellationToken cancellationToken) => database.WriteAsync(async connection =>
    {
        await database.Dialect.ExecuteManyAsync(
            connection, appendSql, [.. progress.SelectMany(run => run.Texts.Select(text => RunEventRow.Of(text, run.LeaseNumber)))]);
        await ledger.StoreAsync(connection, [.. progress.SelectMany(run => run.Attempts.Select(
            attempt => Ledger.ToEntry(attempt, run.Run.Id, run.Run.ChatId, run.Run.UserId, run.Run.Alias, run.LeaseNumber)))]);
        return progress.Count;
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
          error_message = @ErrorMessage,
          receipt = @Receipt,
          cost = @Cost,
          attempt = case when @Attempt > attempt then @Attempt else attempt end,
          first_token_at = @FirstTokenAt,
          last_sequence = @LastSequence,
          completed_at = @CompletedAt
        where id = @RunId and completed_at is null and lease_number = @LeaseNumber
        returning exists (select 1 from budget_reservations r where r.run_id = runs.id)
        """;

    private const string GetLeaseSql = "select lease_number from runs where id = @RunId";

    private const string FinishMessageSql = """
        update messages set content = @Reply, status = @Status, model = @Model, sources = @Sources, updated_at = @CompletedAt
        where chat_id = @ChatId and sequence = @AssistantSequence
        """;

    /// <summary>The text is in the message now.</summary>
    private const string DeleteTextSql = "delete from run_events where run_id = @RunId and event = 'message.delta'";

    /// <summary>Hands the chat's turn to the waiting run with the earliest message. The chat must be locked, so that none is overlooked.</summary>
    private const string LeaveChatSql = """
        update chats set
          updated_at = @CompletedAt,
          active_run_id = (
            select id from runs
            where chat_id = @ChatId and completed_at is null and status = 'queued'
            order by user_sequence
            limit 1)
        where id = @ChatId and active_run_id = @RunId
        """;

    /// <summary>The run that has the chat's turn now, where it still waits for it.</summary>
    private const string BeginNextSql = """
        update runs set status = 'in_progress', started_at = @CompletedAt
        where id = (select active_run_id from chats where id = @ChatId) and status = 'queued'
        returning id, attempt
        """;

    public Task<FinishedRun> FinishAsync(RunResult result, CancellationToken cancellationToken) => database.WriteEndingAsync(async connection =>
    {
        var hasReservations = await connection.ExecuteScalarAsync<bool?>(Statement.Of(FinishRunSql, ToFinishParameters(result)));
        // Whatever becomes of the rest: it was paid for, even when its chat is gone.
        LedgerEntry[] paid =
            [.. result.Attempts.Select(attempt => Ledger.ToEntry(attempt, result.RunId, result.ChatId, result.UserId, result.Alias, result.LeaseNumber))];
        if (hasReservations != false)
        {
            await ledger.StoreAsync(connection, paid);
            paid = [];
        }

        if (hasReservations is null)
            return Ending.With<FinishedRun>(await FindWhyNotAsync(connection, result));
        if (hasReservations is true)
            await BudgetRepository.SettleAsync(connection, result.RunId);

        var finishMessage = new BoundStatement(FinishMessageSql, new
        {
            result.ChatId,
            result.AssistantSequence,
            result.Reply,
            Status = StoredNames.ToName(result.Status),
            Model = result.Reply.Length > 0 ? result.Model : null,
            Sources = StoredSources.ToText(result.Sources),
            result.CompletedAt,
        });
        IEnumerable<BoundStatement> deleteText = result.HasFlushed ? [new BoundStatement(DeleteTextSql, new { result.RunId })] : [];
        var insertMarks = result.Marks.Select(mark => new BoundStatement(InsertMarkSql, RunEventRow.Of(result.RunId, mark, result.LeaseNumber)));
        return Ending.Reading<FinishedRun>(
            async row => new FinishedRun(FinishOutcome.Stored, await ReadNextAsync(row)),
            [.. paid.Select(ledger.ToStatement), finishMessage, .. deleteText, .. insertMarks, .. PassTurn(result.ChatId, result.RunId, result.CompletedAt)]);
    });

    private static async Task<FinishedRun> FindWhyNotAsync(DbConnection connection, RunResult result)
    {
        var lease = await connection.QuerySingleOrDefaultAsync<int?>(Statement.Of(GetLeaseSql, new { result.RunId }));
        if (lease is null)
            await BudgetRepository.SettleAsync(connection, result.RunId);
        return new FinishedRun(
            lease is null ? FinishOutcome.ChatDeleted : lease == result.LeaseNumber ? FinishOutcome.Stored : FinishOutcome.TakenOver, Next: null);
    }

    /// <summary>Hands the chat's turn on. The last statement gives the run that has it now, which is read by <see cref="ReadNextAsync"/>.</summary>
    private IEnumerable<BoundStatement> PassTurn(string chatId, string runId, DateTimeOffset now)
    {
        var turn = new { ChatId = chatId, RunId = runId, CompletedAt = now };
        if (lockChatSql.Length > 0)
            yield return new BoundStatement(lockChatSql, turn);
        yield return new BoundStatement(LeaveChatSql, turn);
        yield return new BoundStatement(BeginNextSql, turn);
    }

    private static async Task<NextRun?> ReadNextAsync(DbDataReader row) =>
        await row.ReadAsync() ? new NextRun(row.GetString(0), row.GetInt32(1)) : null;

    private const string GetSql = """
        select r.id, r.chat_id, r.user_message_id, r.assistant_message_id, r.user_sequence, r.assistant_sequence, r.alias, r.temperature,
          r.max_tokens, r.web_search, r.status, r.attempt, r.provider, r.model, r.input_tokens, r.output_tokens, r.usage_estimated, r.cost, r.finish_reason, r.error_code, r.error_message,
          m.content as reply, m.sources, r.first_sequence, r.last_sequence, r.lease_number, r.created_at, r.started_at, r.first_token_at,
          r.completed_at
        from runs r join messages m on m.chat_id = r.chat_id and m.sequence = r.assistant_sequence
        where r.id = @RunId and r.user_id = @UserId
        """;

    private const string AttemptsSql = """
        select a.attempt, a.outcome, a.provider, a.model, a.input_tokens, a.output_tokens, a.cached_tokens, a.reasoning_tokens,
          a.usage_estimated, a.cost, a.error_code, a.error_message, a.started_at, a.first_token_at, a.completed_at, p.reply
        from attempts a left join run_replies p on p.run_id = a.run_id and p.attempt = a.attempt
        where a.run_id = @RunId
        order by a.attempt
        """;

    private const string MarksSql = """
        select sequence, event, text_offset, text, attempt from run_events where run_id = @RunId and event <> 'message.delta' order by sequence
        """;

    public Task<StoredRun?> GetAsync(string userId, string runId, CancellationToken cancellationToken) =>
        database.ReadAsync(connection => GetAsync(connection, userId, runId, cancellationToken), cancellationToken);

    private async Task<StoredRun?> GetAsync(DbConnection connection, string userId, string runId, CancellationToken cancellationToken)
    {
        if (await connection.QuerySingleOrDefaultAsync<RunRow>(Statement.Of(GetSql, new { RunId = runId, UserId = userId }, cancellationToken)) is not { } row)
            return null;

        var run = row.ToRun();
        if (run.Status == RunStatus.InProgress)
        {
            // While it goes on, its text is among its events, in one look with the marks in it.
            var log = (await GetNewsAsync(connection, [new RunCursor(runId, After: 0)], cancellationToken))[0];
            if (log.IsEnded || log.FirstSequence != run.FirstSequence)
                return await GetAsync(connection, userId, runId, cancellationToken);
            run = run with { Reply = string.Concat(log.Texts.Select(t => t.Text)), Marks = [.. log.Texts.Select(t => t.Mark).OfType<RunMark>()] };
        }
        // Most runs have one attempt and no sources, and so no marks.
        else if (run.Attempt > 1 || run.WebSearch)
        {
            run = run with { Marks = await GetMarksAsync(connection, runId, cancellationToken) };
        }

        var attempts = await connection.QueryAsync<AttemptRow>(Statement.Of(AttemptsSql, new { RunId = runId }, cancellationToken));
        return run with { Attempts = [.. attempts.Select(a => a.ToAttempt(run))] };
    }

    private const string QuestionSql = """
        select m.content as message, c.system_prompt
        from runs r
        join messages m on m.chat_id = r.chat_id and m.sequence = r.user_sequence
        join chats c on c.id = r.chat_id
        where r.id = @RunId and r.user_id = @UserId
        """;

    public Task<RunQuestion?> GetQuestionAsync(string userId, string runId, CancellationToken cancellationToken) =>
        database.ReadAsync(async connection =>
        {
            var row = await connection.QuerySingleOrDefaultAsync<QuestionRow>(
                Statement.Of(QuestionSql, new { RunId = runId, UserId = userId }, cancellationToken));
            return row?.ToQuestion();
        }, cancellationToken);

    /// <summary>The answer is the first text behind it that a client has stored for the assistant.</summary>
    private const string LastQuestionSql = """
        select m.id, m.sequence, m.content as message, r.id as run_id,
          (select a.id from messages a
           where a.chat_id = m.chat_id and a.sequence > m.sequence and a.role = 'assistant' and a.run_id is null and a.tool_calls is null
             and a.content <> ''
           order by a.sequence
           limit 1) as answer_id
        from messages m left join runs r on r.chat_id = m.chat_id and r.user_sequence = m.sequence
        where m.chat_id = @ChatId and m.role = 'user' and exists (select 1 from chats where id = @ChatId and user_id = @UserId)
        order by m.sequence desc
        limit 1
        """;

    public Task<LastQuestion?> GetLastQuestionAsync(string userId, string chatId, CancellationToken cancellationToken) => database.ReadAsync(
        connection => connection.QuerySingleOrDefaultAsync<LastQuestion?>(
            Statement.Of(LastQuestionSql, new { ChatId = chatId, UserId = userId }, cancellationToken)),
        cancellationToken);

    /// <summary>Only marks are left of a run that has ended. The ids of runs grow with time: younger runs are not even looked at.</summary>
    private const string DeleteLogsSql = """
        delete from run_events
        where (run_id, sequence) in (
          select e.run_id, e.sequence
          from run_events e join runs r on r.id = e.run_id
          where e.event <> 'message.delta' and e.run_id < @BegunBefore and r.completed_at < @EndedBefore
          limit @Limit)
        """;

    public Task<int> DeleteLogsAsync(DateTimeOffset endedBefore, int limit, CancellationToken cancellationToken) =>
        database.WriteAsync(connection => connection.ExecuteAsync(Statement.Of(
            DeleteLogsSql, new { EndedBefore = endedBefore, BegunBefore = Guid.CreateVersion7(endedBefore).ToString(), Limit = limit })));

    /// <summary>Most chats are free, which their row alone tells. How many wait for another one is known when nobody else can join them.</summary>
    private async Task<EnteredChat?> EnterChatAsync(DbConnection connection, ChatEntry entry)
    {
        if (await connection.QuerySingleOrDefaultAsync<EnteredChat?>(Statement.Of(EnterFreeChatSql, entry)) is { } entered)
            return entered;
        await LockChatAsync(connection, entry.ChatId);
        return await connection.QuerySingleOrDefaultAsync<EnteredChat?>(Statement.Of(EnterChatSql, entry));
    }

    private Task LockChatAsync(DbConnection connection, string chatId) =>
        lockChatSql.Length == 0 ? Task.CompletedTask : connection.ExecuteAsync(Statement.Of(lockChatSql, new { ChatId = chatId }));

    /// <summary>Takes back what the transaction has done so far, and says why.</summary>
    private static async Task<RunAdmission> RefuseAsync(DbConnection connection, ChatEntry entry, IdempotencyKey? key)
    {
        await ReleaseAsync(connection, key);
        var activeRunId = await connection.QuerySingleOrDefaultAsync<string?>(Statement.Of(GetActiveRunSql, new { entry.ChatId, entry.UserId }));
        return activeRunId is null ? new RunAdmission.NoSuchChat() : new RunAdmission.Busy(activeRunId);
    }

    private static async Task<RunAdmission> RefuseAsync(
        DbConnection connection, BudgetState exceeded, IReadOnlyList<BudgetState> states, IdempotencyKey? key)
    {
        await ReleaseAsync(connection, key);
        return new RunAdmission.OverBudget(exceeded, states);
    }

    private static Task ReleaseAsync(DbConnection connection, IdempotencyKey? key) =>
        key is null ? Task.CompletedTask : IdempotencyRepository.ReleaseAsync(connection, key);

    private static RunAdmission.Accepted ToAccepted(EnteredChat entered, string runId, RunPlace place) =>
        new(place, entered.ActiveRunId == runId ? null : entered.ActiveRunId);

    private static async Task<IReadOnlyList<RunMark>> GetMarksAsync(DbConnection connection, string runId, CancellationToken cancellationToken)
    {
        var rows = await connection.QueryAsync<MarkRow>(Statement.Of(MarksSql, new { RunId = runId }, cancellationToken));
        return [.. rows.Select(r => r.ToMark())];
    }

    /// <summary>Why the stored message gets no other run; null when it gets this one.</summary>
    private static async Task<RunAdmission?> RefuseAnswerAsync(DbConnection connection, NewRun run)
    {
        var message = new { run.ChatId, run.UserSequence, run.UserId };
        if (await connection.QuerySingleOrDefaultAsync<string?>(Statement.Of(FindRunSql, message)) is { } runId)
            return new RunAdmission.AlreadyAnswered(runId);
        return await connection.ExecuteScalarAsync<bool>(Statement.Of(IsOvertakenSql, message)) ? new RunAdmission.Overtaken() : null;
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
        Cost = Money.ToStored(result.Cost),
        result.Attempt,
        result.FinishReason,
        ErrorCode = result.Error?.Code,
        ErrorMessage = result.Error?.Message,
        Receipt = result.Receipt is null ? null : JsonSerializer.Serialize(result.Receipt, ReceiptJson.Default.Receipt),
        result.FirstTokenAt,
        result.LastSequence,
        result.LeaseNumber,
        result.CompletedAt,
    };

    /// <summary>A run on its way into a chat.</summary>
    private sealed record ChatEntry(string RunId, string ChatId, string UserId, int NewMessages, int MostUnfinished, DateTimeOffset Now);

    private sealed record EnteredChat
    {
        public required int MessageCount { get; init; }
        public required string ActiveRunId { get; init; }
    }

    private sealed record AcceptedRow
    {
        public required int UserSequence { get; init; }
        public required int AssistantSequence { get; init; }
        public required int LeaseNumber { get; init; }
        public string? ActiveRunId { get; init; }
    }

    private sealed record RunPlaceRow
    {
        public required int UserSequence { get; init; }
        public required int AssistantSequence { get; init; }
        public required int LeaseNumber { get; init; }

        public RunPlace ToPlace() => new(UserSequence, AssistantSequence);
    }

    [JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
    [JsonSerializable(typeof(Receipt))]
    private sealed partial class ReceiptJson : JsonSerializerContext;
}
