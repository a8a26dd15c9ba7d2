using System.Buffers.Text;
using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using AiChat.Api.Errors;
using AiChat.Api.Json;
using AiChat.Core;
using AiChat.Core.Chats;
using AiChat.Core.WebSearch;
using Microsoft.AspNetCore.Mvc;

namespace AiChat.Api.Chats;

/// <summary>A new chat.</summary>
public sealed record CreateChatRequest
{
    /// <summary>The owner; <c>default</c> when left out.</summary>
    [StringLength(TextRules.LongestUserId, MinimumLength = 1), DefaultValue(UserIdAttribute.Default)]
    public string? UserId { get; init; }

    /// <summary>What to call the chat.</summary>
    [MaxLength(ChatLimits.LongestTitle)]
    public string? Title { get; init; }

    /// <summary>The alias that answers when a message names none.</summary>
    public string? Model { get; init; }

    /// <summary>Instructions that go in front of every prompt of this chat.</summary>
    [MaxLength(ChatLimits.LongestSystemPrompt)]
    public string? SystemPrompt { get; init; }

    /// <summary>The client's own data, a JSON object.</summary>
    public JsonElement? Metadata { get; init; }
}

/// <summary>Changes of a chat: what is left out stays, what is null is emptied.</summary>
public sealed record UpdateChatRequest
{
    /// <summary>What to call the chat.</summary>
    [MaxLength(ChatLimits.LongestTitle)]
    public Optional<string?> Title { get; init; }

    /// <summary>The alias that answers when a message names none; null for the server's default.</summary>
    public Optional<string?> Model { get; init; }

    /// <summary>Instructions that go in front of every prompt of this chat.</summary>
    [MaxLength(ChatLimits.LongestSystemPrompt)]
    public Optional<string?> SystemPrompt { get; init; }

    /// <summary>The client's own data, a JSON object; it replaces the old one.</summary>
    public Optional<JsonElement?> Metadata { get; init; }
}

/// <summary>Which part of a list of chats.</summary>
public sealed record ListChatsQuery
{
    /// <summary>Most chats in the answer, 1 to 100.</summary>
    [FromQuery(Name = "limit"), Range(1, ChatLimits.MostChats), DefaultValue(ChatLimits.UsualChats)]
    public int Limit { get; init; } = ChatLimits.UsualChats;

    /// <summary>The <c>next_cursor</c> of the page before; left out for the first page.</summary>
    [FromQuery(Name = "cursor"), MaxLength(ChatLimits.LongestCursor)]
    public string? Cursor { get; init; }
}

/// <summary>Which part of a chat's messages.</summary>
public sealed record ListMessagesQuery
{
    /// <summary>Most messages in the answer, 1 to 1000; left out for all of them.</summary>
    [FromQuery(Name = "limit"), Range(1, ChatLimits.MostMessages)]
    public int? Limit { get; init; }

    /// <summary>Only messages with a smaller sequence.</summary>
    [FromQuery(Name = "before"), Range(1, int.MaxValue)]
    public int? Before { get; init; }

    /// <summary>Only messages with a greater sequence; a page then starts with the oldest of them.</summary>
    [FromQuery(Name = "after"), Range(0, int.MaxValue)]
    public int? After { get; init; }
}

/// <summary>A chat.</summary>
public sealed record ChatResponse
{
    /// <summary>The chat's id, a UUID.</summary>
    public required string Id { get; init; }

    /// <summary>The owner.</summary>
    public required string UserId { get; init; }

    /// <summary>What the chat is called; null when nobody named it.</summary>
    public string? Title { get; init; }

    /// <summary>The same as <c>title</c>, under the name other chat APIs use.</summary>
    public string? Name { get; init; }

    /// <summary>The alias that answers when a message names none; null for the server's default.</summary>
    public string? Model { get; init; }

    /// <summary>Instructions that go in front of every prompt of this chat.</summary>
    public string? SystemPrompt { get; init; }

    /// <summary>The client's own data.</summary>
    public required RawJson Metadata { get; init; }

    /// <summary>Messages in the chat.</summary>
    public required int MessageCount { get; init; }

    /// <summary>When the chat was made.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When a message came or something was changed last.</summary>
    public required DateTimeOffset UpdatedAt { get; init; }
}

/// <summary>One page of a user's chats.</summary>
public sealed record ChatListResponse
{
    /// <summary>Newest <c>updated_at</c> first.</summary>
    public required IReadOnlyList<ChatResponse> Chats { get; init; }

    /// <summary>Give it as <c>cursor</c> for the next page; null on the last one.</summary>
    public string? NextCursor { get; init; }

    /// <summary>All chats of the user.</summary>
    public required int Total { get; init; }
}

/// <summary>A message.</summary>
public sealed record MessageResponse
{
    /// <summary>The message's id, a UUID.</summary>
    public required string Id { get; init; }

    /// <summary>The chat it belongs to.</summary>
    public required string ChatId { get; init; }

    /// <summary>1, 2, 3… inside the chat.</summary>
    public required int Sequence { get; init; }

    /// <summary>Who speaks.</summary>
    public required MessageRole Role { get; init; }

    /// <summary>The text; of a reply that is being written, as much as there is.</summary>
    public required string Content { get; init; }

    /// <summary>The model's calls of tools; null when there are none.</summary>
    public RawJson? ToolCalls { get; init; }

    /// <summary>How far the message is.</summary>
    public required MessageStatus Status { get; init; }

