using System.Text.Json;

namespace AiChat.Infrastructure.Providers;

/// <summary>Steps through the JSON of a backend, passing over whatever is not of the kind it should be.</summary>
internal static class JsonReading
{
    /// <summary>Moves to the next name of the object the reader is in; false at its end.</summary>
    public static bool NextProperty(ref Utf8JsonReader reader) => reader.Read() && reader.TokenType == JsonTokenType.PropertyName;

    /// <summary>Moves to the value and into it when it is of that kind; otherwise passes over it.</summary>
    public static bool EnterValue(ref Utf8JsonReader reader, JsonTokenType kind)
    {
        reader.Read();
        if (reader.TokenType == kind)
            return true;
        reader.Skip();
        return false;
    }

    public static void SkipValue(ref Utf8JsonReader reader)
    {
        reader.Read();
        reader.Skip();
    }

    /// <summary>A number of tokens; null when it is something else.</summary>
    public static long? ReadCount(ref Utf8JsonReader reader)
    {
        reader.Read();
        if (reader.TokenType == JsonTokenType.Number && reader.TryGetInt64(out var count) && count is >= 0 and <= int.MaxValue)
            return count;
        reader.Skip();
        return null;
    }

    public static string? ReadString(ref Utf8JsonReader reader)
    {
        reader.Read();
        return StringOrSkip(ref reader);
    }

    /// <summary>The value the reader is at; null when it is no string.</summary>
    public static string? StringOrSkip(ref Utf8JsonReader reader)
    {
        if (reader.TokenType == JsonTokenType.String)
            return reader.GetString();
        reader.Skip();
        return null;
    }

    /// <summary>Whether the value is a string with something in it. It is not read: nobody needs the text.</summary>
    public static bool ReadHasText(ref Utf8JsonReader reader)
    {
        reader.Read();
        if (reader.TokenType == JsonTokenType.String)
            return reader.HasValueSequence ? !reader.ValueSequence.IsEmpty : !reader.ValueSpan.IsEmpty;
        reader.Skip();
        return false;
    }

    /// <summary>A model's name; <paramref name="known"/> itself when it is that one, so that it is not made again for every event.</summary>
    public static string? ReadModel(ref Utf8JsonReader reader, string known)
    {
        reader.Read();
        return reader.TokenType == JsonTokenType.String && reader.ValueTextEquals(known) ? known : StringOrSkip(ref reader);
    }
}
