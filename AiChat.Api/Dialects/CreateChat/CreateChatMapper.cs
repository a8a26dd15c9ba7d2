using AiChat.Core.Chats;
using AiChat.Core.Runs;

namespace AiChat.Api.Dialects.CreateChat;

internal static class CreateChatMapper
{
    /// <summary>Whether a message is one that a model answers.</summary>
    public static bool IsQuestion(this TextMessageRequest message) => message.ToRole() == MessageRole.User;

    /// <summary>The first message as one to answer.</summary>
    public static SendCommand ToSend(this StartChatRequest request, string userId, string? idempotencyKey) => new()
    {
        UserId = userId,
        Title = request.ToTitle(),
        Message = request.FirstMessage!.Text!,
        IdempotencyKey = idempotencyKey,
    };

    /// <summary>The first message as one to store.</summary>
    public static NewChat ToChat(this StartChatRequest request, string userId, string? idempotencyKey) => new()
    {
        UserId = userId,
        Title = request.ToTitle(),
        FirstMessage = new FirstMessage(request.FirstMessage!.ToRole(), request.FirstMessage!.Text!),
        IdempotencyKey = idempotencyKey,
    };

    public static SendCommand ToSend(this TextMessageRequest message, string userId, Guid chatId, string? idempotencyKey) => new()
    {
        UserId = userId,
        ChatId = chatId.ToString(),
        Message = message.Text!,
        IdempotencyKey = idempotencyKey,
    };

    public static NewMessage ToMessage(this TextMessageRequest message, string userId, Guid chatId, string? idempotencyKey) => new()
    {
        UserId = userId,
        ChatId = chatId.ToString(),
        Role = message.ToRole(),
        Content = message.Text!,
        IdempotencyKey = idempotencyKey,
    };

    public static TextMessageResponse ToResponse(this RunResult result) => new() { Role = MessageRole.Assistant, Text = result.Reply };

    public static TextMessageResponse ToResponse(this TextMessageRequest message) => new() { Role = message.ToRole(), Text = message.Text! };

    public static TextMessageResponse ToResponse(this Message message) => new() { Role = message.Role, Text = message.Content };

    /// <summary>
    /// Messages without text are left out: replies that failed or are not begun yet, and a model's bare calls of tools. A role and nothing
    /// else would be an empty bubble to the document's clients, which know no status.
    /// </summary>
    public static IAsyncEnumerable<TextMessageResponse> ToResponse(this IAsyncEnumerable<Message> messages) =>
        messages.Where(m => m.Content.Length > 0).Select(m => m.ToResponse());

    /// <summary>The document's frontend has no field for a title, and sends an empty one.</summary>
    private static string? ToTitle(this StartChatRequest request) => string.IsNullOrWhiteSpace(request.ChatTitle) ? null : request.ChatTitle;

    private static MessageRole ToRole(this TextMessageRequest message) => Enum.Parse<MessageRole>(message.Role!, ignoreCase: true);
}
