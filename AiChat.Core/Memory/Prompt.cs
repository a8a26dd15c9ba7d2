using AiChat.Core.WebSearch;
using Microsoft.Extensions.AI;

namespace AiChat.Core.Memory;

/// <summary>What is sent to the model for one run, and the account of it.</summary>
public sealed record Prompt(IReadOnlyList<ChatMessage> Messages, Receipt Receipt)
{
    /// <summary>The sources that went in: the first of the given ones, all of them where they fit.</summary>
    public IReadOnlyList<Source> Sources { get; init; } = [];
}

/// <summary>What went into a prompt and what was left out. All tokens are estimates (<see cref="TokenEstimator"/>).</summary>
public sealed record Receipt
{
    /// <summary>Most tokens the prompt was allowed.</summary>
    public required int BudgetTokens { get; init; }

    /// <summary>Tokens of the whole prompt.</summary>
    public required int PromptTokens { get; init; }

    /// <summary>Tokens of the system prompt among them.</summary>
    public required int SystemTokens { get; init; }

    /// <summary>Tokens of what the web said among them, the instructions about it included; 0 when it was not searched.</summary>
    public int SourceTokens { get; init; }

    /// <summary>Stored messages that went in beside the one that is answered.</summary>
    public required int HistoryMessages { get; init; }

    /// <summary>Sequence of the oldest message that went in, the newest user message included.</summary>
    public required int FirstSequence { get; init; }

    /// <summary>Sequence of the message that is answered.</summary>
    public required int LastSequence { get; init; }

    /// <summary>
    /// Messages older than <see cref="FirstSequence"/>, which stayed out: the budget was full, or they stand before the first user message.
    /// And messages behind the one that is answered for which the budget had no room.
    /// </summary>
    public required int DroppedMessages { get; init; }
}

/// <summary>What a prompt is made from.</summary>
public sealed record PromptRequest
{
    public required string UserId { get; init; }
    public required string ChatId { get; init; }

    /// <summary>The message to answer.</summary>
    public required string Message { get; init; }

    /// <summary>Its sequence in the chat.</summary>
    public required int Sequence { get; init; }

    /// <summary>
    /// The sequence the reply has. What is stored between the message and the reply, such as a tool's result, goes in behind the message;
    /// another message of the user there does not.
    /// </summary>
    public required int ReplySequence { get; init; }

    public string? SystemPrompt { get; init; }

    /// <summary>What was found on the web for the message, the best first.</summary>
    public IReadOnlyList<Source> Sources { get; init; } = [];

    /// <summary>Whether the web was searched, so that the model is told when nothing was found.</summary>
    public bool IsSearched { get; init; }

    /// <summary>Most tokens the prompt may have (<see cref="ContextBuilder.GetBudget"/>).</summary>
    public required int BudgetTokens { get; init; }
}
