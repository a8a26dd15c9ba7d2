using System.ComponentModel.DataAnnotations;
using AiChat.Api.Runs;
using AiChat.Core.Chats;

namespace AiChat.Api.Dialects.ChatAi;

/// <summary>A message to the model.</summary>
public sealed record ChatAiCompletionRequest
{
    /// <summary>What the user says.</summary>
    [Required, StringLength(SendLimits.LongestMessage, MinimumLength = 1)]
    public string? Message { get; init; }

    /// <summary>
    /// Whether the reply comes while it is written, as <c>true</c> or <c>"true"</c>: as plain text, or as server-sent events where the header
    /// <c>Accept: text/event-stream</c> asks for them. Left out, that header alone decides.
    /// </summary>
    public bool? Stream { get; init; }
}

/// <summary>A conversation.</summary>
public sealed record ChatAiConversationResponse
{
    /// <summary>The conversation's id, a UUID.</summary>
    public required string Id { get; init; }

    /// <summary>What was said, the oldest first.</summary>
    public required IReadOnlyList<ChatAiMessageResponse> Messages { get; init; }

    /// <summary>When the conversation was made.</summary>
    public required DateTimeOffset CreatedAt { get; init; }
}

/// <summary>A message of a conversation.</summary>
public sealed record ChatAiMessageResponse
{
    /// <summary>The message's id, a UUID.</summary>
    public required string Id { get; init; }

    /// <summary>Who speaks.</summary>
    public required MessageRole Author { get; init; }

    /// <summary>What is said; of a reply that is being written, as much as there is.</summary>
    public required string Content { get; init; }

    /// <summary>When it was said; for a reply, when it was whole.</summary>
    public required DateTimeOffset CreatedAt { get; init; }
}

/// <summary>A <see cref="ChatAiConversationResponse"/> whose messages are read while it is written.</summary>
internal sealed record ChatAiConversationStream
{
    public required string Id { get; init; }

    public required IAsyncEnumerable<ChatAiMessageResponse> Messages { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }
}
