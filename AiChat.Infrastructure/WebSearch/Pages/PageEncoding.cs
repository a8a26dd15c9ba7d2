using System.Net.Http.Headers;
using System.Text;
using AngleSharp.Html;
using AngleSharp.Html.Parser;
using AngleSharp.Html.Parser.Tokens;
using AngleSharp.Text;

namespace AiChat.Infrastructure.WebSearch.Pages;

/// <summary>
/// Finds out how a page is encoded, in the order of https://html.spec.whatwg.org/#determining-the-character-encoding: its byte order mark,
/// its Content-Type, its meta elements, else UTF-8.
/// </summary>
internal static class PageEncoding
{
    /// <summary>A meta element further back names no encoding.</summary>
    private const int MetaEnd = 1024;

    private static readonly (byte[] Mark, Encoding Encoding)[] Marks =
    [
        ([0xEF, 0xBB, 0xBF], Encoding.UTF8),
        ([0xFF, 0xFE], Encoding.Unicode),
        ([0xFE, 0xFF], Encoding.BigEndianUnicode),
    ];

    static PageEncoding() => Encoding.RegisterProvider(CodePagesEncodingProvider.Instance);

    /// <summary>The text without its byte order mark; what is not of the encoding becomes U+FFFD, and half a character at the end is left out.</summary>
    public static string Decode(ReadOnlySpan<byte> body, MediaTypeHeaderValue type)
    {
        foreach (var (mark, encoding) in Marks)
        {
            if (body.StartsWith(mark))
                return Decode(body[mark.Length..], encoding);
        }

        return Decode(body, Find(type.CharSet) ?? FindInMeta(body) ?? Encoding.UTF8);
    }

    private static string Decode(ReadOnlySpan<byte> body, Encoding encoding)
    {
        var characters = new char[encoding.GetMaxCharCount(body.Length)];
        var count = encoding.GetDecoder().GetChars(body, characters, flush: false);
        return new string(characters, 0, count);
    }

    private static Encoding? FindInMeta(ReadOnlySpan<byte> body)
    {
        using var source = new TextSource(Encoding.Latin1.GetString(body[..Math.Min(body.Length, MetaEnd)]));
        using var tokens = new HtmlTokenizer(source, HtmlEntityProvider.Resolver) { SkipComments = true };
        while (tokens.Get() is { Type: not HtmlTokenType.EndOfFile } token)
        {
            if (token is HtmlTagToken { Type: HtmlTokenType.StartTag, Name: "meta" } meta && FindInMeta(meta) is { } encoding)
                return encoding;
        }

        return null;
    }

    /// <summary>What can be read as ASCII up to here is no UTF-16, whatever it says.</summary>
    private static Encoding? FindInMeta(HtmlTagToken meta)
    {
        var name = meta.GetAttribute("charset");
        if (string.IsNullOrEmpty(name) && MediaTypeHeaderValue.TryParse(meta.GetAttribute("content"), out var type))
            name = type.CharSet;
        return Find(name) is { } encoding && encoding is not UnicodeEncoding ? encoding : null;
    }

    private static Encoding? Find(string? name)
    {
        name = name?.Trim().Trim('"', '\'');
        return name is { Length: > 0 } && TextEncoding.IsSupported(name) ? TextEncoding.Resolve(name) : null;
    }
}
