using System.Text;

namespace AiChat.Tests.Seeds;

/// <summary>Splits a command into its words as a shell does: quotes, backslashes, continuation lines.</summary>
public static class ShellWords
{
    /// <summary>Whatever a shell would act on: a line that has it is no single command.</summary>
    private const string Operators = "|&;<>()$`*?";

    /// <summary>Null when the command goes on in the next line: a quote is open, or a backslash ends the text.</summary>
    /// <exception cref="FormatException">It asks for more of a shell than a command's words.</exception>
    public static IReadOnlyList<string>? Split(string text)
    {
        var words = new List<string>();
        StringBuilder? word = null;
        for (var i = 0; i < text.Length; i++)
        {
            var c = text[i];
            if (c is '\'' or '"')
            {
                if (ReadQuoted(text, ref i, word ??= new StringBuilder()))
                    continue;
                return null;
            }

            if (c == '\\')
            {
                if (++i >= text.Length)
                    return null;
                if (text[i] != '\n')
                    (word ??= new StringBuilder()).Append(text[i]);
            }
            else if (char.IsWhiteSpace(c))
            {
                Finish(words, ref word);
            }
            else if (Operators.Contains(c, StringComparison.Ordinal))
            {
                throw new FormatException($"A shell is needed for the '{c}' in: {text}");
            }
            else
            {
                (word ??= new StringBuilder()).Append(c);
            }
        }

        Finish(words, ref word);
        return words;
    }

    /// <summary>False when the quote does not end; <paramref name="position"/> is moved from the opening to the closing one.</summary>
    private static bool ReadQuoted(string text, ref int position, StringBuilder word)
    {
        var quote = text[position];
        for (var i = position + 1; i < text.Length; i++)
        {
            if (text[i] == quote)
            {
                position = i;
                return true;
            }

            if (quote == '"' && text[i] is '$' or '`')
                throw new FormatException($"A shell is needed for the '{text[i]}' in: {text}");
            if (quote == '"' && text[i] == '\\' && i + 1 < text.Length && text[i + 1] is '"' or '\\')
                i++;
            word.Append(text[i]);
        }

        return false;
    }

    private static void Finish(List<string> words, ref StringBuilder? word)
    {
        if (word is not null)
            words.Add(word.ToString());
        word = null;
    }
}
