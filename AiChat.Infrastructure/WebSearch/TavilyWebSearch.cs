using System.Text;
using System.Text.Json;
using AiChat.Core;
using AiChat.Core.WebSearch;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace AiChat.Infrastructure.WebSearch;

/// <summary>Tavily (https://docs.tavily.com/documentation/api-reference/endpoint/search).</summary>
internal sealed class TavilyWebSearch(IOptions<WebSearchOptions> options, TimeProvider time, ILogger<TavilyWebSearch> logger) : IWebSearch, IDisposable
{
    /// <summary>It refuses longer queries.</summary>
    private const int LongestQuery = 400;

    private const int MostResults = 20;

    private static readonly SearchEngine Engine = new() { Title = "Tavily", AddressSetting = "WebSearch:TavilyUrl", Explain = Explain };

    private readonly SearchHttp http = new(Engine, options.Value.SearchTimeout, time, logger);

    public string Name => WebSearchOptions.Tavily;

    public string? MissingSetting => options.Value.TavilyApiKey is null ? WebSearchOptions.TavilyKeySetting : null;

    public async Task<IReadOnlyList<SearchResult>> SearchAsync(string query, int count, CancellationToken cancellationToken)
    {
        var question = JsonSerializer.Serialize(new Dictionary<string, object>
        {
            ["query"] = SingleLine.From(query, LongestQuery),
            ["max_results"] = Math.Min(count, MostResults),
        });
        var request = new HttpRequestMessage(HttpMethod.Post, $"{options.Value.TavilyUrl.TrimEnd('/')}/search")
        {
            Content = new StringContent(question, Encoding.UTF8, "application/json"),
        };
        request.Headers.Add("Authorization", $"Bearer {options.Value.TavilyApiKey}");
        var answer = await http.SendAsync(request, cancellationToken);
        if (!answer.TryGetProperty("results", out var results) || results.ValueKind != JsonValueKind.Array)
            throw http.Unreadable("it has no list of results");
        return FoundPages.Read(results, "content", count);
    }

    public void Dispose() => http.Dispose();

    private static string? Explain(int status) => status switch
    {
        401 or 403 => $"refuses the key. Correct {WebSearchOptions.TavilyKeySetting}.",
        // Its own statuses, for the limit of the plan and of what is paid beyond it.
        432 or 433 => "takes no more searches until they are paid for. See to the plan the key belongs to.",
        _ => null,
    };
}
