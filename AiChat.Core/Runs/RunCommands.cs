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

    public OnBusy OnBusy { get; init; }

    /// <summary>The client's name for this request; null when it gives none.</summary>
    public string? IdempotencyKey { get; init; }
}

/// <summary>A run to try again.</summary>
public sealed record RetryCommand
{
    public required string UserId { get; init; }

    public required string RunId { get; init; }

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
