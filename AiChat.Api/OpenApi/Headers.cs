using System.Text.Json.Nodes;
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
            "Only with `limit`, and only where there is more: the pages of older (`prev`) and newer (`next`) messages (RFC 8288).",
            $"</chats/{Examples.ChatId}/messages?limit=2&before=5&user_id={Examples.UserId}>; rel=\"prev\""),
        [IdempotencyKeyAttribute.ReplayedHeader] = Text(
            "`true` when this is the answer of an earlier request with the same `Idempotency-Key`; absent otherwise.", "true"),
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
