using System.Threading.Channels;
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
    IChatRepository chats, SideCalls calls, IOptions<TitleOptions> options, ILogger<TitleWriter> logger) : BackgroundService
{
    /// <summary>Titles that are written at once.</summary>
    private const int Writers = 4;

    private const int LongestQueue = 256;

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
        var call = new SideCall
        {
            Purpose = AttemptPurpose.Title,
            UserId = request.UserId,
            ChatId = request.ChatId,
            Alias = options.Value.Model,
            Prompt = ToPrompt(request),
            MaxOutputTokens = options.Value.MaxOutputTokens,
            Timeout = options.Value.Timeout,
        };
        return ChatTitle.FromAnswer(await calls.AskAsync(call, stoppingToken));
    }

    private ChatMessage[] ToPrompt(TitleRequest request)
    {
        var budget = Math.Max(0, options.Value.MaxInputTokens - FrameTokens);
        // Half for each, and what one of them leaves over for the other.
        var message = TokenEstimator.Cut(request.Message, budget - Math.Min(TokenEstimator.Count(request.Reply), budget / 2));
        var reply = TokenEstimator.Cut(request.Reply, budget - TokenEstimator.Count(message));
        return [new ChatMessage(ChatRole.System, Instruction), new ChatMessage(ChatRole.User, UserLabel + message + AssistantLabel + reply)];
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Chat {ChatId} gets no title: too many others wait for theirs")]
    private partial void LogDropped(string chatId);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Chat {ChatId} gets no title")]
    private partial void LogFailed(Exception failure, string chatId);

    /// <summary>A chat that has its first reply.</summary>
    private sealed record TitleRequest(string UserId, string ChatId, string Message, string Reply);
}