    /// <summary>The model that wrote it, as its provider names it; null for messages no model wrote.</summary>
    public string? Model { get; init; }

    /// <summary>The run that writes or wrote it, to follow, cancel or try again; null for messages no run writes.</summary>
    public string? RunId { get; init; }

    /// <summary>The pages of the web it is based on, which it refers to as <c>[1]</c>; absent when there are none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<SourceResponse>? Sources { get; init; }

    /// <summary>When the message was accepted.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When it changed last; for a reply, when it ended.</summary>
    public required DateTimeOffset UpdatedAt { get; init; }
}

/// <summary>A page of the web a reply is based on.</summary>
public sealed record SourceResponse
{
    /// <summary>1, 2, 3… inside the reply.</summary>
    public required int Number { get; init; }

    /// <summary>Its address.</summary>
    public required string Url { get; init; }

    /// <summary>Its title, or its host where it has none.</summary>
    public required string Title { get; init; }

    /// <summary>The passages of it that the model was given.</summary>
    public required string Excerpt { get; init; }
}

internal static class ChatMapper
{
    public static NewChat ToCommand(this CreateChatRequest request, string? idempotencyKey) => new()
    {
        UserId = request.UserId ?? UserIdAttribute.Default,
        Title = request.Title,
        Model = request.Model,
        SystemPrompt = request.SystemPrompt,
        Metadata = ToText(request.Metadata),
        IdempotencyKey = idempotencyKey,
    };

    public static ChatChanges ToCommand(this UpdateChatRequest request) => new()
    {
        Title = request.Title,
        Model = request.Model,
        SystemPrompt = request.SystemPrompt,
        Metadata = request.Metadata.IsGiven ? ToText(request.Metadata.Value) : default(Optional<string?>),
    };

    /// <summary>Where the page begins; null for the first page. The query is valid.</summary>
    public static ChatCursor? ToCursor(this ListChatsQuery query) => TryParseCursor(query.Cursor, out var cursor) ? cursor : null;

    public static MessageRange ToRange(this ListMessagesQuery query) => new() { Before = query.Before, After = query.After };

    /// <summary>Where the chat is, for its owner.</summary>
    public static string ToLocation(this Chat chat) =>
        chat.UserId == UserIdAttribute.Default ? $"/chats/{chat.Id}" : $"/chats/{chat.Id}?user_id={Uri.EscapeDataString(chat.UserId)}";

    public static ChatResponse ToResponse(this Chat chat) => new()
    {
        Id = chat.Id,
        UserId = chat.UserId,
        Title = chat.Title,
        Name = chat.Title,
        Model = chat.Model,
        SystemPrompt = chat.SystemPrompt,
        Metadata = chat.Metadata is null ? RawJson.EmptyObject : new RawJson(chat.Metadata),
        MessageCount = chat.MessageCount,
        CreatedAt = chat.CreatedAt,
        UpdatedAt = chat.UpdatedAt,
    };

    public static ChatListResponse ToResponse(this ChatPage page)
    {
        var chats = new ChatResponse[page.Chats.Count];
        for (var i = 0; i < chats.Length; i++)
            chats[i] = page.Chats[i].ToResponse();
        return new ChatListResponse { Chats = chats, NextCursor = page.Next is { } next ? ToText(next) : null, Total = page.Total };
    }

    public static MessageResponse ToResponse(this Message message) => new()
    {
        Id = message.Id,
        ChatId = message.ChatId,
        Sequence = message.Sequence,
        Role = message.Role,
        Content = message.Content,
        ToolCalls = message.ToolCalls is null ? null : new RawJson(message.ToolCalls),
        Status = message.Status,
        Model = message.Model,
        RunId = message.RunId,
        Sources = message.Sources.ToResponse(),
        CreatedAt = message.CreatedAt,
        UpdatedAt = message.UpdatedAt,
    };

    /// <summary>Null when there are none.</summary>
    public static IReadOnlyList<SourceResponse>? ToResponse(this IReadOnlyList<Source> sources) =>
        sources.Count == 0 ? null : [.. sources.Select(ToResponse)];

    public static SourceResponse ToResponse(this Source source) => new()
    {
        Number = source.Number,
        Url = source.Url,
        Title = source.Title,
        Excerpt = source.Excerpt,
    };

    /// <summary>The position a cursor stands for; false for a text that is none of ours. Null stands for the first page.</summary>
    public static bool TryParseCursor(string? text, out ChatCursor? cursor)
    {
        cursor = null;
        if (text is null)
            return true;
        if (!Base64Url.IsValid(text) || text.Length > ChatLimits.LongestCursor)
            return false;

        var parts = Encoding.UTF8.GetString(Base64Url.DecodeFromChars(text)).Split(' ');
        if (parts.Length != 2 || !Guid.TryParseExact(parts[1], "D", out _)
            || !long.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var milliseconds)
            || milliseconds > DateTimeOffset.MaxValue.ToUnixTimeMilliseconds())
            return false;

        cursor = new ChatCursor(DateTimeOffset.FromUnixTimeMilliseconds(milliseconds), parts[1]);
        return true;
    }

    /// <summary>Opaque to clients, safe in a URL.</summary>
    public static string ToText(this ChatCursor cursor) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(
        string.Create(CultureInfo.InvariantCulture, $"{cursor.UpdatedAt.ToUnixTimeMilliseconds()} {cursor.Id}")));

    private static string? ToText(JsonElement? metadata) => metadata is { ValueKind: JsonValueKind.Object } given ? given.GetRawText() : null;
}
