using System.Globalization;
using System.Text.Json.Nodes;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace AiChat.Tests.Deploy;

/// <summary>Reads YAML as JSON, with anchors and merges resolved.</summary>
internal static class YamlFile
{
    public static JsonObject ReadOne(string file) => ReadAll(file).Single();

    public static IReadOnlyList<JsonObject> ReadAll(string file)
    {
        using var text = File.OpenText(file);
        var stream = new YamlStream();
        stream.Load(text);
        return [.. stream.Documents.Select(d => (JsonObject)ToJson(d.RootNode)!)];
    }

    private static JsonNode? ToJson(YamlNode node) => node switch
    {
        YamlMappingNode map => ToJson(map),
        YamlSequenceNode list => new JsonArray([.. list.Children.Select(ToJson)]),
        YamlScalarNode { Style: ScalarStyle.Plain } plain => ToJson(plain.Value!),
        YamlScalarNode quoted => quoted.Value,
        _ => throw new NotSupportedException($"{node.NodeType} at {node.Start}"),
    };

    /// <summary>What is merged in comes first, so that the map's own fields win.</summary>
    private static JsonObject ToJson(YamlMappingNode map)
    {
        var fields = new JsonObject();
        foreach (var (key, value) in map.Children.OrderBy(c => !IsMerge(c.Key)))
        {
            var added = IsMerge(key) ? ToJson((YamlMappingNode)value) : new JsonObject { [((YamlScalarNode)key).Value!] = ToJson(value) };
            foreach (var (name, part) in added)
                fields[name] = part?.DeepClone();
        }

        return fields;
    }

    private static bool IsMerge(YamlNode key) => key is YamlScalarNode { Value: "<<" };

    private static JsonNode? ToJson(string plain) => plain switch
    {
        "" or "null" => null,
        "true" => true,
        "false" => false,
        _ when int.TryParse(plain, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) => number,
        _ => plain,
    };
}
