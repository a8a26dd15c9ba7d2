using Microsoft.Extensions.AI;

namespace AiChat.Core.Memory;

/// <summary>What is sent to the model for one run, and the account of it.</summary>
public sealed record Prompt(IReadOnlyList<ChatMessage> Messages, Receipt Receipt);

/// <summary>What went into a prompt and what was left out. All tokens are estimates (<see cref="TokenEstimator"/>).</summary>
public sealed record Receipt
{
    /// <summary>Most tokens the prompt was allowed.</summary>
    public required int BudgetTokens { get; init; }

    /// <summary>Tokens of the whole prompt.</summary>
    public required int PromptTokens { get; init; }

    /// <summary>Tokens of the system prompt among them.</summary>
    public required int SystemTokens { get; init; }

    /// <summary>Earlier messages that went in.</summary>
    public required int HistoryMessages { get; init; }

    /// <summary>Sequence of the oldest message that went in, the newest user message included.</summary>
    public required int FirstSequence { get; init; }

    /// <summary>Sequence of the message that is answered.</summary>
    public required int LastSequence { get; init; }

    /// <summary>Messages older than <see cref="FirstSequence"/> that stayed out because the budget was full; 0 when all went in.</summary>
    public required int DroppedMessages { get; init; }
}

/// <summary>What a prompt is made from.</summary>
public sealed record PromptRequest
{
    public required string UserId { get; init; }
    public required string ChatId { get; init; }

    /// <summary>The message to answer.</summary>
    public required string Message { get; init; }

    /// <summary>Its sequence in the chat; only messages before it go in.</summary>
    public required int Sequence { get; init; }

    public string? SystemPrompt { get; init; }

    /// <summary>Most tokens the prompt may have (<see cref="ContextBuilder.GetBudget"/>).</summary>
    public required int BudgetTokens { get; init; }
}
