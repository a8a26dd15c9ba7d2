using System.Text.Json;
using AiChat.Core.WebSearch;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace AiChat.Infrastructure.WebSearch;

/// <summary>
/// A SearXNG server of one's own, or its predecessor searx (https://docs.searxng.org/dev/search_api.html). It asks other engines and has no
/// say in how many results there are.
/// </summary>
internal sealed partial class SearxngWebSearch(IOptions<WebSearchOptions> options, TimeProvider time, ILogger<SearxngWebSearch> logger)
    : IWebSearch, IDisposable
{
    private const string AddressSetting = "WebSearch:SearxngUrl";

    private static readonly SearchEngine Engine = new() { Title = "SearXNG", AddressSetting = AddressSetting, Explain = Explain };

    private readonly SearchHttp http = new(Engine, options.Value.SearchTimeout, time, logger);

    public string Name => WebSearchOptions.Searxng;

    public string? MissingSetting => options.Value.SearxngUrl.Length == 0 ? AddressSetting : null;

    public async Task<IReadOnlyList<SearchResult>> SearchAsync(string query, int count, CancellationToken cancellationToken)
    {
        var url = $"{options.Value.SearxngUrl.TrimEnd('/')}/search?q={Uri.EscapeDataString(WithoutCommands(query))}&format=json";
        var answer = await http.SendAsync(new HttpRequestMessage(HttpMethod.Get, url), cancellationToken);
        if (!answer.TryGetProperty("results", out var results) || results.ValueKind != JsonValueKind.Array)
            throw http.Unreadable("it has no list of results");
        if (results.GetArrayLength() == 0 && CountSilentEngines(answer) is > 0 and var silent)
            LogSilentEngines(silent);
        return FoundPages.Read(results, "content", count);
    }

    /// <summary>
    /// Words that begin with these signs choose engines, languages, time limits and redirects to other sites there
    /// (https://docs.searxng.org/user/search-syntax.html), which nobody means who asks a question.
    /// </summary>
    private static string WithoutCommands(string query) =>
        string.Join(' ', query.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(word => word.TrimStart('!', ':', '<', '?')).Where(word => word.Length > 0));

    private static int CountSilentEngines(JsonElement answer) =>
        answer.TryGetProperty("unresponsive_engines", out var engines) && engines.ValueKind == JsonValueKind.Array ? engines.GetArrayLength() : 0;

    private static string? Explain(int status) => status switch
    {
        403 => "does not answer in JSON. Add json to search.formats in the settings.yml of that server.",
        429 => "is asked too often. Try again later, or let its limiter pass the address of this server.",
        _ => null,
    };

    public void Dispose() => http.Dispose();

    [LoggerMessage(Level = LogLevel.Warning, Message = "SearXNG found nothing, and {Count} of the engines it asks did not answer")]
    private partial void LogSilentEngines(int count);
}
