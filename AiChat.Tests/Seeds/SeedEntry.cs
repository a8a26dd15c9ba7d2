using System.Text.Json;
using System.Text.RegularExpressions;

namespace AiChat.Tests.Seeds;

/// <summary>A call in a document: by curl, by a description of its route, or by a function that stands for a route.</summary>
public sealed partial class SeedEntry
{
    /// <summary>From 1.</summary>
    public required int Line { get; init; }

    public CurlCommand? Command { get; init; }

    public SeedFunction? Function { get; init; }

    /// <summary>Of the function, by the names of its parameters.</summary>
    public IReadOnlyDictionary<string, string> Arguments { get; init; } = new Dictionary<string, string>();

    public string Method { get; set; } = "";

    public string Url { get; init; } = "";

    public string Description { get; set; } = "";

    public IReadOnlyList<string> Query { get; set; } = [];

    public string? ContentType { get; set; }

    public JsonElement? Body { get; set; }

    public JsonElement? Answer { get; set; }

    /// <summary>Names of the parts of the path that are to be filled in.</summary>
    public IReadOnlyList<string> PathParameters => [.. PathParameter().Matches(Url).Select(m => m.Groups["name"].Value)];

    /// <summary>Whether the route answers with server-sent events.</summary>
    public bool IsEventStream => Description.Contains("Server-Sent Events", StringComparison.Ordinal);

    public string FillPath(IReadOnlyDictionary<string, string> values) => PathParameter().Replace(Url, m => values[m.Groups["name"].Value]);

    /// <summary>Takes what stands behind a label in bold.</summary>
    public void Set(string label, string value)
    {
        switch (label)
        {
            case "Method":
                Method = value;
                break;
            case "Response Content-Type":
                ContentType = value;
                break;
            case "Description":
                Description = value;
                break;
            case "Request Body" or "Response Example":
                break;
            default:
                throw new FormatException($"Nothing is known about '{label}' of {Url}.");
        }
    }

    [GeneratedRegex("[{<](?<name>[a-z_]+)[}>]")]
    private static partial Regex PathParameter();
}
