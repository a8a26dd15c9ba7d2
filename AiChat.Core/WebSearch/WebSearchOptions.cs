using AiChat.Core.Models;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

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

    /// <summary>Longest time that model may take; then the query is the message itself.</summary>
    public TimeSpan QueryTimeout { get; set; } = TimeSpan.FromSeconds(8);

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
    /// <c>intranet.example:8080</c>; without a port, 80 and 443 are meant. Empty: none. Whoever can write into a chat can make the server fetch
    /// from them.
    /// </summary>
    public IList<string> AllowedHosts { get; } = [];

    /// <summary>Reads the section, and the keys it does not give from their short names at the root.</summary>
    public void Bind(IConfiguration root)
    {
        root.GetSection(Section).Bind(this);
        Provider = ReadKey(Provider) ?? "";
        SearxngUrl = ReadKey(SearxngUrl) ?? "";
        BraveApiKey = ReadKey(BraveApiKey) ?? ReadKey(root[BraveKeySetting]);
        TavilyApiKey = ReadKey(TavilyApiKey) ?? ReadKey(root[TavilyKeySetting]);
    }

    private static string? ReadKey(string? value) => string.IsNullOrWhiteSpace(value) ? null : value.Trim();
}

/// <param name="aliases">Names of the configured aliases.</param>
public sealed class WebSearchOptionsValidator(Func<IEnumerable<string>> aliases) : IValidateOptions<WebSearchOptions>
{
    /// <summary>A passage has about so many.</summary>
    private const int FewestTokens = 100;

    /// <summary>No engine gives more results at once.</summary>
    private const int MostPages = 20;

    private const int FewestPageBytes = 1024;
    private const int MostPageBytes = 64 * 1024 * 1024;
    private const int MostRedirects = 20;

    private static readonly TimeSpan LongestTimeout = TimeSpan.FromMinutes(5);

    public ValidateOptionsResult Validate(string? name, WebSearchOptions options)
    {
        string[] problems = [.. CheckEngines(options), .. CheckQuery(options), .. CheckLimits(options), .. options.AllowedHosts.SelectMany(CheckHost)];
        return problems.Length == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(problems);
    }

    private static IEnumerable<string> CheckEngines(WebSearchOptions options)
    {
        if (CheckProvider(options) is { } problem)
            yield return problem;
        if (options.SearxngUrl.Length > 0 && !IsAddress(options.SearxngUrl))
            yield return WrongAddress(nameof(options.SearxngUrl), "http://localhost:8888");
        if (!IsAddress(options.BraveUrl))
            yield return WrongAddress(nameof(options.BraveUrl), "https://api.search.brave.com");
        if (!IsAddress(options.TavilyUrl))
            yield return WrongAddress(nameof(options.TavilyUrl), "https://api.tavily.com");
        if (!IsKey(options.BraveApiKey))
            yield return WrongKey(nameof(options.BraveApiKey), WebSearchOptions.BraveKeySetting);
        if (!IsKey(options.TavilyApiKey))
            yield return WrongKey(nameof(options.TavilyApiKey), WebSearchOptions.TavilyKeySetting);
    }

    private static string? CheckProvider(WebSearchOptions options) => options.Provider.ToLowerInvariant() switch
    {
        "" => null,
        WebSearchOptions.Searxng => options.SearxngUrl.Length > 0
            ? null
            : "WebSearch:Provider is searxng, but WebSearch:SearxngUrl is empty: write the address of the server, such as http://localhost:8888.",
        WebSearchOptions.Brave => options.BraveApiKey is not null ? null : MissingKey(options.Provider, WebSearchOptions.BraveKeySetting),
        WebSearchOptions.Tavily => options.TavilyApiKey is not null ? null : MissingKey(options.Provider, WebSearchOptions.TavilyKeySetting),
        _ => $"WebSearch:Provider is '{options.Provider}': write searxng, brave or tavily, or leave it empty for the first whose address or key is given.",
    };

    private IEnumerable<string> CheckQuery(WebSearchOptions options)
    {
        if (!aliases().Contains(options.QueryModel, StringComparer.OrdinalIgnoreCase))
            yield return $"WebSearch:QueryModel is '{options.QueryModel}', which is not in Models: write one of its aliases, such as {ModelsOptions.DefaultAlias}.";
    }

    private static IEnumerable<string> CheckLimits(WebSearchOptions options)
    {
        if (options.MaxPages is < 1 or > MostPages)
            yield return $"WebSearch:MaxPages is {options.MaxPages}: write a number of pages from 1 to {MostPages}.";
        if (options.MaxTokens < FewestTokens)
            yield return $"WebSearch:MaxTokens is {options.MaxTokens}: write a number of tokens, {FewestTokens} or more.";
        if (options.MaxPageBytes is < FewestPageBytes or > MostPageBytes)
            yield return $"WebSearch:MaxPageBytes is {options.MaxPageBytes}: write a number of bytes from {FewestPageBytes} to {MostPageBytes}.";
        if (options.MaxRedirects is < 0 or > MostRedirects)
            yield return $"WebSearch:MaxRedirects is {options.MaxRedirects}: write a number from 0 to {MostRedirects}.";

        (string Name, TimeSpan Value)[] times =
        [
            (nameof(options.QueryTimeout), options.QueryTimeout),
            (nameof(options.SearchTimeout), options.SearchTimeout),
            (nameof(options.PagesTimeout), options.PagesTimeout),
        ];
        foreach (var (name, value) in times.Where(t => t.Value <= TimeSpan.Zero || t.Value > LongestTimeout))
            yield return $"WebSearch:{name} is {value}: write a time above zero and up to five minutes, such as 00:00:08.";
    }

    private static IEnumerable<string> CheckHost(string host, int index)
    {
        if (!IsHost(host))
            yield return $"WebSearch:AllowedHosts:{index} is '{host}': write a host or a host with its port, such as intranet.example:8080.";
    }

    /// <summary>A user name or password in it would not be sent, and a query would stand in the way of ours.</summary>
    private static bool IsAddress(string url) =>
        Uri.TryCreate(url, UriKind.Absolute, out var uri)
        && (uri.Scheme == Uri.UriSchemeHttp || uri.Scheme == Uri.UriSchemeHttps)
        && uri is { UserInfo: "", Query: "", Fragment: "" };

    private static bool IsKey(string? key) => key is null || key.All(c => c is > ' ' and <= '~');

    private static bool IsHost(string host) =>
        host.Length > 0
        && host.All(c => c > ' ' && !"/\\?#@".Contains(c, StringComparison.Ordinal))
        && !host.EndsWith(':')
        && Uri.TryCreate($"http://{host}", UriKind.Absolute, out var uri)
        && uri.Port > 0;

    private static string WrongAddress(string name, string example) =>
        $"WebSearch:{name} is not an absolute http or https address, or has a user name or a query in it: write one such as {example}.";

    private static string WrongKey(string name, string setting) =>
        $"WebSearch:{name} (or {setting}) has spaces, line breaks or non-ASCII characters in it: copy the key again.";

    private static string MissingKey(string provider, string setting) =>
        $"WebSearch:Provider is {provider}, but its key is missing: set {setting}, or name another engine.";
}
