using System.Text.Json;
using System.Text.RegularExpressions;

namespace AiChat.Tests.Seeds;

/// <summary>Reads the JSON that documents print: an example stands for everything of its kind.</summary>
public static partial class ExampleReader
{
    /// <summary>Fields whose value is the same in every answer.</summary>
    private static readonly string[] ConstantFields = ["author", "role"];

    /// <summary>The JSON, without the dots that say that more of the same may follow.</summary>
    /// <exception cref="FormatException">It is none.</exception>
    public static JsonElement Parse(string text)
    {
        try
        {
            return JsonElement.Parse(Dots().Replace(text, "${string}"));
        }
        catch (JsonException exception)
        {
            throw new FormatException($"This block looks like JSON and is none: {exception.Message}\n{text}", exception);
        }
    }

    /// <summary>The shape the example stands for.</summary>
    /// <param name="example">A part of an answer.</param>
    /// <param name="sent">Texts the document sends: where one of them stands in an answer, it has come back.</param>
    public static Shape ToShape(JsonElement example, IReadOnlySet<string> sent) => ToShape(example, "", sent);

    private static Shape ToShape(JsonElement example, string field, IReadOnlySet<string> sent) => example.ValueKind switch
    {
        JsonValueKind.Object => new ObjectShape(
            [.. example.EnumerateObject().Select(p => new FieldShape(p.Name, ToShape(p.Value, p.Name, sent)))], IsOrdered: true),
        JsonValueKind.Array => new ListShape([.. example.EnumerateArray().Select(i => ToShape(i, "", sent))]),
        JsonValueKind.String => ToShape(example.GetString()!, field, sent),
        JsonValueKind.True or JsonValueKind.False => new LiteralShape(JsonValueKind.True, JsonValueKind.False),
        var kind => new LiteralShape(kind),
    };

    private static Shape ToShape(string text, string field, IReadOnlySet<string> sent)
    {
        if (Guid.TryParseExact(text, "D", out _))
            return new UuidShape();
        if (Instant().IsMatch(text))
            return new InstantShape();
        return ConstantFields.Contains(field, StringComparer.Ordinal) || sent.Contains(text) ? new WordShape(text) : new TextShape();
    }

    /// <summary>Strings stay as they are, dots inside them too; dots between values go, with the comma in front.</summary>
    [GeneratedRegex("""(?<string>"(\\.|[^"\\])*")|,?\s*\.{3,}""", RegexOptions.ExplicitCapture)]
    private static partial Regex Dots();

    [GeneratedRegex(@"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")]
    private static partial Regex Instant();
}
