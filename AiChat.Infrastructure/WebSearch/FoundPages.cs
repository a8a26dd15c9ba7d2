using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;
using AiChat.Core;
using AiChat.Core.WebSearch;

namespace AiChat.Infrastructure.WebSearch;

/// <summary>Reads the list of results that all engines send alike, but for one name.</summary>
internal static partial class FoundPages
{
    /// <summary>UTF-16 code units. A page that has a longer address is left out: half an address leads elsewhere.</summary>
    private const int LongestUrl = 2048;

    private const int LongestTitle = 200;
    private const int LongestSnippet = 1000;

    /// <summary>The first pages of the list that can be fetched, each address once, with texts free of HTML.</summary>
    /// <param name="results">An array of objects with <c>url</c> and <c>title</c>; entries that are something else are passed over.</param>
    /// <param name="snippet">The name of what the engine shows of a page.</param>
    /// <param name="count">The most to take.</param>
    public static IReadOnlyList<SearchResult> Read(JsonElement results, string snippet, int count) =>
        [.. results.EnumerateArray()
            .Where(r => r.ValueKind == JsonValueKind.Object)
            .Select(r => ToResult(r, snippet))
            .OfType<SearchResult>()
            .DistinctBy(r => r.Url)
            .Take(count)];

    private static SearchResult? ToResult(JsonElement result, string snippet) =>
        ReadUrl(ReadText(result, "url")) is { } url
            ? new SearchResult(url, ToPlain(ReadText(result, "title"), LongestTitle), ToPlain(ReadText(result, snippet), LongestSnippet))
            : null;

    private static Uri? ReadUrl(string text) =>
        text.Length <= LongestUrl
        && Uri.TryCreate(text, UriKind.Absolute, out var url)
        && (url.Scheme == Uri.UriSchemeHttp || url.Scheme == Uri.UriSchemeHttps)
        && url.UserInfo.Length == 0
        && url.AbsoluteUri.Length <= LongestUrl
            ? url
            : null;

    private static string ReadText(JsonElement result, string name) =>
        result.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString()! : "";

    private static string ToPlain(string text, int longest) => SingleLine.From(WebUtility.HtmlDecode(Tags().Replace(text, "")), longest);

    /// <summary>Those that stand in lines of text. Others stay: <c>List&lt;string&gt;</c> in a text that is plain already is none.</summary>
    [GeneratedRegex("</?(?:a|b|br|code|div|em|font|i|li|mark|ol|p|q|s|small|span|strong|sub|sup|u|ul|wbr)(?:\\s[^<>]*)?/?>",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Tags();
}
