namespace AiChat.Api.Dialects;

/// <summary>The names under which the documentation groups the routes of each dialect.</summary>
internal static class DialectTags
{
    public const string CreateChat = "create_chat API";
    public const string ChatHistory = "Chat history API";
    public const string Chat = "Chat API";
    public const string ChatAi = "ChatAI API";

    /// <summary>In the order of the documents the dialects come from.</summary>
    public static IReadOnlyList<(string Name, string Description)> All { get; } =
    [
        (CreateChat, "Routes for clients of the document `seed-000-create-chat.md`: a chat begins with its first message."),
        (ChatHistory, "Routes for clients of the document `seed-001-conversations.md`: it keeps what was said and asks no model."),
        (Chat, "Routes for clients of the document `seed-003-chat-api.md`: messages are stored first, and a stream answers the last one."),
        (ChatAi, "Routes for clients of the document `seed-004-chatai-api.md`: conversations, and completions as JSON or plain text."),
    ];
}
