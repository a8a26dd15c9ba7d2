using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using AiChat.Api.Errors;
using AiChat.Api.Json;
using AiChat.Api.Runs;
using AiChat.Core.Chats;
using Microsoft.AspNetCore.Mvc;

namespace AiChat.Api.Dialects.ChatHistory;

/// <summary>Whose conversation is wanted.</summary>
public sealed record HistoryUserQuery
{
    /// <summary>The owner of the conversation.</summary>
    [FromQuery(Name = "user_id"), Required, StringLength(TextRules.LongestUserId, MinimumLength = 1), DisplayFormat(ConvertEmptyStringToNull = false)]
    public string? UserId { get; init; }
}

/// <summary>Whose conversation it must be.</summary>
public sealed record HistoryOwnerQuery
{
    /// <summary>The owner of the conversation, whose id suffices when this is left out.</summary>
    [FromQuery(Name = "user_id"), StringLength(TextRules.LongestUserId, MinimumLength = 1), DisplayFormat(ConvertEmptyStringToNull = false)]
    public string? UserId { get; init; }
}

/// <summary>A message to keep. What the body does not give is taken from the query.</summary>
public sealed record HistoryMessageRequest : IPlacedFields
{
    /// <summary>Who speaks.</summary>
    [AllowedValues("user", "assistant", "tool")]
    public string? Role { get; init; }

    /// <summary>The text. It may be empty, or left out, where an assistant or a tool has <c>tool_calls</c>.</summary>
    [MaxLength(SendLimits.LongestMessage)]
    public string? Content { get; init; }

    /// <summary>The tools an assistant calls, or which call a tool answers: any JSON, or a text that holds JSON; null when there are none.</summary>
    public JsonElement? ToolCalls { get; init; }

    /// <summary>The fields that stand in the query, or should have: there was no body.</summary>
    internal IReadOnlyList<string> QueryFields { get; init; } = [];

    FieldPlace IPlacedFields.GetPlace(string field) => QueryFields.Contains(field) ? FieldPlace.Query : FieldPlace.Body;

    /// <summary>Without what was said: the framework logs the arguments of an action at Trace.</summary>
    public override string ToString() => nameof(HistoryMessageRequest);
}

/// <summary>A conversation.</summary>
public sealed record HistoryConversationResponse
{
    /// <summary>The conversation's id, a UUID.</summary>
    public required string ConversationId { get; init; }

    /// <summary>The same as <c>conversation_id</c>.</summary>
    public required string Id { get; init; }

    /// <summary>The owner.</summary>
    public required string UserId { get; init; }

    /// <summary>When the conversation was made.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When a message came or something was changed last.</summary>
    public required DateTimeOffset UpdatedAt { get; init; }
}

/// <summary>The conversations of a user.</summary>
public sealed record HistoryConversationListResponse
{
    /// <summary>The owner.</summary>
    public required string UserId { get; init; }

    /// <summary>Newest <c>updated_at</c> first.</summary>
    public required IReadOnlyList<HistoryConversationResponse> Conversations { get; init; }
}

/// <summary>The same as <see cref="HistoryConversationListResponse"/>, read while it is written.</summary>
internal sealed record HistoryConversationStream
{
    public required string UserId { get; init; }

    public required IAsyncEnumerable<HistoryConversationResponse> Conversations { get; init; }
}

/// <summary>A message of a conversation.</summary>
public sealed record HistoryMessageResponse
{
    /// <summary>The message's id, a UUID.</summary>
    public required string MessageId { get; init; }

    /// <summary>The same as <c>message_id</c>.</summary>
    public required string Id { get; init; }

    /// <summary>The conversation it belongs to.</summary>
    public required string ConversationId { get; init; }

    /// <summary>Who speaks.</summary>
    public required MessageRole Role { get; init; }

    /// <summary>The text; of a reply that is being written, as much as there is.</summary>
    public required string Content { get; init; }

    /// <summary>The tools an assistant calls, or which call a tool answers, as they were stored; null when there are none.</summary>
    public RawJson? ToolCalls { get; init; }

    /// <summary>When the message was stored.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When it changed last.</summary>
    public required DateTimeOffset UpdatedAt { get; init; }
}

/// <summary>The messages of a conversation.</summary>
public sealed record HistoryMessageListResponse
{
    /// <summary>The conversation's id, a UUID.</summary>
    public required string ConversationId { get; init; }

    /// <summary>The oldest first.</summary>
    public required IReadOnlyList<HistoryMessageResponse> Messages { get; init; }
}

/// <summary>The same as <see cref="HistoryMessageListResponse"/>, read while it is written.</summary>
internal sealed record HistoryMessageStream
{
    public required string ConversationId { get; init; }

    public required IAsyncEnumerable<HistoryMessageResponse> Messages { get; init; }
}
