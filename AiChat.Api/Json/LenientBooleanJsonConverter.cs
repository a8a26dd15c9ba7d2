using System.Text.Json;
using System.Text.Json.Serialization;

namespace AiChat.Api.Json;

/// <summary>Accepts <c>"true"</c> and <c>"false"</c> where a boolean belongs: clients of seed 004 send them.</summary>
internal sealed class LenientBooleanJsonConverter : JsonConverter<bool>
{
    public override bool Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        reader.TokenType == JsonTokenType.String && bool.TryParse(reader.GetString(), out var value) ? value : reader.GetBoolean();

    public override void Write(Utf8JsonWriter writer, bool value, JsonSerializerOptions options) => writer.WriteBooleanValue(value);
}
