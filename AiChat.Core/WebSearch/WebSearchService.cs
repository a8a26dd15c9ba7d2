using AiChat.Core.Errors;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace AiChat.Core.WebSearch;

/// <summary>Finds out what the web says about a question.</summary>
/// <exception cref="ArgumentException">Two engines have one name.</exception>
public sealed partial class WebSearchService(
    IEnumerable<IWebSearch> engines, IPageReader pages, IOptions<WebSearchOptions> options, TimeProvider time, ILogger<WebSearchService> logger)
{
    /// <summary>UTF-16 code units. Where redirects led to a longer address, the source has the one it was found under.</summary>
    private const int LongestUrl = 2048;

    private const int LongestTitle = 200;
    private const int LongestLoggedHost = 100;

    private const string Unconfigured =
        "Searching the web is not configured on this server. Set WebSearch:SearxngUrl (as an environment variable WebSearch__SearxngUrl) to the "
        + "address of a SearXNG server whose JSON format is switched on, or set BRAVE_API_KEY or TAVILY_API_KEY, and start the server again.";

    private const string NoRoom = "The message leaves no room for what the web says. Shorten it, or ask for a model with a larger window.";

    /// <summary>The first of them that is ready is asked where the configuration names none.</summary>
    private static readonly string[] Order = [WebSearchOptions.Searxng, WebSearchOptions.Brave, WebSearchOptions.Tavily];

    /// <summary>Tokens of the fence around one excerpt, with its title and address; estimated.</summary>
    private const int FenceTokens = 100;

    /// <summary>About one passage, estimated: with less there is nothing to answer from, and no reason to say that nothing was found.</summary>
    private const int FewestTokens = 150;

    private readonly Dictionary<string, IWebSearch> engines = engines.ToDictionary(e => e.Name, StringComparer.OrdinalIgnoreCase);

    /// <summary>Most tokens that sources usually add to a prompt.</summary>
    public int MostTokens => options.Value.MaxTokens + (options.Value.MaxPages * FenceTokens);

    /// <summary>Refuses where no engine is configured.</summary>
    /// <exception cref="UnavailableException"><c>web_search_unconfigured</c>.</exception>
    public void RequireConfigured() => _ = GetEngine();

    /// <summary>Refuses where so few tokens are left that not even one passage would fit.</summary>
    /// <exception cref="WebSearchException">There are too few.</exception>
    public static void RequireRoom(int maxTokens)
    {
        if (maxTokens < FewestTokens)
            throw new WebSearchException(NoRoom);
    }

    /// <summary>
    /// The sources for a query in the order the engine has them, with passages of at most so many tokens together and no more than
    /// <see cref="WebSearchOptions.MaxTokens"/>; empty when nothing was found.
    /// </summary>
    /// <exception cref="UnavailableException"><c>web_search_unconfigured</c>.</exception>
    /// <exception cref="WebSearchException">The engine gave no usable answer, or there are too few tokens for a passage.</exception>
    public async Task<IReadOnlyList<Source>> FindAsync(string query, int maxTokens, CancellationToken cancellationToken)
    {
        var engine = GetEngine();
        RequireRoom(maxTokens);
        var results = await engine.SearchAsync(query, options.Value.MaxPages, cancellationToken);
        var found = await ReadAsync([.. results.Take(options.Value.MaxPages)], cancellationToken);
        var readable = found.Where(f => f.Text.Length > 0).DistinctBy(f => f.Url).ToList();
        var excerpts = Excerpts.Select(query, readable.ConvertAll(f => f.Text), Math.Min(maxTokens, options.Value.MaxTokens));
        return [.. readable.Zip(excerpts).Where(s => s.Second.Length > 0).Select((s, i) => s.First.ToSource(number: i + 1, s.Second))];
    }

    private IWebSearch GetEngine() =>
        (options.Value.Provider is { Length: > 0 } named ? [named] : Order)
            .Select(name => engines.GetValueOrDefault(name))
            .FirstOrDefault(engine => engine is { MissingSetting: null })
        ?? throw new UnavailableException(WebSearchException.Unconfigured, Unconfigured, retryAfter: null);

    /// <summary>Reads all pages at once and takes what has come when the time is over: the others are given up, and nobody waits for that.</summary>
    private async Task<List<Found>> ReadAsync(SearchResult[] results, CancellationToken cancellationToken)
    {
        using var timeLimit = new CancellationTokenSource(options.Value.PagesTimeout, time);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(timeLimit.Token, cancellationToken);
        var reads = Array.ConvertAll(results, result => ReadAsync(result.Url, stop.Token));
        try
        {
            await Task.WhenAll(reads).WaitAsync(stop.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // What came in time is used.
        }

        return [.. results.Zip(reads, (result, read) => new Found(result, read.IsCompletedSuccessfully ? read.Result : null))];
    }

    /// <summary>Whatever is wrong with one page, the others are used. The log lacks the failure's message: it may hold what the page sent.</summary>
    private async Task<WebPage?> ReadAsync(Uri url, CancellationToken cancellationToken)
    {
        try
        {
            return await pages.ReadAsync(url, cancellationToken);
        }
        catch (Exception failure) when (failure is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
        {
            LogBroken(failure.GetType().Name, SingleLine.From(url.Host, LongestLoggedHost));
            return null;
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "A page was not read: its reader broke, {Failure}, {Host}")]
    private partial void LogBroken(string failure, string host);

    /// <summary>A result and its page; null when that could not be read.</summary>
    private sealed record Found(SearchResult Result, WebPage? Page)
    {
        public Uri Url => Page is { Url.AbsoluteUri.Length: <= LongestUrl } ? Page.Url : Result.Url;

        public string Text => string.IsNullOrWhiteSpace(Page?.Text) ? Result.Snippet.Trim() : Page.Text;

        public Source ToSource(int number, string excerpt) => new() { Number = number, Url = Url.AbsoluteUri, Title = GetTitle(), Excerpt = excerpt };

        private string GetTitle() =>
            new[] { Page?.Title ?? "", Result.Title }.Select(title => SingleLine.From(title, LongestTitle)).FirstOrDefault(title => title.Length > 0) ?? Url.Host;
    }
}
