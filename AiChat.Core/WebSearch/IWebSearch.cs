namespace AiChat.Core.WebSearch;

/// <summary>A search engine for the web. The set of them is registered; which one is asked is configured.</summary>
public interface IWebSearch
{
    /// <summary>The name in <c>WebSearch:Provider</c>, compared without case.</summary>
    string Name { get; }

    /// <summary>The setting that must be given before it can be asked; null when it is ready.</summary>
    string? MissingSetting { get; }

    /// <summary>At most so many results, the best first; empty when nothing was found.</summary>
    /// <exception cref="WebSearchException">It gave no usable answer.</exception>
    Task<IReadOnlyList<SearchResult>> SearchAsync(string query, int count, CancellationToken cancellationToken);
}

/// <summary>A page a search engine names.</summary>
/// <param name="Url">Its address, http or https.</param>
/// <param name="Title">Its title as plain text; may be empty.</param>
/// <param name="Snippet">What the engine shows of it, as plain text; may be empty.</param>
public sealed record SearchResult(Uri Url, string Title, string Snippet);
