using System.Globalization;
using System.Text;

namespace AiChat.Infrastructure.WebSearch.Pages;

/// <summary>
/// Collects running text. White space of any kind and length becomes one space; what nobody sees, such as control characters, marks of
/// direction and tags, is left out.
/// </summary>
internal sealed class Paragraphs<T>
{
    private const int ZeroWidthNonJoiner = 0x200C;
    private const int ZeroWidthJoiner = 0x200D;

    private readonly List<(string Text, T Kind)> finished = [];
    private readonly StringBuilder current = new();
    private T? kind;
    private bool isSpaceDue;

    /// <summary>Nothing has been added since the last end.</summary>
    public bool IsEmpty => current.Length == 0;

    /// <summary>Goes on with the paragraph, whose kind is that of its first visible character.</summary>
    public void Add(ReadOnlySpan<char> text, T newKind)
    {
        foreach (var rune in text.EnumerateRunes())
        {
            if (Rune.IsWhiteSpace(rune))
                isSpaceDue = true;
            else if (IsVisible(rune))
                Add(rune, newKind);
        }
    }

    /// <summary>Sets what follows apart from what is there.</summary>
    public void AddSpace() => isSpaceDue = true;

    public void End()
    {
        if (current.Length > 0)
            finished.Add((current.ToString(), kind!));
        current.Clear();
        isSpaceDue = false;
    }

    /// <summary>The paragraphs that have ended and are of these kinds, with an empty line between them.</summary>
    public string Join(Predicate<T> isWanted) => string.Join("\n\n", finished.Where(p => isWanted(p.Kind)).Select(p => p.Text));

    private void Add(Rune rune, T newKind)
    {
        if (current.Length == 0)
            kind = newKind;
        else if (isSpaceDue)
            current.Append(' ');
        isSpaceDue = false;
        current.Append(rune);
    }

    /// <summary>The joiners are format characters, too, but change what is read.</summary>
    private static bool IsVisible(Rune rune) =>
        rune.Value is ZeroWidthNonJoiner or ZeroWidthJoiner
        || Rune.GetUnicodeCategory(rune) is not (UnicodeCategory.Control or UnicodeCategory.Format);
}
