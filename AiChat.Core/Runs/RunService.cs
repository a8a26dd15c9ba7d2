using System.Globalization;
using AiChat.Core.Budgets;
using AiChat.Core.Chats;
using AiChat.Core.Errors;
using AiChat.Core.Idempotency;
using AiChat.Core.Memory;
using AiChat.Core.Models;
using AiChat.Core.Nodes;
using AiChat.Core.WebSearch;
using Microsoft.Extensions.Options;

namespace AiChat.Core.Runs;

/// <summary>Gets messages answered. Every way to a reply leads through here.</summary>
public sealed class RunService(
    IChatRepository chats, IMessageRepository messages, IRunRepository runs, IIdempotencyRepository keys, ModelRegistry models,
    ContextBuilder context, WebSearchService web, BudgetPolicy budgets, RunExecutor executor, RunMirrors mirrors, INodeSignals signals,
    IOptions<RunOptions> options, TimeProvider time)
{
    /// <summary>How often is looked again where something changes meanwhile.</summary>
    private const int MostLooks = 3;

    private static readonly TimeSpan BusyRetryAfter = TimeSpan.FromSeconds(2);

    /// <summary>
    /// Accepts a message; when this returns, it is stored and its reply is on its way. A message with a key that came before is not accepted
    /// again: the handle is that of the first one. Null when the user has no such chat.
    /// </summary>
    /// <exception cref="InvalidRequestException"><c>unknown_model</c>, <c>message_too_long</c>, <c>idempotency_key_reused</c>; nothing was stored.</exception>
    /// <exception cref="ConflictException"><c>chat_busy</c>; nothing was stored.</exception>
    /// <exception cref="BudgetExceededException">Nothing was stored.</exception>
    /// <exception cref="UnavailableException">The server or the database takes no messages now, or the web cannot be searched.</exception>
    public async Task<RunHandle?> StartAsync(SendCommand command, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var key = ToKey(command, now);
        // Before every limit: what was accepted stays accepted.
        if (key is not null && await keys.FindAsync(key, cancellationToken) is { } earlier)
            return await ReplayAsync(key, earlier, cancellationToken);
        if (executor.IsStopping)
            throw UnavailableException.ForShutdown();

        var chat = command.ChatId is null
            ? ChatService.Build(new NewChat { UserId = command.UserId, Title = command.Title }, now)
            : await chats.GetAsync(command.UserId, command.ChatId, cancellationToken);
        return chat is null ? null : await EnterChatAsync(command, chat, question: null, key, now, cancellationToken);
    }

    /// <summary>
    /// The answer to what the user said last in the chat. The first to ask starts it; everybody after that is given the same one, whether it
    /// goes on or has ended, be it one that a client has stored. An attempt that gave no text is no answer: unless the client wants the rest
    /// of it, another one begins. Null when the user has no such chat.
    /// </summary>
    /// <exception cref="InvalidRequestException"><c>nothing_to_answer</c>, and those of <see cref="StartAsync"/>.</exception>
    /// <inheritdoc cref="StartAsync"/>
    public Task<RunHandle?> AnswerAsync(AnswerCommand command, CancellationToken cancellationToken) =>
        AnswerAsync(command, look: 1, cancellationToken);

    private async Task<RunHandle?> AnswerAsync(AnswerCommand command, int look, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        if (await chats.GetAsync(command.UserId, command.ChatId, cancellationToken) is not { } chat)
            return null;
        if (await runs.GetLastQuestionAsync(command.UserId, command.ChatId, cancellationToken) is not { } question)
            throw new InvalidRequestException(InvalidRequestException.NothingToAnswer, "id", InvalidRequestException.NothingToAnswerMessage);

        if (question.RunId is not null)
            return await AttachAsync(command, question, question.RunId, cancellationToken);
        if (question.AnswerId is not null)
            return await FindStoredAnswerAsync(command.UserId, command.ChatId, question.AnswerId, cancellationToken);
        if (executor.IsStopping)
            throw UnavailableException.ForShutdown();
        var send = new SendCommand { UserId = command.UserId, ChatId = command.ChatId, Message = question.Message, WebSearch = command.WebSearch };
        try
        {
            return await EnterChatAsync(send, chat, question, key: null, now, cancellationToken);
        }
        catch (ConflictException overtaken) when (overtaken.RunId is null && look < MostLooks)
        {
            return await AnswerAsync(command, look + 1, cancellationToken);
        }
    }

    private async Task<RunHandle?> EnterChatAsync(
        SendCommand command, Chat chat, LastQuestion? question, IdempotencyKey? key, DateTimeOffset now, CancellationToken cancellationToken)
    {
        if (command.WebSearch)
            web.RequireConfigured();
        var alias = models.Get(command.Model ?? chat.Model ?? ModelsOptions.DefaultAlias);
        context.RequireFit(alias, command.Message, chat.SystemPrompt ?? alias.SystemPrompt, command.MaxTokens);

        var hasHistory = chat.MessageCount > (question is null ? 0 : 1);
        var newRun = ToNewRun(command, chat, question, alias.Name, now) with
        {
            Key = key,
            Admission = ToRule(command.OnBusy),
            Claims = Claim(command.UserId, alias, command.Message, chat.SystemPrompt, command.MaxTokens, hasHistory, command.WebSearch, now),
        };
        var run = new ActiveRun(newRun, chat.SystemPrompt, alias, new RunLog(ToStarted(newRun, alias.Active), time), time);
        executor.TryRegister(run);
        // Not cancellable: a client that goes away now must not leave half a turn.
        var admission = await AdmitAsync(run, () => runs.StartAsync(newRun, CancellationToken.None));
        return await EnterAsync(run, admission, command.OnBusy, key, cancellationToken);
    }

    /// <summary>The run that answers; another attempt of it where the last one gave no text.</summary>
    private async Task<RunHandle?> AttachAsync(AnswerCommand command, LastQuestion question, string runId, CancellationToken cancellationToken)
    {
        var run = await FindAsync(command.UserId, runId, isReplay: false, cancellationToken);
        if (command.IsReconnect || run is not { Completion: { IsCompletedSuccessfully: true, Result: { Error: not null, Reply: "" } } })
            return run;
        // Somebody has answered in its place.
        if (question.AnswerId is not null)
            return await FindStoredAnswerAsync(command.UserId, command.ChatId, question.AnswerId, cancellationToken);

        try
        {
            return await RetryAsync(new RetryCommand { UserId = command.UserId, RunId = runId, WebSearch = command.WebSearch }, cancellationToken);
        }
        catch (ConflictException other) when (other.Code == ConflictException.RunNotRetryable)
        {
            // Somebody else asked at the same moment, and has begun it.
            return await FindAsync(command.UserId, runId, isReplay: false, cancellationToken);
        }
    }

    /// <summary>
    /// An answer of the chat that a client has stored, followed like a run that wrote it; null when the user has none with this id there.
    /// </summary>
    public async Task<RunHandle?> FindStoredAnswerAsync(string userId, string chatId, string messageId, CancellationToken cancellationToken)
    {
        var message = await messages.GetAsync(userId, messageId, cancellationToken);
        return message is { Role: MessageRole.Assistant, RunId: null } && message.ChatId == chatId ? message.ToHandle(userId, time) : null;
    }

    /// <summary>
    /// Answers the message of a failed, cancelled or incomplete run once more; the reply takes the place of what there is. Null when the user
    /// has no such run.
    /// </summary>
    /// <exception cref="ConflictException"><c>chat_busy</c>, <c>run_not_retryable</c>; nothing has changed.</exception>
    /// <inheritdoc cref="StartAsync"/>
    public Task<RunHandle?> RetryAsync(RetryCommand command, CancellationToken cancellationToken) =>
        RetryAsync(command, isSecondLook: false, cancellationToken);

    private async Task<RunHandle?> RetryAsync(RetryCommand command, bool isSecondLook, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var key = ToKey(command, now);
        if (key is not null && await keys.FindAsync(key, cancellationToken) is { } earlier)
            return await ReplayAsync(key, earlier, cancellationToken);
        if (executor.IsStopping)
            throw UnavailableException.ForShutdown();

        if (await runs.GetAsync(command.UserId, command.RunId, cancellationToken) is not { } stored
            || await runs.GetQuestionAsync(command.UserId, command.RunId, cancellationToken) is not { } question)
            return null;
        if (stored.LastSequence is not { } lastSequence || stored.Status == RunStatus.Completed)
        {
            // Perhaps because of this very key, since it was looked for.
            return key is not null && !isSecondLook
                ? await RetryAsync(command, isSecondLook: true, cancellationToken)
                : throw NotRetryable(stored.Id);
        }

        var alias = models.Get(stored.Alias);
        context.RequireFit(alias, question.Message, question.SystemPrompt ?? alias.SystemPrompt, stored.MaxTokens);

        var isSearched = command.WebSearch ?? stored.WebSearch;
        if (isSearched)
            web.RequireConfigured();
        var retry = new RunRetry
        {
            RunId = stored.Id,
            ChatId = stored.ChatId,
            UserId = command.UserId,
            Attempt = stored.Attempt + 1,
            FirstSequence = lastSequence + 1,
            Admission = ToRule(command.OnBusy),
            Key = key,
            WebSearch = command.WebSearch,
            Claims = Claim(
                command.UserId, alias, question.Message, question.SystemPrompt, stored.MaxTokens, hasHistory: stored.Place.AssistantSequence > 2, isSearched, now),
            Now = now,
        };
        var started = (stored with { Attempt = retry.Attempt, FirstSequence = retry.FirstSequence }).ToStarted(alias.Active.Provider, alias.Active.Model);
        var run = new ActiveRun(
            stored.ToNewRun(command.UserId, question) with { WebSearch = isSearched }, question.SystemPrompt, alias, new RunLog(started, time), time);
        if (!executor.TryRegister(run))
        {
            if (isSecondLook)
                throw NotRetryable(stored.Id);
            await WaitForOtherAsync(stored.Id, retry.Attempt);
            return await RetryAsync(command, isSecondLook: true, cancellationToken);
        }

        var admission = await AdmitAsync(run, () => runs.RetryAsync(retry, CancellationToken.None));
        return await EnterAsync(run, admission, command.OnBusy, key, cancellationToken);
    }

    /// <summary>
    /// A run that is known already is still being ended, or somebody else tries it again at this moment, perhaps under the same key: what
    /// comes of that decides.
    /// </summary>
    private async Task WaitForOtherAsync(string runId, int attempt)
    {
        if (executor.Find(runId) is not { } other)
            return;
        Task known = other.Log.Attempt < attempt ? other.Completion : other.Admission;
        await known.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    /// <summary>The run; null when the user has no such run.</summary>
    public async Task<StoredRun?> GetAsync(string userId, string runId, CancellationToken cancellationToken)
    {
        // Looked up first: a run that ends in between is then shown as ended.
        var active = executor.Find(runId);
        var stored = await runs.GetAsync(userId, runId, cancellationToken);
        if (stored is not { Status: RunStatus.InProgress })
            return stored;
        return active is null ? stored.WithLastAttempt() : stored.With(active);
    }

    /// <summary>The run's events; null when the user has no such run.</summary>
    /// <exception cref="UnavailableException">The run waits to be settled by the next start.</exception>
    public Task<RunHandle?> FindAsync(string userId, string runId, CancellationToken cancellationToken) =>
        FindAsync(userId, runId, isReplay: false, cancellationToken);

    /// <summary>
    /// Stops the run, waits until its end is stored, and returns it; a run that has ended stays as it is. Null when the user has no such run.
    /// </summary>
    public async Task<StoredRun?> CancelAsync(string userId, string runId, CancellationToken cancellationToken)
    {
        var isStopped = await FindAcceptedAsync(runId) is { } active && active.Run.UserId == userId && await TryStopAsync(active, cancellationToken);
        if (!isStopped && mirrors.IsEnabled && await RequestCancelAsync(userId, runId, cancellationToken)
            && await FindAsync(userId, runId, isReplay: false, cancellationToken) is { } elsewhere)
        {
            await elsewhere.Completion.WaitAsync(cancellationToken);
        }

        return await runs.GetAsync(userId, runId, cancellationToken);
    }

    /// <summary>
    /// Cancels a run that is executed here, and waits until its end is stored. False where another process had taken it over while this one
    /// was held up: the reply goes on there.
    /// </summary>
    private static async Task<bool> TryStopAsync(ActiveRun run, CancellationToken cancellationToken)
    {
        run.Stop(RunStopReason.Cancelled);
        try
        {
            await run.Completion.WaitAsync(cancellationToken);
            return true;
        }
        catch (UnavailableException failure) when (failure.IsTakenOver)
        {
            return false;
        }
    }

    /// <summary>Asks the process that executes the run to cancel it; false when the user has no such unfinished run.</summary>
    private async Task<bool> RequestCancelAsync(string userId, string runId, CancellationToken cancellationToken)
    {
        var isUnfinished = await runs.RequestCancelAsync(userId, runId, time.GetUtcNow(), cancellationToken);
        if (isUnfinished)
            signals.Send(new NodeSignal(NodeSignalKind.CancelRequested, runId));
        return isUnfinished;
    }

    /// <summary>The run, while its end is not stored; null otherwise. One that is tried again counts when the database has accepted it.</summary>
    private async ValueTask<ActiveRun?> FindAcceptedAsync(string runId) =>
        executor.Find(runId) is { } active && await active.Admission ? active : null;

    private async Task<RunAdmission> AdmitAsync(ActiveRun run, Func<Task<RunAdmission>> store)
    {
        var accepted = default(RunAdmission.Accepted);
        try
        {
            var admission = await store();
            accepted = admission as RunAdmission.Accepted;
            return admission;
        }
        finally
        {
            if (accepted is null)
            {
                executor.Forget(run);
                run.Refuse();
            }
            else
            {
                run.Accept(accepted.Place, accepted.LeaseNumber);
            }
        }
    }

    private async Task<RunHandle?> EnterAsync(
        ActiveRun run, RunAdmission admission, OnBusy onBusy, IdempotencyKey? key, CancellationToken cancellationToken)
    {
        switch (admission)
        {
            case RunAdmission.Accepted { BusyWith: null } accepted:
                // Before it begins: it may end at once.
                var handle = new RunHandle(run, accepted);
                executor.Begin(run);
                return handle;
            case RunAdmission.Accepted accepted:
                executor.Queue(run);
                if (onBusy == OnBusy.Interrupt)
                    await InterruptAsync(run.Run.UserId, accepted.BusyWith);
                return new RunHandle(run, accepted);
            case RunAdmission.Busy busy:
                throw new ConflictException(ConflictException.ChatBusy, Describe(onBusy), busy.RunId, BusyRetryAfter);
            case RunAdmission.KeyTaken taken:
                return await ReplayAsync(key!, taken.Earlier, cancellationToken);
            case RunAdmission.Overtaken:
                throw new ConflictException(ConflictException.ChatBusy, ConflictException.OvertakenMessage, retryAfter: BusyRetryAfter);
            case RunAdmission.AlreadyAnswered answered:
                return await FindAsync(run.Run.UserId, answered.RunId, isReplay: false, cancellationToken);
            case RunAdmission.OverBudget over:
                throw new BudgetExceededException(over.Exceeded, over.Budgets);
            case RunAdmission.NotRetryable:
                throw NotRetryable(run.Run.Id);
            default:
                return null;
        }
    }

    /// <summary>Not cancellable: what waits behind the run is stored, also for a client that goes away now.</summary>
    private async Task InterruptAsync(string userId, string runId)
    {
        var active = await FindAcceptedAsync(runId);
        active?.Stop(RunStopReason.Cancelled);
        if (mirrors.IsEnabled && (active is null || await IsTakenOverAsync(active)))
            await RequestCancelAsync(userId, runId, CancellationToken.None);
    }

    /// <summary>Whether the run turns out to be another process's when its end is stored; nothing else that may happen to it is thrown.</summary>
    private static async Task<bool> IsTakenOverAsync(ActiveRun run)
    {
        await ((Task)run.Completion).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return run.Completion.Exception?.InnerException is UnavailableException { IsTakenOver: true };
    }

    /// <summary>The run an earlier request with this key has made. Null when its chat was deleted since.</summary>
    private Task<RunHandle?> ReplayAsync(IdempotencyKey key, KeyedRequest earlier, CancellationToken cancellationToken)
    {
        key.RequireSame(earlier);
        return FindAsync(key.UserId, earlier.ResourceId, isReplay: true, cancellationToken);
    }

    private async Task<RunHandle?> FindAsync(string userId, string runId, bool isReplay, CancellationToken cancellationToken)
    {
        for (var look = 1; ; look++)
        {
            if (await FindAcceptedAsync(runId) is { } active)
                return active.Run.UserId == userId ? new RunHandle(active, isReplay) : null;
            if (await runs.GetAsync(userId, runId, cancellationToken) is not { } stored)
                return null;
            // Otherwise it had ended, and was tried again before it was read: it is there now, or has ended once more.
            if (stored.CompletedAt is not null || look == MostLooks)
                return ToHandle(userId, stored, isReplay);
        }
    }

    private RunHandle ToHandle(string userId, StoredRun stored, bool isReplay)
    {
        if (stored.Provider is null)
        {
            // Its process has not said yet, or died before it could: as configured, this is who writes it.
            var candidate = (models.Find(stored.Alias) ?? models.Get(ModelsOptions.DefaultAlias)).Active;
            stored = stored with { Provider = candidate.Provider, Model = candidate.Model };
        }

        // As it was shown: with the attempt that began it, whoever ended it.
        var first = stored.Attempts.FirstOrDefault(a => a.StartedAt >= stored.StartedAt);
        var started = (stored with { Attempt = first?.Number ?? stored.Attempt }).ToStarted(first?.Provider ?? stored.Provider, first?.Model ?? stored.Model!);
        if (stored.CompletedAt is not { } completedAt)
            return mirrors.IsEnabled ? mirrors.Follow(userId, stored, started, isReplay) : throw UnavailableException.ForShutdown();

        var result = stored.ToResult(userId);
        var isCondensed = completedAt < time.GetUtcNow() - options.Value.Retention;
        var log = RunLog.Restore(started, time, stored.Reply, stored.Marks, result, isCondensed);
        return new RunHandle(stored.Id, log, result, isReplay);
    }

    private BudgetClaims? Claim(
        string userId, ModelAlias alias, string message, string? systemPrompt, int? maxTokens, bool hasHistory, bool isSearched, DateTimeOffset now)
    {
        if (budgets.GetWindows(userId, alias.Name, now) is not { Count: > 0 } windows)
            return null;
        var most = context.EstimateMost(
            alias, message, systemPrompt ?? alias.SystemPrompt, maxTokens, hasHistory, isSearched ? web.MostTokens : 0);
        return BudgetPolicy.ToClaims(windows, alias, most);
    }

    private string Describe(OnBusy onBusy) => onBusy == OnBusy.Reject
        ? ConflictException.ChatBusyMessage
        : $"{options.Value.QueueLimit} messages wait in this chat already, which is the most this server allows (Runs:QueueLimit). Send again later.";

    private static ConflictException NotRetryable(string runId) =>
        new(ConflictException.RunNotRetryable, ConflictException.RunNotRetryableMessage, runId);

    private RunAdmissionRule ToRule(OnBusy onBusy) => new(onBusy switch
    {
        OnBusy.Reject => 0,
        // The running one makes room.
        OnBusy.Interrupt => options.Value.QueueLimit + 1,
        _ => options.Value.QueueLimit,
    });

    private IdempotencyKey? ToKey(SendCommand command, DateTimeOffset now) => command.IdempotencyKey is null
        ? null
        : ToKey(command.UserId, command.IdempotencyKey, now, IdempotencyKey.GetFingerprint("send", ToFields(command)));

    private static string?[] ToFields(SendCommand command)
    {
        string?[] fields =
        [
            command.ChatId, command.Message, command.Model, command.Temperature?.ToString("R", CultureInfo.InvariantCulture),
            command.MaxTokens?.ToString(CultureInfo.InvariantCulture), command.OnBusy.ToString(),
        ];
        // What is newer counts only where it is given: the keys of earlier versions are still known.
        return [.. fields, .. command.WebSearch ? ["web_search"] : Array.Empty<string>(), .. command.Title is null ? Array.Empty<string>() : ["title", command.Title]];
    }

    private IdempotencyKey? ToKey(RetryCommand command, DateTimeOffset now) => command.IdempotencyKey is null ? null : ToKey(
        command.UserId, command.IdempotencyKey, now, IdempotencyKey.GetFingerprint("retry", command.RunId, command.OnBusy.ToString()));

    private IdempotencyKey ToKey(string userId, string value, DateTimeOffset now, string fingerprint) =>
        new(userId, value, fingerprint, now - options.Value.IdempotencyRetention);

    private static NewRun ToNewRun(SendCommand command, Chat chat, LastQuestion? question, string alias, DateTimeOffset now) => new()
    {
        Id = Guid.CreateVersion7(now).ToString(),
        ChatId = chat.Id,
        UserId = command.UserId,
        NewChat = command.ChatId is null ? chat : null,
        UserMessageId = question?.Id ?? Guid.CreateVersion7(now).ToString(),
        UserSequence = question?.Sequence,
        AssistantMessageId = Guid.CreateVersion7(now).ToString(),
        Message = command.Message,
        Alias = alias,
        Temperature = command.Temperature,
        MaxTokens = command.MaxTokens,
        WebSearch = command.WebSearch,
        CreatedAt = now,
    };

    private static RunStarted ToStarted(NewRun run, ModelCandidate candidate) => new(Sequence: 1)
    {
        RunId = run.Id,
        ChatId = run.ChatId,
        UserMessageId = run.UserMessageId,
        AssistantMessageId = run.AssistantMessageId,
        Provider = candidate.Provider,
        Model = candidate.Model,
        Attempt = 1,
    };
}
