using AiChat.Api.OpenApi;

namespace AiChat.Api.Dialects.ChatApi;

/// <summary>What the documentation shows of this dialect.</summary>
internal static class ChatApiExamples
{
    public const string StreamDescription =
        "Events, each with an `id` to come back with. Without a name: text, whose line breaks are those between its `data` lines. "
        + "`source`: a page of the web, before any text. `snapshot`: put its `text` in place of everything that was shown; only for a client that "
        + "comes back, when what it has seen is not part of the reply any more. `end`: the last one, with the `id` of the stored reply, its `status` "
        + "(`completed`, `cancelled`, `incomplete` or `failed`), and `code` and `detail` when it is not whole.";

    public const string Stream =
        Id + "31\ndata: " + Begin + "\n\n" + Id + "91\ndata: " + Rest + "\n\n" + Id + "92\nevent: end\ndata: " + End + "\n\n";

    public const string SourcedStream =
        Id + "2\nevent: source\ndata: " + Source + "\n\n"
        + Id + "32\ndata: " + Begin + "\n\n" + Id + "96\ndata: " + SourcedRest + "\n\n" + Id + "97\nevent: end\ndata: " + End + "\n\n";

    private const string Id = "id: " + Examples.RunId + ":";
    private const string Begin = "The Colosseum in the morning, ";
    private const string Rest = "the Pantheon at noon, and the Trevi Fountain in the evening.";
    private const string SourcedRest = "the Pantheon at noon, and the Trevi Fountain in the evening [1].";
    private const string Source = """{"number":1,"url":"https://example.org/rome","title":"One day in Rome","excerpt":"Begin at the Colosseum."}""";
    private const string End = """{"id":"0199c0de-8f21-7a56-8e3f-1a2b3c4d5e6f","status":"completed"}""";
    private const string Question = "Which three places should I see on one day in Rome?";

    private static readonly DateTimeOffset Created = new(2026, 3, 14, 9, 26, 53, 589, TimeSpan.Zero);
    private static readonly DateTimeOffset Sent = Created.AddSeconds(13.5);

    private static readonly ChatApiChatResponse Chat = new() { Id = Examples.ChatId, Name = "Trip to Rome", CreatedAt = Created, UpdatedAt = Sent };

    public static DialectExamples All { get; } = new()
    {
        Requests = new Dictionary<Type, IReadOnlyList<RequestExample>>
        {
            [typeof(ChatApiCreateRequest)] = [new("named", "A chat with a name", """{"name":"Trip to Rome"}""")],
            [typeof(ChatApiUpdateRequest)] =
            [
                new("renamed", "Another name, changed now", """{"name":"Three days in Rome"}"""),
                new("dated", "Another name, changed at another time", """{"name":"Three days in Rome","updated_at":"2026-03-14T09:27:07.089Z"}"""),
            ],
            [typeof(ChatApiConversationRequest)] =
            [
                new("question", "A question to be answered",
                    $$"""{"chat_id":"{{Examples.ChatId}}","role":"Human","message":"{{Question}}"}"""),
                new("answer", "An answer from elsewhere", $$"""{"chat_id":"{{Examples.ChatId}}","role":"Assistant","message":"The Colosseum, above all."}"""),
            ],
        },
        Answers =
        [
            Chat,
            new[] { Chat },
            new ChatApiConversationResponse
            {
                Id = "0199c0de-8f21-7a55-b1c2-7d8e9f0a1b2c",
                ChatId = Examples.ChatId,
                Role = ChatApiMapper.Human,
                Message = Question,
                CreatedAt = Sent,
                UpdatedAt = Sent,
            },
        ],
    };
}
