namespace AiChat.Core.Memory;

/// <summary>A call of a tool as a client described it, or as much of it as is known.</summary>
internal sealed record ToolCall
{
    /// <summary>The name of a tool whose own is not known.</summary>
    public const string UnknownName = "tool";

    /// <summary>As the client wrote it; null when it gave none.</summary>
    public string? Id { get; init; }

    /// <summary>As models take it: 1 to 64 letters, digits, <c>_</c> and <c>-</c>; null when the client gave none.</summary>
    public string? Name { get; init; }

    /// <summary>By name; values are <see cref="System.Text.Json.JsonElement"/>.</summary>
    public IDictionary<string, object?> Arguments { get; init; } = new Dictionary<string, object?>();
}
