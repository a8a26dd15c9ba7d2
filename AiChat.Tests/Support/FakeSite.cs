using System.Collections.Concurrent;
using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Http;

namespace AiChat.Tests.Support;

/// <summary>
/// A small site on loopback: the pages a test gives it, and a search over them in JSON for a search engine that is set up with
/// <see cref="SearchUrl"/>.
/// </summary>
public sealed partial class FakeSite : IAsyncDisposable
{
    private const string SearchPath = "/search.json";
    private const int SnippetLength = 200;

    private readonly ScriptedServer server;
    private readonly ConcurrentDictionary<string, RequestDelegate> pages = new();
    private readonly ConcurrentDictionary<string, string> searchable = new();

    private FakeSite(ScriptedServer server)
    {
        this.server = server;
        server.Handler = AnswerAsync;
    }

    /// <summary>Without a slash at the end.</summary>
    public string BaseUrl => server.Url;

    /// <summary>Where the search is, with <c>{query}</c> where the query has to be written.</summary>
    public string SearchUrl => $"{BaseUrl}{SearchPath}?q={{query}}";

    /// <summary>Every request so far, those of the search among them.</summary>
    public IReadOnlyList<ScriptedRequest> Requests => server.Requests;

    public static async Task<FakeSite> StartAsync() => new(await ScriptedServer.StartAsync());

    /// <summary>The address of a page.</summary>
    public string UrlOf(string path) => BaseUrl + path;

    /// <summary>Adds a page that the search finds by its words, or replaces it.</summary>
    /// <param name="path">Where it is, with a slash at the beginning.</param>
    /// <param name="html">The whole document.</param>
    public void Add(string path, string html)
    {
        searchable[path] = html;
        pages[path] = context =>
        {
            context.Response.ContentType = "text/html; charset=utf-8";
            return context.Response.WriteAsync(html);
        };
    }

    /// <summary>Has the page answered in another way: slowly, with an error, with a redirect. The search finds it as before, if it did.</summary>
    public void Answer(string path, RequestDelegate answer) => pages[path] = answer;

    public ValueTask DisposeAsync() => server.DisposeAsync();

    private Task AnswerAsync(HttpContext context)
    {
        if (context.Request.Path == SearchPath)
            return context.Response.WriteAsync(Search(context.Request.Query["q"].ToString()));
        if (pages.TryGetValue(context.Request.Path, out var answer))
            return answer(context);
        context.Response.StatusCode = StatusCodes.Status404NotFound;
        return Task.CompletedTask;
    }

    /// <summary>Pages that have at least one word of the query, those with most of them first.</summary>
    private string Search(string query)
    {
        var words = query.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        var results = searchable
            .Select(page => (page.Key, Html: page.Value, Hits: words.Count(w => ToText(page.Value).Contains(w, StringComparison.OrdinalIgnoreCase))))
            .Where(page => page.Hits > 0)
            .OrderByDescending(page => page.Hits).ThenBy(page => page.Key, StringComparer.Ordinal)
            .Select(page => new { url = UrlOf(page.Key), title = ToTitle(page.Html), content = ToSnippet(page.Html) });
        return JsonSerializer.Serialize(new { results });
    }

    private static string ToTitle(string html) => WebUtility.HtmlDecode(Title().Match(html).Groups[1].Value);

    private static string ToSnippet(string html) => ToText(html) is { Length: > SnippetLength } text ? text[..SnippetLength] : ToText(html);

    private static string ToText(string html) => WebUtility.HtmlDecode(Tag().Replace(Title().Replace(html, ""), " ")).Trim();

    [GeneratedRegex("<title>(.*?)</title>", RegexOptions.Singleline)]
    private static partial Regex Title();

    [GeneratedRegex("<[^>]*>")]
    private static partial Regex Tag();
}
