using System.Text.Json.Serialization;
using AiChat.Core.Idempotency;

namespace AiChat.Api.Errors;

/// <summary>What went wrong, as problem details (RFC 9457).</summary>
public sealed record ProblemResponse
{
    /// <summary>Names the kind of problem: <c>urn:aichat:problem:</c> and the code.</summary>
    public required string Type { get; init; }

    /// <summary>The kind of problem in a few words.</summary>
    public required string Title { get; init; }

    /// <summary>The HTTP status.</summary>
    public required int Status { get; init; }

    /// <summary>What happened and what to do, for people.</summary>
    public required string Detail { get; init; }

    /// <summary>Stable name of the problem, for programs.</summary>
    public required string Code { get; init; }

    /// <summary>What is wrong with each field; absent where no field is.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyDictionary<string, string[]>? Errors { get; init; }

    /// <summary>The chat of a message that was stored but not answered.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? ChatId { get; init; }

    /// <summary>The message that was stored but not answered.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? UserMessageId { get; init; }

    /// <summary>The run that failed, or that stands in the way.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? RunId { get; init; }

    /// <summary>Finds this request in the server's log; also in <c>x-request-id</c>.</summary>
    public string TraceId { get; init; } = "";

    /// <summary>Where those fields of <see cref="Errors"/> stand that are not in the body. Not part of the answer.</summary>
    internal IReadOnlyDictionary<string, FieldPlace>? Places { get; init; }

    /// <summary>Where a field of <see cref="Errors"/> stands.</summary>
    internal FieldPlace GetPlace(string field)
    {
        if (Places is not null && Places.TryGetValue(field, out var place))
            return place;
        return field == IdempotencyKey.Header ? FieldPlace.Header : FieldPlace.Body;
    }
}
