using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;
using AiChat.Api.Chats;
using AiChat.Api.Runs;
using AiChat.Core.Runs;

namespace AiChat.Api.Dialects.ChatApi;

/// <summary>A new chat.</summary>
public sealed record ChatApiCreateRequest
{
    /// <summary>What to call the chat.</summary>
    [Required(AllowEmptyStrings = true), MaxLength(ChatLimits.LongestTitle)]
    public string? Name { get; init; }
}

/// <summary>What to change of a chat.</summary>
public sealed record ChatApiUpdateRequest
{
    /// <summary>What to call the chat.</summary>
    [Required(AllowEmptyStrings = true), MaxLength(ChatLimits.LongestTitle)]
    public string? Name { get; init; }

    /// <summary>
    /// What to note as the time of the change: an instant in ISO 8601, of UTC where it names no offset; left out for now.
    /// </summary>
    public string? UpdatedAt { get; init; }
}

/// <summary>A chat.</summary>
public sealed record ChatApiChatResponse
{
    /// <summary>The chat's id, a UUID.</summary>
    public required string Id { get; init; }

    /// <summary>What the chat is called; empty when nobody named it.</summary>
    public required string Name { get; init; }

    /// <summary>When the chat was made.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When a message came or something was changed last.</summary>
    public required DateTimeOffset UpdatedAt { get; init; }
}

/// <summary>A message to store.</summary>
public sealed record ChatApiConversationRequest
{
    /// <summary>The chat it belongs to, a UUID.</summary>
    [Required(AllowEmptyStrings = true)]
    public string? ChatId { get; init; }

    /// <summary>Who speaks: <c>Human</c> or <c>Assistant</c>, in upper or lower case.</summary>
    [Required]
    public string? Role { get; init; }

    /// <summary>What is said.</summary>
    [Required, StringLength(SendLimits.LongestMessage, MinimumLength = 1)]
    public string? Message { get; init; }
}

/// <summary>A stored message.</summary>
public sealed record ChatApiConversationResponse
{
    /// <summary>The message's id, a UUID.</summary>
    public required string Id { get; init; }

    /// <summary>The chat it belongs to.</summary>
    public required string ChatId { get; init; }

    /// <summary>Who speaks: <c>Human</c> or <c>Assistant</c>.</summary>
    public required string Role { get; init; }

    /// <summary>What is said.</summary>
    public required string Message { get; init; }

    /// <summary>When it was stored.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When it changed last.</summary>
    public required DateTimeOffset UpdatedAt { get; init; }
}

/// <summary>Data of <c>end</c>, the last event of a reply.</summary>
public sealed record ChatApiEndEvent
{
    /// <summary>The stored reply.</summary>
    public required string Id { get; init; }

    /// <summary>How it ended: <c>completed</c>, <c>cancelled</c>, <c>incomplete</c> or <c>failed</c>.</summary>
    public required RunStatus Status { get; init; }

    /// <summary>Why the reply is not whole, for programs; absent when it is.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Code { get; init; }

    /// <summary>The same for people; absent when the reply is whole.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Detail { get; init; }
}
