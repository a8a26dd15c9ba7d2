using System.Text.Json;
using AiChat.Api.Json;
using AiChat.Core.Chats;

namespace AiChat.Api.Dialects.ChatHistory;

internal static class ChatHistoryMapper
{
    public static NewMessage ToCommand(this HistoryMessageRequest request, string userId, Guid chatId, string? idempotencyKey)
    {
        TryReadToolCalls(request.ToolCalls, out var toolCalls);
        return new NewMessage
        {
            UserId = userId,
            ChatId = chatId.ToString(),
            Role = Enum.Parse<MessageRole>(request.Role!, ignoreCase: true),
            Content = request.Content ?? "",
            ToolCalls = toolCalls,
            IdempotencyKey = idempotencyKey,
        };
    }

    /// <summary>The calls of tools as JSON text, null when there are none; false for a text that holds no JSON.</summary>
    public static bool TryReadToolCalls(JsonElement? given, out string? json)
    {
        json = null;
        if (given is not { } calls)
            return true;

        try
        {
            // A query holds nothing but texts, and clients that know this API from its query write one in the body as well.
            if (calls.ValueKind == JsonValueKind.String)
                calls = JsonElement.Parse(calls.GetString()!);
        }
        catch (Exception failure) when (failure is JsonException or InvalidOperationException)
        {
            // The other one is thrown for half a surrogate pair ("\ud800").
            return false;
        }

        json = calls.ValueKind == JsonValueKind.Null ? null : calls.GetRawText();
        return true;
    }

    public static HistoryConversationResponse ToHistory(this Chat chat) => new()
    {
        ConversationId = chat.Id,
        Id = chat.Id,
        UserId = chat.UserId,
        CreatedAt = chat.CreatedAt,
        UpdatedAt = chat.UpdatedAt,
    };

    public static HistoryConversationListResponse ToHistory(this ChatPage page, string userId) =>
        new() { UserId = userId, Conversations = [.. page.Chats.Select(ToHistory)] };

    public static HistoryMessageResponse ToHistory(this Message message) => new()
    {
        MessageId = message.Id,
        Id = message.Id,
        ConversationId = message.ChatId,
        Role = message.Role,
        Content = message.Content,
        ToolCalls = message.ToolCalls is null ? null : new RawJson(message.ToolCalls),
        CreatedAt = message.CreatedAt,
        UpdatedAt = message.UpdatedAt,
    };

    public static HistoryMessageListResponse ToHistory(this MessagePage page, Guid chatId) =>
        new() { ConversationId = chatId.ToString(), Messages = [.. page.Messages.Where(IsShown).Select(ToHistory)] };

    public static IAsyncEnumerable<HistoryMessageResponse> ToHistory(this IAsyncEnumerable<Message> messages) =>
        messages.Where(IsShown).Select(ToHistory);

    /// <summary>Whether it says or calls anything, or is what a tool gave: replies that failed are nothing to clients that know no status.</summary>
    private static bool IsShown(Message message) =>
        message.Content.Length > 0 || message.ToolCalls is not null || message.Role == MessageRole.Tool;
}
