using System.Collections.Frozen;
using AngleSharp.Html.Parser;
using AngleSharp.Html.Parser.Tokens;

namespace AiChat.Infrastructure.WebSearch.Pages;

/// <summary>What the elements of HTML mean to a reader.</summary>
internal static class HtmlElements
{
    private static readonly FrozenSet<string> Skipped = FrozenSet.Create(
        StringComparer.Ordinal,
        "script", "style", "noscript", "template", "svg", "math", "nav", "header", "footer", "aside", "button", "iframe", "select", "textarea",
        "object", "canvas", "audio", "video", "map", "dialog", "noembed", "noframes");

    private static readonly FrozenSet<string> Blocks = FrozenSet.Create(
        StringComparer.Ordinal,
        "html", "head", "body", "title", "main", "article", "section", "nav", "header", "footer", "aside", "address", "div", "p", "h1", "h2", "h3",
        "h4", "h5", "h6", "hgroup", "ul", "ol", "menu", "li", "dl", "dt", "dd", "table", "caption", "colgroup", "thead", "tbody", "tfoot", "tr",
        "td", "th", "form", "fieldset", "legend", "details", "summary", "figure", "figcaption", "blockquote", "pre", "hr", "center", "search",
        "script", "style", "noscript", "template", "svg", "math", "button", "iframe", "select", "textarea", "object", "canvas", "audio", "video",
        "map", "dialog", "noembed", "noframes", "xmp", "plaintext");

    private static readonly FrozenSet<string> Voids = FrozenSet.Create(
        StringComparer.Ordinal,
        "area", "base", "basefont", "bgsound", "br", "col", "embed", "frame", "hr", "img", "input", "keygen", "link", "meta", "param", "source",
        "track", "wbr");

    /// <summary>Whether it begins and ends a paragraph, or stands for more than its text.</summary>
    public static bool IsBlock(string name) => Blocks.Contains(name);

    /// <summary>Whether it has no content and no end.</summary>
    public static bool IsVoid(string name) => Voids.Contains(name);

    public static bool IsCell(string name) => name is "td" or "th";

    public static bool IsMain(HtmlTagToken tag) => tag.Name is "main" or "article" || tag.GetAttribute("role") == "main";

    /// <summary>Whether nobody reads it. A whole page is hidden only until its scripts have run.</summary>
    public static bool IsSkipped(HtmlTagToken tag) => Skipped.Contains(tag.Name) || (tag.Name is not ("html" or "body") && IsHidden(tag));

    /// <summary>Whether one of the attributes that are asked for here.</summary>
    public static bool IsAttributeRead(ReadOnlySpan<char> name) =>
        name is "hidden" or "aria-hidden" or "style" or "role" or "property" or "content";

    /// <summary>How what follows the tag is to be read.</summary>
    public static HtmlParseMode GetMode(string name) => name switch
    {
        "title" or "textarea" => HtmlParseMode.RCData,
        "style" or "xmp" or "iframe" or "noembed" or "noframes" => HtmlParseMode.Rawtext,
        "script" => HtmlParseMode.Script,
        "plaintext" => HtmlParseMode.Plaintext,
        _ => HtmlParseMode.PCData,
    };

    /// <summary>What an element's tag closes without saying so, and behind what it cannot; null when nothing.</summary>
    public static (string Closes, Predicate<string> IsBarrier)? GetImpliedEnd(string name) => name switch
    {
        "li" => ("li", n => n is "ul" or "ol" or "menu" or "table"),
        "dt" or "dd" => (name, n => n is "dl" or "table"),
        "tr" => ("tr", n => n is "table"),
        "td" or "th" => (name, n => n is "tr" or "table"),
        _ when IsBlock(name) => ("p", n => IsBlock(n)),
        _ => null,
    };

    private static bool IsHidden(HtmlTagToken tag) =>
        tag.Attributes.Exists(a => a.Name == "hidden")
        || string.Equals(tag.GetAttribute("aria-hidden"), "true", StringComparison.OrdinalIgnoreCase)
        || (tag.GetAttribute("style") is { Length: > 0 } style && IsHidden(style));

    private static bool IsHidden(string style)
    {
        var plain = string.Concat(style.Where(c => !char.IsWhiteSpace(c)));
        return plain.Contains("display:none", StringComparison.OrdinalIgnoreCase)
            || plain.Contains("visibility:hidden", StringComparison.OrdinalIgnoreCase);
    }
}
