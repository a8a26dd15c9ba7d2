using AiChat.Core.Chats;
using AiChat.Core.Errors;
using AiChat.Core.Models;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Options;

namespace AiChat.Core.Memory;

/// <summary>
/// Chooses what a model is sent: the system prompt, the newest earlier messages that fit a token budget, and last the message to answer.
/// Messages go in whole or not at all, and the work depends on what goes in, never on how long the chat is.
/// </summary>
public sealed class ContextBuilder(IMessageRepository messages, IOptions<MemoryOptions> options)
{
    /// <summary>
    /// Stands where a reply is missing because its run failed: some models refuse two user messages in a row, and one failed call must
    /// not end a chat.
    /// </summary>
    public const string MissingReply = "(No reply was produced.)";

    private static readonly int MissingReplyTokens = TokenEstimator.CountMessage(MissingReply);

    /// <summary>
    /// Tokens a prompt may have: the window of the first candidate that takes the message, or else of the one that takes most, less what
    /// is kept free for the answer.
    /// </summary>
    /// <param name="alias">The models that may answer.</param>
    /// <param name="message">The message to answer.</param>
    /// <param name="systemPrompt">The system prompt; null when there is none.</param>
    /// <param name="maxTokens">The longest answer asked for; null for the configured reserve.</param>
    public int GetBudget(ModelAlias alias, string message, string? systemPrompt, int? maxTokens)
    {
        var reserve = maxTokens ?? alias.MaxOutputTokens ?? options.Value.ReservedForAnswer;
        var needed = CountFixed(message, systemPrompt) + reserve;
        var largest = 0;
        foreach (var candidate in alias.Candidates)
        {
            if (!candidate.IsUsable)
                continue;
            if (candidate.ContextWindow >= needed)
                return candidate.ContextWindow - reserve;
            largest = Math.Max(largest, candidate.ContextWindow);
        }

        return largest - reserve;
    }

    /// <summary>Refuses a message that could not be sent even without any history.</summary>
    /// <exception cref="InvalidRequestException"><c>message_too_long</c>.</exception>
    /// <inheritdoc cref="GetBudget"/>
    public void RequireFit(ModelAlias alias, string message, string? systemPrompt, int? maxTokens)
    {
        var budgetTokens = GetBudget(alias, message, systemPrompt, maxTokens);
        var tokens = CountFixed(message, systemPrompt);
        if (tokens > budgetTokens)
        {
            throw new InvalidRequestException("message_too_long", "message",
                $"The message and the system prompt need about {tokens} tokens, but the model takes {Math.Max(0, budgetTokens)} beside the answer. "
                + "Shorten them, lower max_tokens, or ask for a model with a larger window.");
        }
    }

    /// <summary>The most an answer may use, estimated: the prompt with all the history there may be, and the longest reply.</summary>
    /// <param name="alias">The models that may answer.</param>
    /// <param name="message">The message to answer.</param>
    /// <param name="systemPrompt">The system prompt; null when there is none.</param>
    /// <param name="maxTokens">The longest answer asked for; null for the configured reserve.</param>
    /// <param name="hasHistory">Whether the chat has earlier messages.</param>
    public TokenUsage EstimateMost(ModelAlias alias, string message, string? systemPrompt, int? maxTokens, bool hasHistory)
    {
        var fixedTokens = CountFixed(message, systemPrompt);
        var historyTokens = hasHistory ? Math.Min(options.Value.HistoryTokens, GetBudget(alias, message, systemPrompt, maxTokens) - fixedTokens) : 0;
        return new TokenUsage(
            fixedTokens + Math.Max(0, historyTokens), maxTokens ?? alias.MaxOutputTokens ?? options.Value.ReservedForAnswer, IsEstimated: true);
    }

    public async Task<Prompt> BuildAsync(PromptRequest request, CancellationToken cancellationToken)
    {
        var systemTokens = request.SystemPrompt is null ? 0 : TokenEstimator.CountMessage(request.SystemPrompt);
        var fixedTokens = CountFixed(request.Message, request.SystemPrompt);
        var left = Math.Min(options.Value.HistoryTokens, request.BudgetTokens - fixedTokens);

        var history = await ReadNewestAsync(request, left, cancellationToken);
        var prompt = new List<ChatMessage>((2 * history.Count) + 2);
        if (request.SystemPrompt is not null)
            prompt.Add(new ChatMessage(ChatRole.System, request.SystemPrompt));
        var historyTokens = AddHistory(prompt, history);
        prompt.Add(new ChatMessage(ChatRole.User, request.Message));

        var firstSequence = history.Count == 0 ? request.Sequence : history[^1].Sequence;
        return new Prompt(prompt, new Receipt
        {
            BudgetTokens = request.BudgetTokens,
            PromptTokens = fixedTokens + historyTokens,
            SystemTokens = systemTokens,
            HistoryMessages = history.Count,
            FirstSequence = firstSequence,
            LastSequence = request.Sequence,
            DroppedMessages = firstSequence - 1,
        });
    }

    private static int CountFixed(string message, string? systemPrompt) =>
        TokenEstimator.CountMessage(message) + (systemPrompt is null ? 0 : TokenEstimator.CountMessage(systemPrompt));

    /// <summary>The newest earlier messages that fit, newest first, ending with a user message.</summary>
    private async Task<List<HistoryMessage>> ReadNewestAsync(PromptRequest request, int budget, CancellationToken cancellationToken)
    {
        var history = new List<HistoryMessage>();
        if (budget <= 0 || request.Sequence <= 1)
            return history;

        var newerRole = MessageRole.User;
        await foreach (var message in messages.ReadBackwardsAsync(request.UserId, request.ChatId, request.Sequence, cancellationToken))
        {
            // Broken off behind a line break: it says nothing, and some models refuse it.
            if (message.Role != MessageRole.User && string.IsNullOrWhiteSpace(message.Content))
                continue;
            var isReplyMissing = message.Role == MessageRole.User && newerRole == MessageRole.User;
            budget -= TokenEstimator.CountMessage(message.Content) + (isReplyMissing ? MissingReplyTokens : 0);
            if (budget < 0)
                break;
            history.Add(message);
            newerRole = message.Role;
        }

        // A prompt starts with a user message: a reply whose question did not fit stays out with it.
        while (history.Count > 0 && history[^1].Role != MessageRole.User)
            history.RemoveAt(history.Count - 1);
        return history;
    }

    /// <summary>Appends the history oldest first and returns its tokens.</summary>
    private static int AddHistory(List<ChatMessage> prompt, List<HistoryMessage> history)
    {
        var tokens = 0;
        for (var i = history.Count - 1; i >= 0; i--)
        {
            var message = history[i];
            var isUser = message.Role == MessageRole.User;
            prompt.Add(new ChatMessage(isUser ? ChatRole.User : ChatRole.Assistant, message.Content));
            tokens += TokenEstimator.CountMessage(message.Content);

            var newerRole = i == 0 ? MessageRole.User : history[i - 1].Role;
            if (!isUser || newerRole != MessageRole.User)
                continue;
            prompt.Add(new ChatMessage(ChatRole.Assistant, MissingReply));
            tokens += MissingReplyTokens;
        }

        return tokens;
    }
}
