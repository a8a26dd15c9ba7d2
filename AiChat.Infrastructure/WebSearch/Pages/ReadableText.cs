using System.Text;
using AngleSharp.Html;
using AngleSharp.Html.Parser;
using AngleSharp.Html.Parser.Tokens;
using AngleSharp.Text;

namespace AiChat.Infrastructure.WebSearch.Pages;

/// <summary>
/// What a person would read of a page. The tokens are read one after the other and no tree is made of them: building one takes time that
/// grows with the square of the depth, more than a minute for a page of 100,000 nested elements.
/// </summary>
internal sealed class ReadableText
{
    private const int LongestTitle = 200;

    /// <summary>Characters that make the main part of a page worth more than the whole.</summary>
    private const int EnoughText = 250;

    private readonly Paragraphs<Area> paragraphs = new();
    private readonly StringBuilder title = new();
    private readonly OpenElements open = new();
    private string? socialTitle;
    private bool isBreakOpen;

    private ReadableText()
    {
    }

    /// <summary>The text and the title of an HTML page; the text is empty and the title null where it has none.</summary>
    public static (string Text, string? Title) OfHtml(string html, CancellationToken cancellationToken)
    {
        var reader = new ReadableText();
        reader.Read(html, cancellationToken);
        return (reader.ChooseText(), reader.ChooseTitle());
    }

    /// <summary>The same paragraphs, tidied.</summary>
    public static string OfPlainText(string text)
    {
        var paragraphs = new Paragraphs<bool>();
        foreach (var line in text.AsSpan().EnumerateLines())
        {
            if (line.IsWhiteSpace())
                paragraphs.End();
            else
                paragraphs.Add(line, newKind: true);
            paragraphs.AddSpace();
        }

        paragraphs.End();
        return paragraphs.Join(_ => true);
    }

    private void Read(string html, CancellationToken cancellationToken)
    {
        using var source = new TextSource(html);
        using var tokens = new HtmlTokenizer(source, HtmlEntityProvider.Resolver)
        {
            SkipComments = true,
            DisableElementPositionTracking = true,
            ShouldEmitAttribute = (ref _, name) => HtmlElements.IsAttributeRead(name.Span),
        };
        while (tokens.Get() is { Type: not HtmlTokenType.EndOfFile } token)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (token.Type == HtmlTokenType.Character)
                AddText(token.Data);
            else if (token is HtmlTagToken { Type: HtmlTokenType.StartTag } start)
                Open(start, tokens);
            else if (token is HtmlTagToken { Type: HtmlTokenType.EndTag } end)
                Close(end.Name);
        }

        paragraphs.End();
    }

    private void AddText(string text)
    {
        if (open.Area == Area.Title)
            title.Append(text);
        if (!open.Area.IsShown())
            return;
        paragraphs.Add(text, open.Area);
        isBreakOpen &= string.IsNullOrWhiteSpace(text);
    }

    private void Open(HtmlTagToken tag, HtmlTokenizer tokens)
    {
        if (tag.Name == "meta")
            socialTitle ??= tag.GetAttribute("property") == "og:title" ? tag.GetAttribute("content") : null;
        if (tag.Name == "br")
            Break();
        else if (HtmlElements.IsCell(tag.Name))
            StartCell();
        else if (HtmlElements.IsBlock(tag.Name))
            EndParagraph();
        if (tag.IsSelfClosing || HtmlElements.IsVoid(tag.Name))
            return;
        open.Open(tag);
        tokens.State = HtmlElements.GetMode(tag.Name);
    }

    private void Close(string name)
    {
        if (HtmlElements.IsCell(name))
            paragraphs.AddSpace();
        else if (HtmlElements.IsBlock(name))
            EndParagraph();
        open.Close(name);
    }

    /// <summary>One is a space, two are the end of a paragraph.</summary>
    private void Break()
    {
        if (isBreakOpen)
            EndParagraph();
        else
            paragraphs.AddSpace();
        isBreakOpen = !isBreakOpen;
    }

    private void StartCell()
    {
        if (!paragraphs.IsEmpty && open.Area.IsShown())
            paragraphs.Add(" | ", open.Area);
        paragraphs.AddSpace();
    }

    private void EndParagraph()
    {
        paragraphs.End();
        isBreakOpen = false;
    }

    /// <summary>The main part where the page names one; what stands in forms only where nothing else does, as some sites put all into one.</summary>
    private string ChooseText()
    {
        var main = paragraphs.Join(a => a == Area.Main);
        if (main.Length >= EnoughText)
            return main;
        var body = paragraphs.Join(a => a is Area.Main or Area.Body);
        return body.Length > 0 ? body : paragraphs.Join(_ => true);
    }

    private string? ChooseTitle()
    {
        var text = Tidy(title.ToString());
        if (text.Length == 0 && socialTitle is not null)
            text = Tidy(socialTitle);
        if (text.Length > LongestTitle)
            text = text[..(char.IsHighSurrogate(text[LongestTitle - 1]) ? LongestTitle - 1 : LongestTitle)];
        return text.Length > 0 ? text : null;
    }

    private static string Tidy(string text)
    {
        var paragraphs = new Paragraphs<bool>();
        paragraphs.Add(text, newKind: true);
        paragraphs.End();
        return paragraphs.Join(_ => true);
    }
}
