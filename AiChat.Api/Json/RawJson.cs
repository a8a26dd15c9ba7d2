using System.Text.Json;
using System.Text.Json.Serialization;

namespace AiChat.Api.Json;

/// <summary>A JSON value kept as its text, which is valid: it is written as it is and never parsed again.</summary>
public readonly record struct RawJson(string Text)
{
    public static RawJson EmptyObject { get; } = new("{}");
}

internal sealed class RawJsonConverter : JsonConverter<RawJson>
{
    public override RawJson Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        using var document = JsonDocument.ParseValue(ref reader);
        return new RawJson(document.RootElement.GetRawText());
    }

    public override void Write(Utf8JsonWriter writer, RawJson value, JsonSerializerOptions options) =>
        writer.WriteRawValue(value.Text, skipInputValidation: true);
}
