using AiChat.Core.Idempotency;
using AiChat.Core.WebSearch;

namespace AiChat.Core.Chats;

/// <summary>Who speaks.</summary>
public enum MessageRole
{
    /// <summary>Instructions to the model.</summary>
    System,
    /// <summary>The person.</summary>
    User,
    /// <summary>The model.</summary>
    Assistant,
    /// <summary>The result of a tool call.</summary>
    Tool,
}

/// <summary>How far a message is.</summary>
public enum MessageStatus
{
    /// <summary>A reply that is being waited for or written; its content grows.</summary>
    InProgress,
    /// <summary>Whole.</summary>
    Completed,
    /// <summary>No reply came; the content is empty.</summary>
    Failed,
    /// <summary>Stopped on request; the content is what had come.</summary>
    Cancelled,
    /// <summary>Broken off before the reply was whole; the content is what had come.</summary>
    Incomplete,
}

/// <summary>One message of a chat.</summary>
public sealed record Message
{
    /// <summary>UUIDv7 (RFC 9562).</summary>
    public required string Id { get; init; }

    public required string ChatId { get; init; }

    /// <summary>1, 2, 3… inside the chat, without gaps.</summary>
    public required int Sequence { get; init; }

    public required MessageRole Role { get; init; }

    public required string Content { get; init; }

    /// <summary>Calls of tools, or on a tool's message the call it answers, as JSON text in any shape; null when there are none.</summary>
    public string? ToolCalls { get; init; }

    public required MessageStatus Status { get; init; }

    /// <summary>The model that wrote it, as its provider names it; null for messages no model wrote.</summary>
    public string? Model { get; init; }

    /// <summary>The run that writes or wrote it; null for messages no run writes.</summary>
    public string? RunId { get; init; }

    /// <summary>The pages of the web it is based on; empty when the web was not searched, or nothing was found.</summary>
    public IReadOnlyList<Source> Sources { get; init; } = [];

    public required DateTimeOffset CreatedAt { get; init; }

    public required DateTimeOffset UpdatedAt { get; init; }
}

/// <summary>A message that a client stores without asking for a reply.</summary>
public sealed record NewMessage
{
    public required string UserId { get; init; }

    public required string ChatId { get; init; }

    public required MessageRole Role { get; init; }

    public required string Content { get; init; }

    /// <inheritdoc cref="Message.ToolCalls"/>
    public string? ToolCalls { get; init; }

    /// <summary>The client's name for this request; null when it gives none.</summary>
    public string? IdempotencyKey { get; init; }
}

/// <summary>A message that was to be stored.</summary>
/// <param name="Message">The message as it is stored.</param>
/// <param name="IsReplay">Whether an earlier request with the same key has stored it.</param>
public readonly record struct AddedMessage(Message Message, bool IsReplay);

/// <summary>What the database said of a message that was to be stored.</summary>
public abstract record MessageAdmission
{
    /// <summary>It is stored.</summary>
    public sealed record Accepted(Message Message) : MessageAdmission;

    /// <summary>The user has no such chat; nothing is stored.</summary>
    public sealed record NoSuchChat : MessageAdmission;

    /// <summary>The key belongs to an earlier request; nothing is stored.</summary>
    public sealed record KeyTaken(KeyedRequest Earlier) : MessageAdmission;
}

/// <summary>As much of an earlier message as a prompt needs.</summary>
public sealed record HistoryMessage
{
    public required int Sequence { get; init; }
    public required MessageRole Role { get; init; }
    public required string Content { get; init; }

    /// <inheritdoc cref="Message.ToolCalls"/>
    public string? ToolCalls { get; init; }
}

/// <summary>A part of a chat's messages: those between two sequences, both exclusive.</summary>
public readonly record struct MessageRange
{
    /// <summary>Only messages with a smaller sequence; null for no upper end.</summary>
    public int? Before { get; init; }

    /// <summary>Only messages with a greater sequence; null for no lower end.</summary>
    public int? After { get; init; }
}

/// <summary>One page of a chat's messages, oldest first.</summary>
public sealed record MessagePage
{
    public required IReadOnlyList<Message> Messages { get; init; }

    /// <summary>Whether older messages lead up to the first of this page; for a page that starts at a sequence, those before that start.</summary>
    public bool HasOlder { get; init; }

    /// <summary>Whether the chat has messages newer than the last of this page within the asked range.</summary>
    public bool HasNewer { get; init; }
}
