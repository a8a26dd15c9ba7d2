using AiChat.Core.Chats;
using AiChat.Core.Errors;
using AiChat.Core.Models;
using AiChat.Core.WebSearch;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Options;

namespace AiChat.Core.Memory;

/// <summary>
/// Chooses what a model is sent: the system prompt, the newest earlier messages that fit a token budget, and last the message to answer with
/// what the web says about it and what tools have already found out. Messages go in whole or not at all, but for results of tools that fill
/// the window alone, which are cut. The work depends on what goes in, never on how long the chat is.
/// </summary>
public sealed class ContextBuilder(IMessageRepository messages, IOptions<MemoryOptions> options)
{
    /// <summary>
    /// Stands where a reply is missing because its run failed: some models refuse two user messages in a row, and one failed call must
    /// not end a chat.
    /// </summary>
    public const string MissingReply = "(No reply was produced.)";

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
    /// <param name="hasHistory">Whether the chat has other messages that may go in.</param>
    /// <param name="sourceTokens">Most tokens sources may add, with all that is written around them.</param>
    public TokenUsage EstimateMost(
        ModelAlias alias, string message, string? systemPrompt, int? maxTokens, bool hasHistory, int sourceTokens = 0)
    {
        var fixedTokens = CountFixed(message, systemPrompt);
        var left = Math.Max(0, GetBudget(alias, message, systemPrompt, maxTokens) - fixedTokens);
        var addedTokens = Math.Min(left, sourceTokens + (hasHistory ? options.Value.HistoryTokens : 0));
        return new TokenUsage(
            fixedTokens + addedTokens, maxTokens ?? alias.MaxOutputTokens ?? options.Value.ReservedForAnswer, IsEstimated: true);
    }

    /// <summary>How many tokens of excerpts may be asked for: half of what is left beside the message, and no more than the most.</summary>
    /// <param name="alias">The models that may answer.</param>
    /// <param name="message">The message to answer.</param>
    /// <param name="systemPrompt">The system prompt; null when there is none.</param>
    /// <param name="maxTokens">The longest answer asked for; null for the configured reserve.</param>
    /// <param name="most">Never more than this.</param>
    public int GetSourceBudget(ModelAlias alias, string message, string? systemPrompt, int? maxTokens, int most)
    {
        var left = GetBudget(alias, message, systemPrompt, maxTokens) - CountFixed(message, systemPrompt);
        return Math.Clamp(left / 2, 0, Math.Max(0, most));
    }

    public async Task<Prompt> BuildAsync(PromptRequest request, CancellationToken cancellationToken)
    {
        var fixedTokens = CountFixed(request.Message, request.SystemPrompt);
        var sources = SourcePrompt.Create(request.Message, request.Sources, request.IsSearched, request.BudgetTokens - fixedTokens);
        var history = await ReadAsync(request, request.BudgetTokens - fixedTokens - sources.Tokens, cancellationToken);

        var prompt = new List<ChatMessage>();
        if (request.SystemPrompt is not null)
            prompt.Add(new ChatMessage(ChatRole.System, request.SystemPrompt));
        if (sources.Instructions is not null)
            prompt.Add(new ChatMessage(ChatRole.System, sources.Instructions));
        prompt.AddRange(history.Earlier);
        prompt.Add(new ChatMessage(ChatRole.User, sources.Question));
        prompt.AddRange(history.Later);

        return new Prompt(prompt, new Receipt
        {
            BudgetTokens = request.BudgetTokens,
            PromptTokens = fixedTokens + sources.Tokens + history.Tokens,
            SystemTokens = request.SystemPrompt is null ? 0 : TokenEstimator.CountMessage(request.SystemPrompt),
            SourceTokens = sources.Tokens,
            HistoryMessages = history.StoredMessages,
            FirstSequence = history.FirstSequence,
            LastSequence = request.Sequence,
            DroppedMessages = history.FirstSequence - 1 + history.DroppedLater,
        })
        {
            Sources = sources.Sources,
        };
    }

    private static int CountFixed(string message, string? systemPrompt) =>
        TokenEstimator.CountMessage(message) + (systemPrompt is null ? 0 : TokenEstimator.CountMessage(systemPrompt));

    private async Task<PromptHistory> ReadAsync(PromptRequest request, int budget, CancellationToken cancellationToken)
    {
        var history = new PromptHistory(request.Sequence, budget, options.Value.HistoryTokens);
        var hasLater = request.ReplySequence > request.Sequence + 1;
        var hasEarlier = request.Sequence > 1 && options.Value.HistoryTokens > 0;
        if (budget <= 0 || !(hasEarlier || hasLater))
            return history;

        var before = hasLater ? request.ReplySequence : request.Sequence;
        await foreach (var message in messages.ReadBackwardsAsync(request.UserId, request.ChatId, before, cancellationToken))
        {
            if (!history.Add(message))
                break;
        }

        history.Complete();
        return history;
    }
}
