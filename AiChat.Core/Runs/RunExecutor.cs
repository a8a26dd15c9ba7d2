using System.Collections.Concurrent;
using AiChat.Core.Errors;
using AiChat.Core.Memory;
using AiChat.Core.Models;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace AiChat.Core.Runs;

/// <summary>
/// Generates replies. A run belongs to the server: it goes on when the request that brought it is gone, and the shutdown waits for it.
/// </summary>
public sealed partial class RunExecutor(
    IRunRepository runs, ContextBuilder context, IOptions<RunOptions> options, IHostApplicationLifetime lifetime, TimeProvider time,
    ILogger<RunExecutor> logger) : IHostedService, IDisposable
{
    private static readonly TimeSpan DrainPollDelay = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan StoreRetryDelay = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<string, ActiveRun> active = new();
    private readonly CancellationTokenSource shutdown = new(Timeout.InfiniteTimeSpan, time);

    /// <summary>From the first moment of a shutdown on: no new run is taken.</summary>
    public bool IsStopping => lifetime.ApplicationStopping.IsCancellationRequested;

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        var settled = await runs.SettleUnfinishedAsync(time.GetUtcNow(), cancellationToken);
        if (settled > 0)
            LogSettled(settled);
        // The clock starts with the signal, not with StopAsync: the web server stops first and waits for requests that wait for runs.
        lifetime.ApplicationStopping.Register(() => shutdown.CancelAfter(options.Value.ShutdownTimeout));
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        while (!active.IsEmpty && !cancellationToken.IsCancellationRequested)
        {
            // The end of a run is shown a moment before it leaves the table, and the next one of its chat may begin then.
            Task ends = Task.WhenAll(active.Values.Select(r => r.Completion));
            await ends.WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await Task.Delay(DrainPollDelay, time, CancellationToken.None);
        }
    }

    /// <summary>Makes a run known before it is stored, so that the run in front of it in its chat can begin it.</summary>
    public void Register(ActiveRun run) => active[run.Run.Id] = run;

    /// <summary>Takes back <see cref="Register"/> for a run that was not accepted.</summary>
    public void Forget(ActiveRun run)
    {
        active.TryRemove(run.Run.Id, out _);
        run.Dispose();
    }

    /// <summary>Starts generating the reply of a registered and accepted run whose turn it is. Returns at once.</summary>
    public void Begin(ActiveRun run, int userSequence)
    {
        if (!run.TryBegin())
            return;
        run.UserSequence = userSequence;
        _ = ExecuteAsync(run);
    }

    /// <summary>
    /// Keeps a registered and accepted run until the one in front of it ends. When the chat is deleted before, no turn ever comes: the run
    /// is begun then, finds itself abandoned, and tells the one who waits.
    /// </summary>
    public void Queue(ActiveRun run, int userSequence) => run.Abandoned.UnsafeRegister(_ => Begin(run, userSequence), null);

    /// <summary>Stops the runs of a chat that is no more.</summary>
    public void AbandonChat(string chatId)
    {
        foreach (var run in active.Values)
        {
            if (run.Run.ChatId == chatId)
                run.Abandon();
        }
    }

    public void Dispose() => shutdown.Dispose();

    /// <summary>The top of a run: whatever happens in it, its end is stored, the chat goes on, and whoever waits is told.</summary>
    private async Task ExecuteAsync(ActiveRun run)
    {
        try
        {
            var (result, finished) = await StoreAsync(run, await GenerateAsync(run));
            Forget(run);
            if (finished.Next is { } next)
                ThreadPool.UnsafeQueueUserWorkItem(BeginNext, next, preferLocal: false);
            // Last: whoever waits goes on here, on this thread.
            run.Complete(finished.IsChatThere ? result : Ended(run, null, RunStatus.Cancelled, RunError.ForDeletedChat()));
        }
        catch (Exception failure)
        {
            LogNotStored(failure, run.Run.Id);
            Forget(run);
            EndQueue(run.Run.ChatId);
            run.Fail(failure is UnavailableException ? UnavailableException.ForUnstoredReply(failure) : failure);
        }
    }

    /// <summary>Tells those who wait behind a run whose end is not stored: their turn comes no more, and the next start settles them too.</summary>
    private void EndQueue(string chatId)
    {
        var error = shutdown.IsCancellationRequested ? RunError.ForShutdown() : RunError.ForDefect();
        foreach (var waiting in active.Values.Where(r => r.Run.ChatId == chatId && r.TryBegin()))
        {
            Forget(waiting);
            waiting.Complete(Ended(waiting, null, RunStatus.Incomplete, error));
        }
    }

    /// <summary>On a thread of its own: a long queue would nest, one run inside the end of the other.</summary>
    private void BeginNext(NextRun next)
    {
        // Not there any more when its chat was deleted this moment.
        if (active.TryGetValue(next.Id, out var run))
            Begin(run, next.UserSequence);
    }

    private async Task<RunResult> GenerateAsync(ActiveRun run)
    {
        var prompt = default(Prompt);
        try
        {
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(shutdown.Token, run.Abandoned);
            stop.Token.ThrowIfCancellationRequested();
            prompt = await context.BuildAsync(ToPromptRequest(run), stop.Token);
            var response = await run.Candidate.Client.GetResponseAsync(prompt.Messages, ToChatOptions(run.Run), stop.Token);
            if (response.Text.Length == 0)
                throw new ProviderException(run.Candidate.Provider, ProviderError.InvalidResponse, "The reply has no text.");
            run.Candidate.Report(null);
            return Completed(run, prompt, response);
        }
        catch (ProviderException failure)
        {
            run.Candidate.Report(failure.Error == ProviderError.Rejected ? null : failure.Error);
            LogProviderFailed(run.Run.Id, failure.Provider, run.Candidate.Model, failure.Error, failure.Message);
            return Ended(run, prompt, RunStatus.Failed, RunError.From(failure));
        }
        catch (OperationCanceledException) when (run.Abandoned.IsCancellationRequested)
        {
            return Ended(run, prompt, RunStatus.Cancelled, RunError.ForDeletedChat());
        }
        catch (OperationCanceledException) when (shutdown.IsCancellationRequested)
        {
            LogInterrupted(run.Run.Id);
            return Ended(run, prompt, RunStatus.Incomplete, RunError.ForShutdown());
        }
        catch (UnavailableException failure)
        {
            return Ended(run, prompt, RunStatus.Failed, new RunError(failure.Code, failure.Message, failure.RetryAfter));
        }
        catch (Exception failure)
        {
            LogDefect(failure, run.Run.Id);
            return Ended(run, prompt, RunStatus.Failed, RunError.ForDefect());
        }
    }

    /// <summary>
    /// Stores the end, however long the database needs; during a shutdown it is tried once. An end that cannot be stored because of a
    /// defect is stored as a failure instead, so that the chat goes on. Returns what was stored.
    /// </summary>
    private async Task<(RunResult Result, FinishedRun Finished)> StoreAsync(ActiveRun run, RunResult result)
    {
        while (true)
        {
            try
            {
                return (result, await runs.FinishAsync(result, CancellationToken.None));
            }
            catch (UnavailableException failure) when (!shutdown.IsCancellationRequested)
            {
                // The one who waits is told now; the reply is kept and stored as soon as the database takes it.
                LogStoreRetry(failure, run.Run.Id);
                run.Fail(UnavailableException.ForUnstoredReply(failure));
                await Task.Delay(StoreRetryDelay, time, shutdown.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            catch (Exception failure) when (failure is not UnavailableException && result.Error?.Code != RunError.Internal)
            {
                LogDefect(failure, run.Run.Id);
                result = Ended(run, null, RunStatus.Failed, RunError.ForDefect());
            }
        }
    }

    private PromptRequest ToPromptRequest(ActiveRun run) => new()
    {
        UserId = run.Run.UserId,
        ChatId = run.Run.ChatId,
        Message = run.Run.Message,
        Sequence = run.UserSequence,
        SystemPrompt = run.SystemPrompt,
        BudgetTokens = context.GetBudget(run.Candidate, run.Run.MaxTokens),
    };

    private static ChatOptions ToChatOptions(NewRun run) => new()
    {
        Temperature = (float?)run.Temperature,
        MaxOutputTokens = run.MaxTokens,
    };

    private RunResult Completed(ActiveRun run, Prompt prompt, ChatResponse response) => Ended(run, prompt, RunStatus.Completed, null) with
    {
        Reply = response.Text,
        Usage = ToUsage(response, prompt),
        FinishReason = response.FinishReason?.Value ?? ChatFinishReason.Stop.Value,
    };

    private static RunUsage ToUsage(ChatResponse response, Prompt prompt) =>
        response.Usage is { InputTokenCount: { } input, OutputTokenCount: { } output }
            ? new RunUsage((int)input, (int)output)
            : new RunUsage(prompt.Receipt.PromptTokens, TokenEstimator.Count(response.Text), IsEstimated: true);

    private RunResult Ended(ActiveRun run, Prompt? prompt, RunStatus status, RunError? error) => new()
    {
        RunId = run.Run.Id,
        ChatId = run.Run.ChatId,
        UserMessageId = run.Run.UserMessageId,
        AssistantMessageId = run.Run.AssistantMessageId,
        AssistantSequence = run.UserSequence + 1,
        Status = status,
        Provider = run.Candidate.Provider,
        Model = run.Candidate.Model,
        Receipt = prompt?.Receipt,
        Error = error,
        CompletedAt = time.GetUtcNow(),
    };

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Count} replies were unfinished when the last process ended; they are marked incomplete")]
    private partial void LogSettled(int count);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Run {RunId} failed: {Provider}, {Model}: {ProviderError}, {Reason}")]
    private partial void LogProviderFailed(string runId, string provider, string model, ProviderError providerError, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Run {RunId} was stopped by the shutdown")]
    private partial void LogInterrupted(string runId);

    [LoggerMessage(Level = LogLevel.Error, Message = "Run {RunId} failed because of a defect")]
    private partial void LogDefect(Exception failure, string runId);

    [LoggerMessage(Level = LogLevel.Error, Message = "The end of run {RunId} cannot be stored; trying again")]
    private partial void LogStoreRetry(Exception failure, string runId);

    [LoggerMessage(Level = LogLevel.Critical, Message = "The end of run {RunId} was not stored; the next start settles it")]
    private partial void LogNotStored(Exception failure, string runId);
}
