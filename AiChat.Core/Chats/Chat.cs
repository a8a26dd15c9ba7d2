namespace AiChat.Core.Chats;

/// <summary>One continuous conversation of one user.</summary>
public sealed record Chat
{
    /// <summary>UUIDv7 (RFC 9562), lower case with hyphens.</summary>
    public required string Id { get; init; }

    /// <summary>The owner. Nobody else sees the chat.</summary>
    public required string UserId { get; init; }

    public string? Title { get; init; }

    /// <summary>The alias that answers when a message names none; null for the server's default.</summary>
    public string? Model { get; init; }

    /// <summary>Text that goes in front of every prompt of this chat.</summary>
    public string? SystemPrompt { get; init; }

    /// <summary>The client's own data: a JSON object as text; null when none was given.</summary>
    public string? Metadata { get; init; }

    /// <summary>Messages stored, which is also the sequence of the newest one.</summary>
    public int MessageCount { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    public required DateTimeOffset UpdatedAt { get; init; }
}

/// <summary>What a client says of a new chat.</summary>
public sealed record NewChat
{
    public required string UserId { get; init; }
    public string? Title { get; init; }
    public string? Model { get; init; }
    public string? SystemPrompt { get; init; }
    public string? Metadata { get; init; }

    /// <summary>What is stored in the chat from the beginning, and not answered; null when the chat begins empty.</summary>
    public FirstMessage? FirstMessage { get; init; }

    /// <summary>The client's name for this request; null when it gives none.</summary>
    public string? IdempotencyKey { get; init; }
}

/// <summary>The message a chat is made with.</summary>
public sealed record FirstMessage(MessageRole Role, string Content);

/// <summary>A chat that was asked for.</summary>
/// <param name="Chat">The chat as it was made.</param>
/// <param name="IsReplay">Whether an earlier request with the same key has made it.</param>
public readonly record struct CreatedChat(Chat Chat, bool IsReplay);

/// <summary>A chat with all its messages, oldest first, which are read while they are asked for.</summary>
public sealed record ChatWithMessages(Chat Chat, IAsyncEnumerable<Message> Messages);

/// <summary>What a client changes in a chat: a field that is not given stays, one given as null is emptied.</summary>
public sealed record ChatChanges
{
    public Optional<string?> Title { get; init; }
    public Optional<string?> Model { get; init; }
    public Optional<string?> SystemPrompt { get; init; }
    public Optional<string?> Metadata { get; init; }

    /// <summary>What to note as the time of the change; null for now. Alone it is no change.</summary>
    public DateTimeOffset? UpdatedAt { get; init; }

    public bool IsEmpty => !(Title.IsGiven || Model.IsGiven || SystemPrompt.IsGiven || Metadata.IsGiven);
}

/// <summary>A position in a user's list of chats, which runs from the newest <see cref="Chat.UpdatedAt"/> to the oldest.</summary>
public readonly record struct ChatCursor(DateTimeOffset UpdatedAt, string Id);

/// <summary>One page of a user's chats.</summary>
public sealed record ChatPage
{
    public required IReadOnlyList<Chat> Chats { get; init; }

    /// <summary>Where the next page begins; null on the last one.</summary>
    public ChatCursor? Next { get; init; }

    /// <summary>All chats of the user.</summary>
    public required int Total { get; init; }
}
