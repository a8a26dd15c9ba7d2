using System.Text;
using AiChat.Core.Errors;
using AiChat.Core.Memory;
using AiChat.Core.Models;
using AiChat.Core.WebSearch;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace AiChat.Core.Runs;

/// <summary>Asks the model, and the web where the run wants it, and writes what comes of it into the run's log.</summary>
public sealed partial class RunGenerator(
    ContextBuilder context, SearchQueryWriter queries, WebSearchService web, IOptions<RunOptions> options, TimeProvider time,
    ILogger<RunGenerator> logger)
{
    /// <summary>UTF-16 code units that may come in one go before the followers are woken.</summary>
    private const int LongestSilence = 16 * 1024;

    /// <summary>UTF-16 code units of a provider's own word for why it stopped.</summary>
    private const int LongestFinishReason = 64;

    /// <summary>How long a run waits for a database that cannot be read: another server has taken its place by then, usually.</summary>
    private static readonly TimeSpan ReadPatience = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan ReadRetryDelay = TimeSpan.FromMilliseconds(500);

    /// <summary>The end of the run, whatever it is; nothing is thrown. The log gets no text any more.</summary>
    public async Task<RunResult> GenerateAsync(ActiveRun run)
    {
        var reply = new Reply();
        try
        {
            run.Stopped.ThrowIfCancellationRequested();
            run.StopAfter(options.Value.MaxDuration);
            await GenerateAsync(run, reply);
            return End(run, RunStatus.Completed, null, reply);
        }
        catch (ProviderException failure)
        {
            LogProviderFailed(run.Run.Id, failure.Provider, run.Model, failure.Error, failure.Message);
            return EndBroken(run, RunError.From(failure), reply);
        }
        catch (OperationCanceledException) when (run.Stopped.IsCancellationRequested)
        {
            return EndStopped(run, reply);
        }
        catch (UnavailableException failure) when (failure.Code == UnavailableException.DatabaseUnavailable)
        {
            // Not in its own words, which are for a request of which nothing is stored.
            return EndBroken(run, RunError.ForDatabase(), reply);
        }
        catch (UnavailableException failure)
        {
            return EndBroken(run, new RunError(failure.Code, failure.Message, failure.RetryAfter), reply);
        }
        catch (WebSearchException failure)
        {
            return EndBroken(run, new RunError(failure.Code, failure.Message), reply);
        }
        catch (Exception failure)
        {
            LogDefect(failure, run.Run.Id);
            return EndBroken(run, RunError.ForDefect(), reply);
        }
    }

    /// <summary>The end of a run that gets no reply.</summary>
    public RunResult End(ActiveRun run, RunStatus status, RunError? error) => End(run, status, error, new Reply());

    private async Task GenerateAsync(ActiveRun run, Reply reply)
    {
        // What an earlier process got of the reply before it died.
        var prefix = run.Log.GetText();
        var sources = run.Run.WebSearch ? await FindSourcesAsync(run) : [];
        var request = ToPromptRequest(run, prefix, sources);
        reply.Prompt = await ReadPatientlyAsync(run, ct => context.BuildAsync(request, ct));
        Show(run, reply.Prompt.Sources);
        // Blank text says nothing, and some models refuse it.
        var messages = string.IsNullOrWhiteSpace(prefix)
            ? reply.Prompt.Messages
            : [.. reply.Prompt.Messages, new ChatMessage(ChatRole.Assistant, prefix)];
        reply.BytesLeft = ((long)options.Value.MaxReplyTokens * TokenEstimator.BytesPerToken) - Encoding.UTF8.GetByteCount(prefix);

        var updates = run.Alias.Client.GetStreamingResponseAsync(messages, ToChatOptions(run, reply.Prompt, prefix), run.Stopped)
            .GetAsyncEnumerator(run.Stopped);
        await using (updates.ConfigureAwait(false))
        {
            while (true)
            {
                var next = updates.MoveNextAsync();
                // What has come is shown before more is waited for; what comes in one piece is shown in one.
                if (reply.Unpublished > 0 && (!next.IsCompleted || reply.Unpublished > LongestSilence))
                {
                    reply.Unpublished = 0;
                    run.Log.Publish();
                }

                if (!await next)
                    break;
                if (!Take(run, reply, updates.Current))
                    break;
            }
        }
    }

    /// <summary>
    /// What was accepted is answered, also when the database goes away in this moment. It may be read several times: nothing is asked of a
    /// model in there.
    /// </summary>
    private async Task<T> ReadPatientlyAsync<T>(ActiveRun run, Func<CancellationToken, Task<T>> read)
    {
        var begin = time.GetTimestamp();
        while (true)
        {
            try
            {
                return await read(run.Stopped);
            }
            catch (UnavailableException) when (time.GetElapsedTime(begin) < ReadPatience)
            {
                await Task.Delay(ReadRetryDelay, time, run.Stopped);
            }
        }
    }

    /// <summary>
    /// What the web says. What an earlier process found, or did not find, before it died is not looked for again: the text it wrote rests on it.
    /// </summary>
    private async Task<IReadOnlyList<Source>> FindSourcesAsync(ActiveRun run)
    {
        var known = run.Log.GetSources();
        if (known.Count > 0 || run.Log.Length > 0)
            return known;

        var budget = context.GetSourceBudget(run.Alias, run.Run.Message, run.SystemPrompt, run.Run.MaxTokens, most: int.MaxValue);
        // Before a model is paid for wording the query.
        WebSearchService.RequireRoom(budget);
        var question = new SearchQuestion
        {
            UserId = run.Run.UserId,
            ChatId = run.Run.ChatId,
            Message = run.Run.Message,
            Sequence = run.Place.UserSequence,
        };
        var earlier = await ReadPatientlyAsync(run, ct => queries.ReadAsync(question, ct));
        var query = await queries.WriteAsync(question, earlier, run.Stopped);
        return await web.FindAsync(query, budget, run.Stopped);
    }

    /// <summary>Tells the followers what the reply will be based on, before the model is asked.</summary>
    private static void Show(ActiveRun run, IReadOnlyList<Source> sources)
    {
        if (sources.Count == 0 || run.Log.GetSources().Count > 0)
            return;
        foreach (var source in sources)
            run.Log.Add(source);
        run.Log.Publish();
    }

    /// <summary>False when the reply is as long as it may be.</summary>
    private bool Take(ActiveRun run, Reply reply, ChatResponseUpdate update)
    {
        reply.FinishReason = update.FinishReason ?? reply.FinishReason;
        foreach (var content in update.Contents)
        {
            if (content is SeamContent seam)
                run.Log.Continue(seam.Attempt);
            else if (content is TextContent { Text: { Length: > 0 } text } && !Append(run, reply, text))
                return false;
        }

        return true;
    }

    private bool Append(ActiveRun run, Reply reply, string text)
    {
        run.FirstTokenAt ??= time.GetUtcNow();
        var bytes = Encoding.UTF8.GetByteCount(text);
        var isTooLong = bytes > reply.BytesLeft;
        if (isTooLong)
        {
            text = Cut(text, reply.BytesLeft);
            reply.FinishReason = ChatFinishReason.Length;
            LogCut(run.Run.Id, options.Value.MaxReplyTokens);
        }

        reply.BytesLeft -= bytes;
        reply.Unpublished += text.Length;
        run.Log.Append(text);
        return !isTooLong;
    }

    /// <summary>As many whole characters as fit into so many bytes of UTF-8.</summary>
    private static string Cut(string text, long bytes)
    {
        var length = 0;
        foreach (var rune in text.EnumerateRunes())
        {
            bytes -= rune.Utf8SequenceLength;
            if (bytes < 0)
                break;
            length += rune.Utf16SequenceLength;
        }

        return text[..length];
    }

    private PromptRequest ToPromptRequest(ActiveRun run, string prefix, IReadOnlyList<Source> sources) => new()
    {
        UserId = run.Run.UserId,
        ChatId = run.Run.ChatId,
        Message = run.Run.Message,
        Sequence = run.Place.UserSequence,
        ReplySequence = run.Place.AssistantSequence,
        SystemPrompt = run.SystemPrompt,
        Sources = sources,
        IsSearched = run.Run.WebSearch,
        BudgetTokens = context.GetBudget(run.Alias, run.Run.Message, run.SystemPrompt, run.Run.MaxTokens) - CountPrefix(prefix),
    };

    private RoutedChatOptions ToChatOptions(ActiveRun run, Prompt prompt, string prefix) => new()
    {
        Temperature = (float?)(run.Run.Temperature ?? run.Alias.Temperature),
        MaxOutputTokens = (run.Run.MaxTokens ?? run.Alias.MaxOutputTokens) is { } asked
            ? Math.Clamp(asked - TokenEstimator.Count(prefix), 1, options.Value.MaxReplyTokens)
            : null,
        Attempts = run.Attempts,
        PromptTokens = prompt.Receipt.PromptTokens + CountPrefix(prefix),
        ContinueOnBreak = options.Value.ContinueOnBreak,
    };

    private static int CountPrefix(string prefix) => prefix.Length == 0 ? 0 : TokenEstimator.CountMessage(prefix);

    private RunResult EndStopped(ActiveRun run, Reply reply)
    {
        switch (run.StopReason)
        {
            case RunStopReason.Cancelled:
                return End(run, RunStatus.Cancelled, RunError.ForCancel(), reply);
            case RunStopReason.ChatDeleted:
                return End(run, RunStatus.Cancelled, RunError.ForDeletedChat(), reply);
            case RunStopReason.Shutdown:
                LogInterrupted(run.Run.Id);
                return End(run, RunStatus.Incomplete, RunError.ForShutdown(), reply);
            case RunStopReason.GivenUp or RunStopReason.Lost:
                return End(run, RunStatus.Incomplete, RunError.ForShutdown(), reply);
            default:
                LogTimeout(run.Run.Id, options.Value.MaxDuration);
                return EndBroken(run, RunError.ForTimeout(), reply);
        }
    }

    /// <summary>What was shown is kept: a run that has text is incomplete, not failed.</summary>
    private RunResult EndBroken(ActiveRun run, RunError error, Reply reply)
    {
        // Before its length counts: half a character becomes text with that.
        run.Log.Close();
        return End(run, run.Log.Length == 0 ? RunStatus.Failed : RunStatus.Incomplete, error, reply);
    }

    private RunResult End(ActiveRun run, RunStatus status, RunError? error, Reply reply)
    {
        var lastSequence = run.Log.Close();
        return new RunResult
        {
            RunId = run.Run.Id,
            ChatId = run.Run.ChatId,
            UserId = run.Run.UserId,
            Alias = run.Run.Alias,
            UserMessageId = run.Run.UserMessageId,
            AssistantMessageId = run.Run.AssistantMessageId,
            AssistantSequence = run.Place.AssistantSequence,
            Status = status,
            Reply = run.Log.GetText(),
            Provider = run.Provider,
            Model = run.Model,
            Usage = run.Attempts.Usage,
            Cost = run.Attempts.Cost,
            Attempt = run.Attempts.Last?.Number ?? run.Log.Attempt,
            Attempts = run.Attempts.GetUnstored(),
            Sources = run.Log.GetSources(),
            Marks = run.Log.GetUnflushedMarks(),
            FinishReason = status == RunStatus.Completed ? SingleLine.From(reply.FinishReason?.Value ?? ChatFinishReason.Stop.Value, LongestFinishReason) : null,
            Error = error,
            Receipt = reply.Prompt?.Receipt,
            FirstTokenAt = run.FirstTokenAt,
            CompletedAt = time.GetUtcNow(),
            LastSequence = lastSequence,
            LeaseNumber = run.LeaseNumber,
            HasFlushed = run.Log.HasFlushed,
        };
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Run {RunId} failed: {Provider}, {Model}: {ProviderError}, {Reason}")]
    private partial void LogProviderFailed(string runId, string provider, string model, ProviderError providerError, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Run {RunId} was stopped by the shutdown")]
    private partial void LogInterrupted(string runId);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Run {RunId} was stopped: it took longer than Runs:MaxDuration, {MaxDuration}")]
    private partial void LogTimeout(string runId, TimeSpan maxDuration);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The reply of run {RunId} was cut: it is longer than Runs:MaxReplyTokens, {MaxReplyTokens}")]
    private partial void LogCut(string runId, int maxReplyTokens);

    [LoggerMessage(Level = LogLevel.Error, Message = "Run {RunId} failed because of a defect")]
    private partial void LogDefect(Exception failure, string runId);

    /// <summary>What is known of a reply beside its text.</summary>
    private sealed class Reply
    {
        public Prompt? Prompt { get; set; }

        public ChatFinishReason? FinishReason { get; set; }

        /// <summary>Bytes of UTF-8 it may still grow by.</summary>
        public long BytesLeft { get; set; }

        /// <summary>UTF-16 code units the followers were not woken for yet.</summary>
        public int Unpublished { get; set; }
    }
}
