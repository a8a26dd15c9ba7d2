using System.Globalization;
using System.Text.Json;
using AiChat.Core;
using AiChat.Core.WebSearch;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace AiChat.Infrastructure.WebSearch;

/// <summary>Brave Search (https://api-dashboard.search.brave.com/api-reference/web/search/get).</summary>
internal sealed class BraveWebSearch(IOptions<WebSearchOptions> options, TimeProvider time, ILogger<BraveWebSearch> logger) : IWebSearch, IDisposable
{
    /// <summary>It refuses longer queries.</summary>
    private const int LongestQuery = 400;

    /// <summary>It refuses queries of more words.</summary>
    private const int MostWords = 50;

    private const int MostResults = 20;

    private static readonly SearchEngine Engine = new() { Title = "Brave Search", AddressSetting = "WebSearch:BraveUrl", Explain = Explain };

    private readonly SearchHttp http = new(Engine, options.Value.SearchTimeout, time, logger);

    public string Name => WebSearchOptions.Brave;

    public string? MissingSetting => options.Value.BraveApiKey is null ? WebSearchOptions.BraveKeySetting : null;

    public async Task<IReadOnlyList<SearchResult>> SearchAsync(string query, int count, CancellationToken cancellationToken)
    {
        var words = SingleLine.From(query, LongestQuery).Split(' ').Take(MostWords);
        var url = string.Create(CultureInfo.InvariantCulture,
            $"{options.Value.BraveUrl.TrimEnd('/')}/res/v1/web/search?q={Uri.EscapeDataString(string.Join(' ', words))}&count={Math.Min(count, MostResults)}");
        var request = new HttpRequestMessage(HttpMethod.Get, url);
        request.Headers.Add("X-Subscription-Token", options.Value.BraveApiKey);
        var answer = await http.SendAsync(request, cancellationToken);
        // Where nothing was found there is no part for the web.
        if (!answer.TryGetProperty("web", out var web) || web.ValueKind == JsonValueKind.Null)
            return [];
        if (web.ValueKind != JsonValueKind.Object || !web.TryGetProperty("results", out var results) || results.ValueKind != JsonValueKind.Array)
            throw http.Unreadable("it has no list of results");
        return FoundPages.Read(results, "description", count);
    }

    public void Dispose() => http.Dispose();

    /// <summary>A wrong key is 422 there, which other requests that cannot be worked on are, too; ours give no reason for that.</summary>
    private static string? Explain(int status) => status switch
    {
        401 or 403 or 422 => $"refuses the key. Correct {WebSearchOptions.BraveKeySetting}.",
        402 => "takes no more searches until they are paid for. See to the plan the key belongs to.",
        429 => "is asked too often, or more often than the key's plan allows. Try again later.",
        _ => null,
    };
}
