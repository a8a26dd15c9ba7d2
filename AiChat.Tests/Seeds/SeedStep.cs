namespace AiChat.Tests.Seeds;

/// <summary>One call a document shows or describes, and what it says of the answer.</summary>
public sealed record SeedStep
{
    /// <summary>Where it stands in the document, from 1.</summary>
    public required int Line { get; init; }

    /// <summary>Method and path as the document has them, without the query.</summary>
    public required string Request { get; init; }

    /// <summary>With the document's own host, ids and placeholders.</summary>
    public required CurlCommand Command { get; init; }

    /// <summary>What the answer looks like; null when the document does not say.</summary>
    public Shape? Answer { get; init; }

    /// <summary>The media type of the answer; null when the document does not say.</summary>
    public string? ContentType { get; init; }

    /// <summary>What is sent under a name of the object that comes back, and so comes back, too.</summary>
    public IReadOnlyDictionary<string, string> Echo { get; init; } = new Dictionary<string, string>();

    /// <summary>Whether the answer is a stream of server-sent events.</summary>
    public bool IsEventStream => ContentType == "text/event-stream";
}
