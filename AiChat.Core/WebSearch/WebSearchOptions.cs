using AiChat.Core.Models;
using Microsoft.Extensions.Configuration;

namespace AiChat.Core.WebSearch;

/// <summary>How the web is searched and its pages are read, for replies that ask for it.</summary>
public sealed class WebSearchOptions
{
    public const string Section = "WebSearch";

    public const string Searxng = "searxng";
    public const string Brave = "brave";
    public const string Tavily = "tavily";

    public const string BraveKeySetting = "BRAVE_API_KEY";
    public const string TavilyKeySetting = "TAVILY_API_KEY";

    /// <summary>
    /// The engine: <c>searxng</c>, <c>brave</c> or <c>tavily</c>; when empty, the first of them, in this order, whose address or key is given.
    /// </summary>
    public string Provider { get; set; } = "";

    /// <summary>The address of a SearXNG server whose JSON format is switched on, such as <c>http://localhost:8888</c>; empty for none.</summary>
    public string SearxngUrl { get; set; } = "";

    /// <summary>The address <c>/res/v1/web/search</c> is appended to.</summary>
    public string BraveUrl { get; set; } = "https://api.search.brave.com";

    /// <summary>When empty, the value of <c>BRAVE_API_KEY</c> is taken; null means there is none.</summary>
    public string? BraveApiKey { get; set; }

    /// <summary>The address <c>/search</c> is appended to.</summary>
    public string TavilyUrl { get; set; } = "https://api.tavily.com";

    /// <summary>When empty, the value of <c>TAVILY_API_KEY</c> is taken; null means there is none.</summary>
    public string? TavilyApiKey { get; set; }

    /// <summary>The alias that words the query where the chat has to be understood for it.</summary>
    public string QueryModel { get; set; } = ModelsOptions.DefaultAlias;

    /// <summary>Most pages that are fetched for one reply, and so most sources.</summary>
    public int MaxPages { get; set; } = 5;

    /// <summary>Most tokens of passages in one prompt, estimated.</summary>
    public int MaxTokens { get; set; } = 3000;

    /// <summary>Longest wait for the search engine.</summary>
    public TimeSpan SearchTimeout { get; set; } = TimeSpan.FromSeconds(8);

    /// <summary>Longest wait for all pages together; what has come by then is used.</summary>
    public TimeSpan PagesTimeout { get; set; } = TimeSpan.FromSeconds(6);

    /// <summary>Most bytes read of one page, as they come out of its compression; what lies behind is left out.</summary>
    public int MaxPageBytes { get; set; } = 2 * 1024 * 1024;

    /// <summary>Most redirects followed for one page.</summary>
    public int MaxRedirects { get; set; } = 4;

    /// <summary>
    /// Hosts, with their port, whose pages may be fetched although their address is not one of the public internet, such as
    /// <c>intranet.example:8080</c>. Empty: none. Whoever can write into a chat can make the server fetch from them.
    /// </summary>
    public IList<string> AllowedHosts { get; } = [];

    /// <summary>Reads the section, and the keys it does not give from their short names at the root.</summary>
    public void Bind(IConfiguration root)
    {
        root.GetSection(Section).Bind(this);
        BraveApiKey = ReadKey(BraveApiKey) ?? ReadKey(root[BraveKeySetting]);
        TavilyApiKey = ReadKey(TavilyApiKey) ?? ReadKey(root[TavilyKeySetting]);
    }

    private static string? ReadKey(string? value) => string.IsNullOrWhiteSpace(value) ? null : value.Trim();
}
