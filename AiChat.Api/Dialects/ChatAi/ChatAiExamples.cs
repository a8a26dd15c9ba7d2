using AiChat.Api.OpenApi;
using AiChat.Core.Chats;

namespace AiChat.Api.Dialects.ChatAi;

internal static class ChatAiExamples
{
    public static DialectExamples All { get; } = new()
    {
        Requests = new Dictionary<Type, IReadOnlyList<RequestExample>>
        {
            [typeof(ChatAiCompletionRequest)] =
            [
                new("whole", "The reply when it is whole", $$"""{ "message": "{{Examples.Question}}", "stream": false }"""),
                new("streamed", "The reply while it is written", $$"""{ "message": "{{Examples.Question}}", "stream": true }"""),
            ],
        },
        Answers =
        [
            new ChatAiConversationResponse { Id = Examples.ChatId, Messages = [], CreatedAt = Examples.Created },
            Reply,
            new[] { new ChatAiConversationResponse { Id = Examples.ChatId, Messages = [Question, Reply], CreatedAt = Examples.Created } },
        ],
    };

    private static ChatAiMessageResponse Question => new()
    {
        Id = Examples.UserMessageId,
        Author = MessageRole.User,
        Content = Examples.Question,
        CreatedAt = Examples.Sent,
    };

    private static ChatAiMessageResponse Reply => new()
    {
        Id = Examples.AssistantMessageId,
        Author = MessageRole.Assistant,
        Content = Examples.Reply,
        CreatedAt = Examples.Answered,
    };
}
