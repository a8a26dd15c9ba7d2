using System.Collections.ObjectModel;
using System.ComponentModel.DataAnnotations;
using AiChat.Api.Chats;
using AiChat.Api.Runs;
using AiChat.Core.Chats;

namespace AiChat.Api.Dialects.CreateChat;

/// <summary>A new chat with its first message.</summary>
public sealed record StartChatRequest
{
    /// <summary>What to call the chat; left out or empty, it is named after its first reply.</summary>
    [MaxLength(ChatLimits.LongestTitle)]
    public string? ChatTitle { get; init; }

    /// <summary>What is said first.</summary>
    [Required]
    public TextMessageRequest? FirstMessage { get; init; }
}

/// <summary>A message for a chat.</summary>
public sealed record TextMessageRequest
{
    /// <summary>Who speaks; what <c>user</c> says is answered, everything else only stored.</summary>
    [Required, AllowedValues("system", "user", "assistant", "tool")]
    public string? Role { get; init; }

    /// <summary>What is said.</summary>
    [Required, StringLength(SendLimits.LongestMessage, MinimumLength = 1)]
    public string? Text { get; init; }
}

/// <summary>A message of a chat.</summary>
public sealed record TextMessageResponse
{
    /// <summary>Who speaks.</summary>
    public required MessageRole Role { get; init; }

    /// <summary>What is said.</summary>
    public required string Text { get; init; }
}

/// <summary>The id of a new chat and the first reply in it, one after the other: the document returns them as a tuple, which JSON does not have.</summary>
public sealed class StartedChatResponse(string chatId, TextMessageResponse message) : ReadOnlyCollection<object>([chatId, message]);

/// <summary>What was done.</summary>
public sealed record DeletedChatResponse
{
    /// <summary>A sentence for people.</summary>
    public required string Detail { get; init; }
}
