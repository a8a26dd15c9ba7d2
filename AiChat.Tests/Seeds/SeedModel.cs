using System.Text.RegularExpressions;

namespace AiChat.Tests.Seeds;

/// <summary>A kind of object that a document describes field by field.</summary>
/// <param name="Name">As the document writes it: <c>Message</c>, <c>chats</c>.</param>
/// <param name="Fields">In the document's order.</param>
public sealed partial record SeedModel(string Name, IReadOnlyList<FieldShape> Fields)
{
    /// <summary>What many of them are called, in paths and as a field: <c>messages</c>.</summary>
    public string Plural => Name.EndsWith('s') ? Name.ToLowerInvariant() : Name.ToLowerInvariant() + "s";

    public Shape One => new ObjectShape(Fields, IsOrdered: false);

    public Shape Many => new ListShape([One], Plural);

    /// <summary>The fields a line describes: <c>- `id`: UUID (Primary Key) - …</c>, <c>- `created_at`, `updated_at`: Timestamps</c>.</summary>
    /// <exception cref="FormatException">It describes none.</exception>
    public static IEnumerable<FieldShape> ReadFields(string line)
    {
        var match = FieldLine().Match(line);
        if (!match.Success)
            throw new FormatException($"This is no description of a field: {line}");
        var shape = ToShape(match.Groups["description"].Value.TrimStart(':', ' '));
        return Quoted().Matches(match.Groups["names"].Value).Select(name => new FieldShape(name.Groups["text"].Value, shape));
    }

    private static Shape ToShape(string description)
    {
        var shape = ToType(description);
        return description.Contains("Optional", StringComparison.Ordinal) ? new OptionalShape(shape) : shape;
    }

    private static Shape ToType(string description)
    {
        if (EnumWords().Match(description) is { Success: true } enumeration)
            return new WordShape(enumeration.Groups["words"].Value.Split(',', StringSplitOptions.TrimEntries));
        if (description.Contains("\" or \"", StringComparison.Ordinal))
            return new WordShape([.. InQuotes().Matches(description).Select(m => m.Groups["text"].Value)]);
        if (Identifier().IsMatch(description))
            return new UuidShape();
        if (Time().IsMatch(description))
            return new InstantShape();
        return description.StartsWith("JSON", StringComparison.Ordinal) ? new JsonShape() : new TextShape();
    }

    [GeneratedRegex(@"^\s*- (?<names>`\w+`(, `\w+`)*)(?<description>.*)$", RegexOptions.ExplicitCapture)]
    private static partial Regex FieldLine();

    [GeneratedRegex("`(?<text>[^`]+)`")]
    private static partial Regex Quoted();

    [GeneratedRegex("\"(?<text>[^\"]+)\"")]
    private static partial Regex InQuotes();

    [GeneratedRegex(@"Enum \((?<words>[^)]+)\)")]
    private static partial Regex EnumWords();

    [GeneratedRegex("UUID|Primary key|Foreign key|identifier", RegexOptions.IgnoreCase)]
    private static partial Regex Identifier();

    [GeneratedRegex("DateTime|date and time|Timestamps", RegexOptions.IgnoreCase)]
    private static partial Regex Time();
}
