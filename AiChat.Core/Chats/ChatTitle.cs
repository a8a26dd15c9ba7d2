using System.Text;

namespace AiChat.Core.Chats;

/// <summary>Makes the name of a chat: one line of whole words. Empty where there is nothing to make it of.</summary>
public static class ChatTitle
{
    /// <summary>UTF-16 code units of a title that is the beginning of a message.</summary>
    public const int LongestBeginning = 60;

    /// <summary>UTF-16 code units of a title that a model gave.</summary>
    public const int LongestAnswer = 80;

    private const string Prefix = "Title:";
    private const string Opening = "\"'`“‘«„";
    private const string Closing = "\"'`”’»“";

    /// <summary>The beginning of what the user said.</summary>
    public static string FromMessage(string message) => Shorten(ToLine(message), LongestBeginning);

    /// <summary>The title in what a model said: its first line that says something, without what models like to put around it.</summary>
    public static string FromAnswer(string answer)
    {
        foreach (var line in answer.AsSpan().EnumerateLines())
        {
            if (Unwrap(ToLine(line)) is { Length: > 0 } title)
                return Shorten(title, LongestAnswer);
        }

        return "";
    }

    /// <summary>All white space and whatever cannot be shown becomes single spaces.</summary>
    private static string ToLine(ReadOnlySpan<char> text)
    {
        var line = new StringBuilder(Math.Min(text.Length, 2 * LongestAnswer));
        var isBetween = false;
        foreach (var rune in text.EnumerateRunes())
        {
            if (Rune.IsWhiteSpace(rune) || Rune.IsControl(rune))
            {
                isBetween = line.Length > 0;
                continue;
            }

            // More than enough for a title, whatever is removed from it.
            if (line.Length > 4 * LongestAnswer)
                break;
            if (isBetween)
                line.Append(' ');
            isBetween = false;
            line.Append(rune);
        }

        return line.ToString();
    }

    private static string Unwrap(string line)
    {
        while (true)
        {
            var inner = UnwrapOnce(line);
            if (inner.Length == line.Length)
                return line;
            line = inner;
        }
    }

    private static string UnwrapOnce(string line)
    {
        line = line.TrimStart('#').Trim('*').TrimEnd('.', '。').Trim();
        if (line.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase))
            line = line[Prefix.Length..].Trim();
        return IsQuoted(line) ? line[1..^1].Trim() : line;
    }

    private static bool IsQuoted(string line) =>
        line.Length >= 2
        && Opening.IndexOf(line[0], StringComparison.Ordinal) is >= 0 and var quote
        && line[^1] == Closing[quote]
        && !line.AsSpan(1, line.Length - 2).Contains(line[^1]);

    private static string Shorten(string line, int longest)
    {
        if (line.Length <= longest)
            return line;
        var end = line.LastIndexOf(' ', longest);
        if (end <= 0)
            end = char.IsHighSurrogate(line[longest - 1]) ? longest - 1 : longest;
        return line[..end];
    }
}
