using AiChat.Api.Json;
using AiChat.Api.OpenApi;
using AiChat.Core.Chats;

namespace AiChat.Api.Dialects.ChatHistory;

/// <summary>What the documentation shows of this dialect.</summary>
internal static class ChatHistoryExamples
{
    private const string Question = "Which three places should I see on one day in Rome?";
    private const string Calls = """[{"id":"call_1","type":"function","function":{"name":"opening_hours","arguments":"{\"place\":\"Pantheon\"}"}}]""";

    private static readonly DateTimeOffset Created = new(2026, 3, 14, 9, 26, 53, 589, TimeSpan.Zero);
    private static readonly DateTimeOffset Sent = Created.AddSeconds(13.5);

    private static readonly HistoryConversationResponse Conversation = new()
    {
        ConversationId = Examples.ChatId,
        Id = Examples.ChatId,
        UserId = Examples.UserId,
        CreatedAt = Created,
        UpdatedAt = Sent,
    };

    private static readonly HistoryMessageResponse Message = new()
    {
        MessageId = "0199c0de-8f21-7a55-b1c2-7d8e9f0a1b2c",
        Id = "0199c0de-8f21-7a55-b1c2-7d8e9f0a1b2c",
        ConversationId = Examples.ChatId,
        Role = MessageRole.User,
        Content = Question,
        CreatedAt = Sent,
        UpdatedAt = Sent,
    };

    private static readonly HistoryMessageResponse CallingMessage = Message with
    {
        MessageId = "0199c0de-8f21-7a56-8e3f-1a2b3c4d5e6f",
        Id = "0199c0de-8f21-7a56-8e3f-1a2b3c4d5e6f",
        Role = MessageRole.Assistant,
        Content = "",
        ToolCalls = new RawJson(Calls),
    };

    public static DialectExamples All { get; } = new()
    {
        Requests = new Dictionary<Type, IReadOnlyList<RequestExample>>
        {
            [typeof(HistoryMessageRequest)] =
            [
                new("question", "What the user says", $$"""{ "role": "user", "content": "{{Question}}" }"""),
                new("calls", "An assistant that calls a tool", $$"""{ "role": "assistant", "content": "", "tool_calls": {{Calls}} }"""),
                new("result", "What the tool answers", """{ "role": "tool", "content": "9 to 19 h", "tool_calls": { "tool_call_id": "call_1" } }"""),
            ],
        },
        Answers =
        [
            Conversation,
            new HistoryConversationListResponse { UserId = Examples.UserId, Conversations = [Conversation] },
            Message,
            new HistoryMessageListResponse { ConversationId = Examples.ChatId, Messages = [Message, CallingMessage] },
        ],
    };
}
