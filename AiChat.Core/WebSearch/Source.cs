namespace AiChat.Core.WebSearch;

/// <summary>A page a reply is based on, as it is put before the model and stored with the message.</summary>
public sealed record Source
{
    /// <summary>1, 2, 3… inside the reply, which refers to it as <c>[1]</c>.</summary>
    public required int Number { get; init; }

    public required string Url { get; init; }

    /// <summary>Its title, or its host where it has none.</summary>
    public required string Title { get; init; }

    /// <summary>The passages of it the model is given, in the page's order.</summary>
    public required string Excerpt { get; init; }
}
