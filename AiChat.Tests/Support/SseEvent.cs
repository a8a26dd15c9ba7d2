using System.Text.Json;

namespace AiChat.Tests.Support;

/// <summary>One server-sent event.</summary>
/// <param name="Id">Null when it came without one.</param>
/// <param name="Name">What kind of event it is.</param>
/// <param name="Data">Its data as text, lines joined by a line feed.</param>
/// <param name="Json">Its data; undefined when that is no JSON.</param>
public sealed record SseEvent(string? Id, string Name, string Data, JsonElement Json)
{
    public bool IsEnd => Name is "run.completed" or "run.failed" or "run.cancelled" or "run.incomplete";

    /// <summary>The part of the id behind the colon; null when the id is not of the form <c>run:sequence</c>.</summary>
    public long? Sequence => Id?.Split(':') is [{ Length: > 0 }, var sequence] && long.TryParse(sequence, out var number) ? number : null;

    /// <summary>The part of the id in front of the colon.</summary>
    public string? RunId => Id?.Split(':')[0];
}
