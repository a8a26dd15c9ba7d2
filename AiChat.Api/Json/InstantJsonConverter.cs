using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace AiChat.Api.Json;

/// <summary>Instants as ISO 8601 in UTC with milliseconds and <c>Z</c>: always the same 24 characters, which also sort as text.</summary>
internal sealed class InstantJsonConverter : JsonConverter<DateTimeOffset>
{
    private const int Length = 24;

    public override DateTimeOffset Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => reader.GetDateTimeOffset();

    public override void Write(Utf8JsonWriter writer, DateTimeOffset value, JsonSerializerOptions options)
    {
        Span<byte> text = stackalloc byte[Length];
        value.UtcDateTime.TryFormat(text, out var written, "yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture);
        writer.WriteStringValue(text[..written]);
    }
}
