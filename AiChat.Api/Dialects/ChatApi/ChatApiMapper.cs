using System.Globalization;
using System.Text.RegularExpressions;
using AiChat.Core.Chats;
using AiChat.Core.Runs;

namespace AiChat.Api.Dialects.ChatApi;

internal static partial class ChatApiMapper
{
    public const string Human = "Human";
    public const string Assistant = "Assistant";

    private static readonly string[] InstantFormats =
        ["yyyy-MM-dd'T'HH:mm:ss.FFFFFFFK", "yyyy-MM-dd'T'HH:mmK", "yyyy-MM-dd' 'HH:mm:ss.FFFFFFFK", "yyyy-MM-dd' 'HH:mmK"];

    public static NewChat ToCommand(this ChatApiCreateRequest request, string userId, string? idempotencyKey) => new()
    {
        UserId = userId,
        Title = request.Name,
        IdempotencyKey = idempotencyKey,
    };

    /// <summary>The request is valid.</summary>
    public static ChatChanges ToCommand(this ChatApiUpdateRequest request) => new()
    {
        Title = request.Name,
        UpdatedAt = TryParseInstant(request.UpdatedAt, out var updatedAt) ? updatedAt : null,
    };

    /// <inheritdoc cref="ToCommand(ChatApiUpdateRequest)"/>
    public static NewMessage ToCommand(this ChatApiConversationRequest request, string userId, string? idempotencyKey) => new()
    {
        UserId = userId,
        ChatId = Guid.Parse(request.ChatId!).ToString(),
        Role = IsHuman(request.Role) ? MessageRole.User : MessageRole.Assistant,
        Content = request.Message!,
        IdempotencyKey = idempotencyKey,
    };

    public static ChatApiChatResponse ToChatApi(this Chat chat) => new()
    {
        Id = chat.Id,
        // A text to the clients of this dialect: they know no chat without a name.
        Name = chat.Title ?? "",
        CreatedAt = chat.CreatedAt,
        UpdatedAt = chat.UpdatedAt,
    };

    public static ChatApiConversationResponse ToChatApi(this Message message) => new()
    {
        Id = message.Id,
        ChatId = message.ChatId,
        Role = message.Role == MessageRole.User ? Human : Assistant,
        Message = message.Content,
        CreatedAt = message.CreatedAt,
        UpdatedAt = message.UpdatedAt,
    };

    public static ChatApiEndEvent ToChatApi(this RunResult result) => new()
    {
        Id = result.AssistantMessageId,
        Status = result.Status,
        Code = result.Error?.Code,
        Detail = result.Error?.Message,
    };

    public static bool IsRole(string? role) => IsHuman(role) || string.Equals(role, Assistant, StringComparison.OrdinalIgnoreCase);

    /// <summary>
    /// An instant from 1970 on, with a T or a space in front of the time. Many clients of this dialect write instants of UTC without saying so.
    /// </summary>
    public static bool TryParseInstant(string? text, out DateTimeOffset instant) =>
        DateTimeOffset.TryParseExact(
            text is null ? null : FurtherDigits().Replace(text, ""), InstantFormats, CultureInfo.InvariantCulture,
            DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out instant)
        && instant >= DateTimeOffset.UnixEpoch;

    private static bool IsHuman(string? role) => string.Equals(role, Human, StringComparison.OrdinalIgnoreCase);

    /// <summary>Digits of a fraction of a second that are finer than instants are here.</summary>
    [GeneratedRegex(@"(?<=\.[0-9]{7})[0-9]+")]
    private static partial Regex FurtherDigits();
}
