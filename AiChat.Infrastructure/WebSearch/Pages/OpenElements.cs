using AngleSharp.Html.Parser.Tokens;

namespace AiChat.Infrastructure.WebSearch.Pages;

/// <summary>
/// The elements that are open at a place of a page, kept the way HTML closes them: a paragraph ends where a block begins, an item where the
/// next one does, and a tag that closes nothing is ignored. Deeper than <see cref="DeepestLevel"/> they are only counted.
/// </summary>
internal sealed class OpenElements
{
    private const int DeepestLevel = 256;

    private readonly List<(string Name, Area Area)> stack = [];
    private readonly Dictionary<string, int> counts = new(StringComparer.Ordinal);
    private int uncounted;

    /// <summary>Where text that comes now stands.</summary>
    public Area Area => stack.Count > 0 ? stack[^1].Area : Area.Body;

    public void Open(HtmlTagToken tag)
    {
        if (HtmlElements.GetImpliedEnd(tag.Name) is { } implied)
            Close(implied.Closes, implied.IsBarrier);
        if (stack.Count >= DeepestLevel)
        {
            uncounted++;
            return;
        }

        stack.Add((tag.Name, FindArea(tag)));
        counts[tag.Name] = counts.GetValueOrDefault(tag.Name) + 1;
    }

    public void Close(string name)
    {
        if (uncounted > 0)
            uncounted--;
        else
            Close(name, HtmlElements.IsBlock(name) ? _ => false : HtmlElements.IsBlock);
    }

    private Area FindArea(HtmlTagToken tag)
    {
        var outer = Area;
        if (outer is Area.Skipped or Area.Title || HtmlElements.IsSkipped(tag))
            return Area.Skipped;
        if (tag.Name == "title")
            return counts.ContainsKey(tag.Name) ? Area.Skipped : Area.Title;
        if (outer == Area.Form || tag.Name == "form")
            return Area.Form;
        return HtmlElements.IsMain(tag) ? Area.Main : outer;
    }

    /// <summary>Closes the innermost element of the name, and all inside it, unless a barrier stands between.</summary>
    private void Close(string name, Predicate<string> isBarrier)
    {
        if (counts.GetValueOrDefault(name) == 0)
            return;
        var index = stack.Count - 1;
        while (stack[index].Name != name)
        {
            if (isBarrier(stack[index].Name))
                return;
            index--;
        }

        for (var i = index; i < stack.Count; i++)
            counts[stack[i].Name]--;
        stack.RemoveRange(index, stack.Count - index);
    }
}
