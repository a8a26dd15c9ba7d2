using System.Text.Json;
using System.Text.Json.Serialization;

namespace AiChat.Api.Json;

/// <summary>Instants as ISO 8601 in UTC with milliseconds and <c>Z</c>: always the same 24 characters, which also sort as text.</summary>
internal sealed class InstantJsonConverter : JsonConverter<DateTimeOffset>
{
    private const int Length = 24;

    public override DateTimeOffset Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => reader.GetDateTimeOffset();

    // By hand: lists are made of instants, and a custom format string costs ten times as much.
    public override void Write(Utf8JsonWriter writer, DateTimeOffset value, JsonSerializerOptions options)
    {
        var utc = value.UtcDateTime;
        Span<byte> text = stackalloc byte[Length];
        "0000-00-00T00:00:00.000Z"u8.CopyTo(text);
        WriteDigits(text[..4], utc.Year);
        WriteDigits(text[5..7], utc.Month);
        WriteDigits(text[8..10], utc.Day);
        WriteDigits(text[11..13], utc.Hour);
        WriteDigits(text[14..16], utc.Minute);
        WriteDigits(text[17..19], utc.Second);
        WriteDigits(text[20..23], utc.Millisecond);
        writer.WriteStringValue(text);
    }

    private static void WriteDigits(Span<byte> target, int value)
    {
        for (var i = target.Length - 1; i >= 0; i--)
        {
            target[i] = (byte)('0' + (value % 10));
            value /= 10;
        }
    }
}
