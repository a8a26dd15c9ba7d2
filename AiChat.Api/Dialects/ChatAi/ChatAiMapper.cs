using AiChat.Core.Chats;
using AiChat.Core.Runs;

namespace AiChat.Api.Dialects.ChatAi;

internal static class ChatAiMapper
{
    public static SendCommand ToCommand(this ChatAiCompletionRequest request, string userId, Guid chatId, string? idempotencyKey) => new()
    {
        UserId = userId,
        ChatId = chatId.ToString(),
        Message = request.Message!,
        IdempotencyKey = idempotencyKey,
    };

    /// <summary>A new conversation.</summary>
    public static ChatAiConversationResponse ToResponse(this Chat chat) => new() { Id = chat.Id, Messages = [], CreatedAt = chat.CreatedAt };

    public static ChatAiMessageResponse ToResponse(this RunResult result) => new()
    {
        Id = result.AssistantMessageId,
        Author = MessageRole.Assistant,
        Content = result.Reply,
        CreatedAt = result.CompletedAt,
    };

    public static IAsyncEnumerable<ChatAiConversationStream> ToResponse(this IEnumerable<ChatWithMessages> chats) =>
        chats.ToAsyncEnumerable().Select(c => new ChatAiConversationStream
        {
            Id = c.Chat.Id,
            // Without those that have no text, such as a reply that failed: the document's clients know no status that would explain them.
            Messages = c.Messages.Where(m => m.Content.Length > 0).Select(ToResponse),
            CreatedAt = c.Chat.CreatedAt,
        });

    /// <summary>A reply has the instant its completion was answered with: the one at which it was whole.</summary>
    private static ChatAiMessageResponse ToResponse(Message message) => new()
    {
        Id = message.Id,
        Author = message.Role,
        Content = message.Content,
        CreatedAt = message.UpdatedAt,
    };
}
