using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.RegularExpressions;
using Microsoft.Extensions.AI;

namespace AiChat.Core.Models;

/// <summary>Calls of tools and their results, in a prompt, as the text a model reads.</summary>
public static partial class ToolContents
{
    private static readonly JsonSerializerOptions Json = new(AIJsonUtilities.DefaultOptions)
    {
        WriteIndented = false,
        Converters = { new ElementConverter() },
    };

    /// <summary>The arguments as one JSON object; an empty one when there are none.</summary>
    public static string GetArgumentsJson(this FunctionCallContent call) =>
        call.Arguments is { } arguments ? JsonSerializer.Serialize(arguments, Json) : "{}";

    /// <summary>A text as it is, anything else as JSON; empty when there is no result.</summary>
    public static string GetResultText(this FunctionResultContent result) => result.Result switch
    {
        null => "",
        string text => text,
        var other => JsonSerializer.Serialize(other, Json),
    };

    /// <summary>Escapes of a JSON text, a whole surrogate pair as one.</summary>
    [GeneratedRegex(@"\\u[Dd][89ABab]..\\u[Dd][C-Fc-f]..|(?<half>\\u[Dd][89A-Fa-f]..)|\\.",
        RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant | RegexOptions.Singleline)]
    private static partial Regex Escape();

    /// <summary>Writes JSON as it came in. Half a surrogate pair, which nothing can read as text, becomes the replacement character.</summary>
    private sealed class ElementConverter : JsonConverter<JsonElement>
    {
        public override JsonElement Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => JsonElement.ParseValue(ref reader);

        public override void Write(Utf8JsonWriter writer, JsonElement value, JsonSerializerOptions options) =>
            writer.WriteRawValue(Escape().Replace(value.GetRawText(), m => m.Groups["half"].Success ? @"\ufffd" : m.Value));
    }
}
