using System.Text.Json.Nodes;
using AiChat.Api.Budgets;
using AiChat.Api.Logging;
using AiChat.Api.Runs;
using Microsoft.Net.Http.Headers;
using Microsoft.OpenApi;

namespace AiChat.Api.OpenApi;

/// <summary>The headers of answers, described once and referred to by name.</summary>
internal static class Headers
{
    public const string RequestId = RequestLogMiddleware.RequestIdHeader;

    public static IReadOnlyDictionary<string, OpenApiHeader> All { get; } = new Dictionary<string, OpenApiHeader>
    {
        [RequestId] = Text(
            "Finds this request in the server's log: the id the client sent in the same header, or a new one.", Examples.TraceId),
        [HeaderNames.Location] = Text("The path of what was made.", "/chats/" + Examples.ChatId),
        [HeaderNames.Link] = Text(
            "Only where there is more: the pages beside this one (RFC 8288), of messages those of older (`prev`) and newer (`next`) ones.",
            $"</chats/{Examples.ChatId}/messages?limit=2&before=5&user_id={Examples.UserId}>; rel=\"prev\""),
        [IdempotencyKeyAttribute.ReplayedHeader] = Text(
            "`true` when this is the answer of an earlier request with the same `Idempotency-Key`; absent otherwise.", "true"),
        [RunHeaders.ChatId] = Text("The chat the reply belongs to; errors have it as well, once there is a run.", Examples.ChatId),
        [RunHeaders.RunId] = Text("The run that writes the reply, to follow, cancel or try again; errors have it as well, once there is one.", Examples.RunId),
        [RunHeaders.MessageId] = Text("The reply as a message of its chat, which has all of it in the end.", Examples.AssistantMessageId),
        [RateLimitHeaders.Policy] = Text(
            "The budgets that apply: for each its name, what it allows (`q`), in what unit (`qu`; requests where it is absent), and the seconds "
            + "it is for (`w`). Absent where none applies.",
            "\"user-requests-minute\";q=3;w=60, \"user-money-day\";q=5000000;qu=\"money-millionths\";w=86400"),
        [RateLimitHeaders.Left] = Text(
            "What is left of them: for each its name, the rest (`r`), and the seconds until all of it is there again (`t`). Absent where none applies.",
            "\"user-requests-minute\";r=2;t=41, \"user-money-day\";r=4310000;t=52385"),
        [HeaderNames.RetryAfter] = new OpenApiHeader
        {
            Description = "Seconds to wait before the next attempt; absent where waiting does not help.",
            Schema = new OpenApiSchema { Type = JsonSchemaType.Integer, Minimum = "0" },
            Example = JsonValue.Create(5),
        },
    };

    private static OpenApiHeader Text(string description, string example) => new()
    {
        Description = description,
        Schema = new OpenApiSchema { Type = JsonSchemaType.String },
        Example = JsonValue.Create(example),
    };
}
