using System.Text;

namespace AiChat.Core;

/// <summary>Texts as one line: all white space and whatever cannot be shown becomes single spaces.</summary>
public static class SingleLine
{
    private const string Opening = "\"'`“‘«„";
    private const string Closing = "\"'`”’»“";

    /// <summary>What models put around a line may be so many times as long as the line.</summary>
    private const int Wrapping = 4;

    /// <summary>The text, or its beginning up to the end of a word, in at most so many UTF-16 code units.</summary>
    public static string From(ReadOnlySpan<char> text, int longest)
    {
        var line = new StringBuilder(Math.Min(text.Length, longest + 1));
        var isBetween = false;
        foreach (var rune in text.EnumerateRunes())
        {
            if (Rune.IsWhiteSpace(rune) || Rune.IsControl(rune))
            {
                isBetween = line.Length > 0;
                continue;
            }

            // One more than may be: the cut has to see whether a word ends there.
            if (line.Length > longest)
                break;
            if (isBetween)
                line.Append(' ');
            isBetween = false;
            line.Append(rune);
        }

        return Cut(line.ToString(), longest);
    }

    /// <summary>
    /// The line a model was asked for: the first one that says something, without heading marks, quotation marks and the full stop that models
    /// like to put around it, and without any of these prefixes. Empty when there is none.
    /// </summary>
    public static string FromAnswer(string answer, int longest, params string[] prefixes)
    {
        foreach (var line in answer.AsSpan().EnumerateLines())
        {
            if (Unwrap(From(line, Wrapping * longest), prefixes) is { Length: > 0 } said)
                return Cut(said, longest);
        }

        return "";
    }

    private static string Cut(string line, int longest)
    {
        if (line.Length <= longest)
            return line;
        var end = line.LastIndexOf(' ', longest);
        if (end <= 0)
            end = char.IsHighSurrogate(line[longest - 1]) ? longest - 1 : longest;
        return line[..end];
    }

    private static string Unwrap(string line, string[] prefixes)
    {
        while (true)
        {
            var inner = UnwrapOnce(line, prefixes);
            if (inner.Length == line.Length)
                return line;
            line = inner;
        }
    }

    private static string UnwrapOnce(string line, string[] prefixes)
    {
        line = line.TrimStart('#').Trim('*').TrimEnd('.', '。').Trim();
        if (Array.Find(prefixes, p => line.StartsWith(p, StringComparison.OrdinalIgnoreCase)) is { } prefix)
            line = line[prefix.Length..].Trim();
        return IsQuoted(line) ? line[1..^1].Trim() : line;
    }

    private static bool IsQuoted(string line) =>
        line.Length >= 2
        && Opening.IndexOf(line[0], StringComparison.Ordinal) is >= 0 and var quote
        && line[^1] == Closing[quote]
        && !line.AsSpan(1, line.Length - 2).Contains(line[^1]);
}
