using System.Threading.Channels;
using AiChat.Core.Errors;
using AiChat.Core.Memory;
using AiChat.Core.Models;
using AiChat.Core.Runs;
using AiChat.Core.Usage;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace AiChat.Core.Chats;

/// <summary>
/// Names chats that have no title after their first reply, beside the sends: none waits for it, and none fails with it. What waits when the
/// server ends gets no title.
/// </summary>
public sealed partial class TitleWriter(
    IChatRepository chats, IUsageRepository usage, ModelRegistry models, IOptions<TitleOptions> options, TimeProvider time,
    ILogger<TitleWriter> logger) : BackgroundService
{
    /// <summary>Titles that are written at once.</summary>
    private const int Writers = 4;

    private const int LongestQueue = 256;

    private static readonly TimeSpan StoreRetryDelay = TimeSpan.FromSeconds(1);

    /// <summary>The sequence of a chat's first reply.</summary>
    private const int FirstReply = 2;

    private const string Instruction =
        "Give the conversation a title of two to six words, in the language of the user. Answer with the title alone: no quotation marks, no full stop.";

    private const string UserLabel = "User: ";
    private const string AssistantLabel = "\n\nAssistant: ";

    private static readonly int FrameTokens =
        TokenEstimator.CountMessage(Instruction) + TokenEstimator.CountMessage(UserLabel + AssistantLabel);

    private readonly Channel<TitleRequest> queue = Channel.CreateBounded<TitleRequest>(LongestQueue);

    /// <summary>Takes notice of a run that has ended. Returns at once and never throws.</summary>
    /// <param name="message">What the run answered.</param>
    /// <param name="end">How it ended.</param>
    public void Offer(string message, RunResult end)
    {
        if (!options.Value.Enabled || end is not { Status: RunStatus.Completed, AssistantSequence: FirstReply })
            return;
        if (!queue.Writer.TryWrite(new TitleRequest(end.UserId, end.ChatId, message, end.Reply)))
            LogDropped(end.ChatId);
    }

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Task.WhenAll(Enumerable.Range(0, Writers).Select(_ => WriteAllAsync(stoppingToken)));

    private async Task WriteAllAsync(CancellationToken stoppingToken)
    {
        try
        {
            await foreach (var request in queue.Reader.ReadAllAsync(stoppingToken))
                await TryWriteAsync(request, stoppingToken);
        }
        catch (Exception) when (stoppingToken.IsCancellationRequested)
        {
            // The server ends.
        }
    }

    private async Task TryWriteAsync(TitleRequest request, CancellationToken stoppingToken)
    {
        try
        {
            // Before the model is asked: most chats that have a title had it from the start.
            if (await chats.GetAsync(request.UserId, request.ChatId, stoppingToken) is not { Title: null })
                return;
            var title = await AskAsync(request, stoppingToken);
            if (title.Length == 0)
                title = ChatTitle.FromMessage(request.Message);
            if (title.Length > 0)
                await chats.SetTitleAsync(request.UserId, request.ChatId, title, CancellationToken.None);
        }
        catch (Exception failure) when (!stoppingToken.IsCancellationRequested)
        {
            LogFailed(failure, request.ChatId);
        }
    }

    /// <summary>Empty where no model can be asked, or none says anything.</summary>
    private async Task<string> AskAsync(TitleRequest request, CancellationToken stoppingToken)
    {
        if (models.Find(options.Value.Model) is not { } alias || alias.Active.Provider == ModelRegistry.OfflineProvider)
            return "";

        var prompt = ToPrompt(request);
        var attempts = new AttemptLog(first: 1);
        using var timeout = new CancellationTokenSource(options.Value.Timeout, time);
        using var stopped = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, stoppingToken);
        try
        {
            var answer = await alias.Client.GetResponseAsync(prompt, ToChatOptions(prompt, attempts), stopped.Token);
            return ChatTitle.FromAnswer(answer.Text);
        }
        catch (ProviderException failure)
        {
            LogNoAnswer(request.ChatId, failure.Provider, failure.Error, failure.Message);
            return "";
        }
        catch (OperationCanceledException) when (!stoppingToken.IsCancellationRequested)
        {
            LogTimeout(request.ChatId, options.Value.Timeout);
            return "";
        }
        finally
        {
            await StoreAsync(request, alias.Name, attempts, stoppingToken);
        }
    }

    private ChatMessage[] ToPrompt(TitleRequest request)
    {
        var budget = Math.Max(0, options.Value.MaxInputTokens - FrameTokens);
        // Half for each, and what one of them leaves over for the other.
        var message = TokenEstimator.Cut(request.Message, budget - Math.Min(TokenEstimator.Count(request.Reply), budget / 2));
        var reply = TokenEstimator.Cut(request.Reply, budget - TokenEstimator.Count(message));
        return [new ChatMessage(ChatRole.System, Instruction), new ChatMessage(ChatRole.User, UserLabel + message + AssistantLabel + reply)];
    }

    private RoutedChatOptions ToChatOptions(ChatMessage[] prompt, AttemptLog attempts) => new()
    {
        Attempts = attempts,
        PromptTokens = prompt.Sum(TokenEstimator.CountMessage),
        MaxOutputTokens = options.Value.MaxOutputTokens,
    };

    private async Task StoreAsync(TitleRequest request, string alias, AttemptLog attempts, CancellationToken stoppingToken)
    {
        var id = Guid.CreateVersion7(time.GetUtcNow()).ToString();
        foreach (var attempt in attempts.All)
        {
            var entry = new LedgerEntry
            {
                RunId = id,
                Purpose = AttemptPurpose.Title,
                ChatId = request.ChatId,
                UserId = request.UserId,
                Alias = alias,
                Attempt = attempt,
            };
            await StoreAsync(entry, stoppingToken);
        }
    }

    /// <summary>However long the database needs: it was paid for.</summary>
    private async Task StoreAsync(LedgerEntry entry, CancellationToken stoppingToken)
    {
        while (true)
        {
            try
            {
                await usage.AddAsync(entry, CancellationToken.None);
                return;
            }
            catch (UnavailableException) when (!stoppingToken.IsCancellationRequested)
            {
                await Task.Delay(StoreRetryDelay, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Chat {ChatId} gets no title: too many others wait for theirs")]
    private partial void LogDropped(string chatId);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Chat {ChatId} gets no title")]
    private partial void LogFailed(Exception failure, string chatId);

    [LoggerMessage(Level = LogLevel.Information,
        Message = "The title of chat {ChatId} is the beginning of its message: {Provider} gave none: {ProviderError}, {Reason}")]
    private partial void LogNoAnswer(string chatId, string provider, ProviderError providerError, string reason);

    [LoggerMessage(Level = LogLevel.Information,
        Message = "The title of chat {ChatId} is the beginning of its message: the model took longer than Titles:Timeout, {Timeout}")]
    private partial void LogTimeout(string chatId, TimeSpan timeout);

    /// <summary>A chat that has its first reply.</summary>
    private sealed record TitleRequest(string UserId, string ChatId, string Message, string Reply);
}
