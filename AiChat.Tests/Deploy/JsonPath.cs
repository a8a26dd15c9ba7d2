using System.Text.Json.Nodes;

namespace AiChat.Tests.Deploy;

/// <summary>Reads and changes a JSON value by the names on the way to it: <c>spec/containers/0/image</c>.</summary>
internal static class JsonPath
{
    /// <summary>The value there; null when there is none.</summary>
    public static JsonNode? At(this JsonNode? node, string path) =>
        path.Split('/').Aggregate(node, (at, step) => at switch
        {
            JsonObject fields => fields[step],
            JsonArray items when int.TryParse(step, out var index) && index < items.Count => items[index],
            _ => null,
        });

    public static string? TextAt(this JsonNode? node, string path) => node.At(path)?.ToString();

    public static int NumberAt(this JsonNode? node, string path) => node.At(path)?.GetValue<int>() ?? 0;

    public static bool IsTrueAt(this JsonNode? node, string path) => node.TextAt(path) == "true";

    public static IEnumerable<JsonNode> ItemsAt(this JsonNode? node, string path) => node.At(path)?.AsArray().OfType<JsonNode>() ?? [];

    public static IEnumerable<KeyValuePair<string, JsonNode?>> FieldsAt(this JsonNode? node, string path) => node.At(path)?.AsObject() ?? [];

    /// <summary>Puts another value there.</summary>
    public static void Replace(this JsonNode node, string path, JsonNode? value)
    {
        var end = path.LastIndexOf('/');
        var parent = end < 0 ? node : node.At(path[..end]);
        var step = path[(end + 1)..];
        if (parent is JsonArray items)
            items[int.Parse(step, System.Globalization.CultureInfo.InvariantCulture)] = value;
        else
            parent!.AsObject()[step] = value;
    }
}
