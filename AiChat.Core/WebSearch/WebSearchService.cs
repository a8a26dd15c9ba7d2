using AiChat.Core.Errors;
using Microsoft.Extensions.Options;

namespace AiChat.Core.WebSearch;

/// <summary>Finds out what the web says about a question.</summary>
public sealed class WebSearchService(IEnumerable<IWebSearch> engines, IPageReader pages, IOptions<WebSearchOptions> options)
{
    /// <summary>Refuses where no engine is configured.</summary>
    /// <exception cref="UnavailableException"><c>web_search_unconfigured</c>.</exception>
    public void RequireConfigured()
    {
        if (engines.All(e => e.MissingSetting is not null))
            throw new UnavailableException(WebSearchException.Unconfigured, "", retryAfter: null);
    }

    /// <summary>The sources for a query, the best first, with passages of at most so many tokens together; empty when nothing was found.</summary>
    /// <exception cref="WebSearchException">The engine gave no usable answer.</exception>
    public async Task<IReadOnlyList<Source>> FindAsync(string query, int maxTokens, CancellationToken cancellationToken)
    {
        var results = await engines.First().SearchAsync(query, Math.Min(maxTokens, options.Value.MaxPages), cancellationToken);
        var page = await pages.ReadAsync(results[0].Url, cancellationToken);
        return [new Source { Number = 1, Url = results[0].Url.ToString(), Title = results[0].Title, Excerpt = page?.Text ?? "" }];
    }
}
