using System.Text.Json;
using System.Text.Json.Serialization;
using AiChat.Core.WebSearch;

namespace AiChat.Infrastructure.Chats;

/// <summary>How sources are written in the database: as JSON.</summary>
internal static partial class StoredSources
{
    /// <summary>Null when there are none.</summary>
    public static string? ToText(IReadOnlyList<Source> sources) =>
        sources.Count == 0 ? null : JsonSerializer.Serialize(sources, SourceJson.Default.IReadOnlyListSource);

    public static IReadOnlyList<Source> FromText(string? text) =>
        text is null ? [] : JsonSerializer.Deserialize(text, SourceJson.Default.IReadOnlyListSource)!;

    public static string ToItem(Source source) => JsonSerializer.Serialize(source, SourceJson.Default.Source);

    public static Source FromItem(string text) => JsonSerializer.Deserialize(text, SourceJson.Default.Source)!;

    [JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
    [JsonSerializable(typeof(IReadOnlyList<Source>))]
    private sealed partial class SourceJson : JsonSerializerContext;
}
