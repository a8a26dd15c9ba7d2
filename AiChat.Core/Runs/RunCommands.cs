namespace AiChat.Core.Runs;

/// <summary>A message for a chat.</summary>
public sealed record SendCommand
{
    public required string UserId { get; init; }

    /// <summary>The chat; null makes a new one.</summary>
    public string? ChatId { get; init; }

    public required string Message { get; init; }

    /// <summary>The asked alias; null for the chat's, else the default.</summary>
    public string? Model { get; init; }

    /// <summary>Sampling temperature, 0 to 2; null for the model's own.</summary>
    public double? Temperature { get; init; }

    /// <summary>The longest answer, in tokens; null for the model's own limit.</summary>
    public int? MaxTokens { get; init; }

    /// <summary>Whether the web is searched for the reply.</summary>
    public bool WebSearch { get; init; }

    /// <summary>What to call the chat where the message makes one.</summary>
    public string? Title { get; init; }

    public OnBusy OnBusy { get; init; }

    /// <summary>The client's name for this request; null when it gives none.</summary>
    public string? IdempotencyKey { get; init; }
}

/// <summary>A chat whose last message is to be answered.</summary>
public sealed record AnswerCommand
{
    public required string UserId { get; init; }

    public required string ChatId { get; init; }

    /// <inheritdoc cref="SendCommand.WebSearch"/>
    public bool WebSearch { get; init; }

    /// <summary>Whether the client has seen some of the answer: it then wants the rest, and no other answer.</summary>
    public bool IsReconnect { get; init; }
}

/// <summary>A run to try again.</summary>
public sealed record RetryCommand
{
    public required string UserId { get; init; }

    public required string RunId { get; init; }

    /// <summary>Whether the web is searched for the new reply; null for as it was.</summary>
    public bool? WebSearch { get; init; }

    public OnBusy OnBusy { get; init; }

    /// <inheritdoc cref="SendCommand.IdempotencyKey"/>
    public string? IdempotencyKey { get; init; }
}

/// <summary>What to do with a message to a chat whose last one is still being answered.</summary>
public enum OnBusy
{
    /// <summary>It waits for its turn.</summary>
    Queue,
    /// <summary>It is refused, and not stored.</summary>
    Reject,
    /// <summary>The running reply is cancelled first.</summary>
    Interrupt,
}
