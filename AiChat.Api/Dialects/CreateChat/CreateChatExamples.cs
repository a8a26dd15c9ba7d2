using AiChat.Api.OpenApi;
using AiChat.Core.Chats;

namespace AiChat.Api.Dialects.CreateChat;

internal static class CreateChatExamples
{
    public static DialectExamples All { get; } = new()
    {
        Requests = new Dictionary<Type, IReadOnlyList<RequestExample>>
        {
            [typeof(StartChatRequest)] =
            [
                new("question", "A chat that begins with a question", $$"""
                    { "chat_title": "Trip to Rome", "first_message": { "role": "user", "text": "{{Examples.Question}}" } }
                    """),
                new("instructions", "A chat that begins with instructions, which are stored and not answered", """
                    { "first_message": { "role": "system", "text": "You are a travel guide. Answer in one sentence." } }
                    """),
            ],
            [typeof(TextMessageRequest)] = [new("question", "A question", """{ "role": "user", "text": "Where do I eat?" }""")],
        },
        Answers =
        [
            new StartedChatResponse(Examples.ChatId, Reply),
            Reply,
            new[] { new TextMessageResponse { Role = MessageRole.User, Text = Examples.Question }, Reply },
            new[] { Examples.ChatId },
            new DeletedChatResponse { Detail = CreateChatController.Deleted },
        ],
    };

    private static TextMessageResponse Reply => new() { Role = MessageRole.Assistant, Text = Examples.Reply };
}
