using System.Text;
using System.Text.Json;

namespace AiChat.Infrastructure.Providers;

/// <summary>An error in a backend's own words.</summary>
/// <param name="Message">What happened, for people.</param>
/// <param name="Code">The same for programs: OpenAI's code, Anthropic's type; empty when there is none.</param>
internal sealed record ReportedError(string Message, string Code)
{
    /// <summary>The status says it all.</summary>
    public static ReportedError None { get; } = new("", "");

    /// <summary>The error a body reports in the usual place, else the body as it is.</summary>
    public static ReportedError ParseBody(ReadOnlySpan<byte> body)
    {
        try
        {
            var reader = new Utf8JsonReader(body);
            if (reader.Read() && reader.TokenType == JsonTokenType.StartObject && Find(ref reader) is { } error)
                return error;
        }
        catch (Exception failure) when (failure is JsonException or InvalidOperationException)
        {
            // A proxy's page, half an object, text that is none.
        }

        return new ReportedError(body.IsEmpty ? "(no body)" : Encoding.UTF8.GetString(body), "");
    }

    /// <summary>The value of <c>error</c>: an object with a message, or a string; null stands for none.</summary>
    public static ReportedError? Read(ref Utf8JsonReader reader)
    {
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject)
            return JsonReading.StringOrSkip(ref reader) is { } text ? new ReportedError(text, "") : null;

        string? message = null, code = null, type = null;
        while (JsonReading.NextProperty(ref reader))
        {
            if (reader.ValueTextEquals("message"u8))
                message = JsonReading.ReadString(ref reader);
            else if (reader.ValueTextEquals("code"u8))
                code = JsonReading.ReadString(ref reader);
            else if (reader.ValueTextEquals("type"u8))
                type = JsonReading.ReadString(ref reader);
            else
                JsonReading.SkipValue(ref reader);
        }

        return new ReportedError(message ?? "an error without a message", code ?? type ?? "");
    }

    private static ReportedError? Find(ref Utf8JsonReader reader)
    {
        while (JsonReading.NextProperty(ref reader))
        {
            if (reader.ValueTextEquals("error"u8))
                return Read(ref reader);
            JsonReading.SkipValue(ref reader);
        }

        return null;
    }
}
