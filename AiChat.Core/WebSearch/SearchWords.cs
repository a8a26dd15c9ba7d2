using System.Globalization;
using System.Text;

namespace AiChat.Core.WebSearch;

/// <summary>Cuts texts of any language into what can be compared.</summary>
internal static class SearchWords
{
    /// <summary>First and last characters of the scripts that are written without spaces between words, or, as Korean, with few.</summary>
    private static readonly (int First, int Last)[] Unspaced =
    [
        (0x0E00, 0x0EFF), // Thai, Lao
        (0x1000, 0x109F), // Myanmar
        (0x1780, 0x17FF), // Khmer
        (0x3040, 0x30FF), // Hiragana, Katakana
        (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x323AF), // Han
        (0xAC00, 0xD7AF), // Hangul
    ];

    /// <summary>
    /// The words in their order, in lower case; of a stretch in a script without spaces every two characters that follow each other, or its
    /// only one.
    /// </summary>
    public static List<string> Split(string text)
    {
        var words = new List<string>();
        var stretch = new List<Rune>();
        var isUnspaced = false;
        foreach (var rune in text.EnumerateRunes())
        {
            if (!IsPartOfWord(rune))
            {
                End();
                continue;
            }

            if (stretch.Count > 0 && isUnspaced != IsUnspaced(rune) && !IsMark(rune))
                End();
            if (stretch.Count == 0)
                isUnspaced = IsUnspaced(rune);
            stretch.Add(Rune.ToLowerInvariant(rune));
        }

        End();
        return words;

        void End()
        {
            if (isUnspaced && stretch.Count > 1)
                words.AddRange(stretch.Zip(stretch.Skip(1), (one, other) => $"{one}{other}"));
            else if (stretch.Count > 0)
                words.Add(string.Concat(stretch));
            stretch.Clear();
        }
    }

    private static bool IsPartOfWord(Rune rune) => Rune.IsLetterOrDigit(rune) || IsMark(rune);

    /// <summary>Accents and vowels that belong to the letter before.</summary>
    private static bool IsMark(Rune rune) => Rune.GetUnicodeCategory(rune) is UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark;

    private static bool IsUnspaced(Rune rune) => Array.Exists(Unspaced, script => rune.Value >= script.First && rune.Value <= script.Last);
}
