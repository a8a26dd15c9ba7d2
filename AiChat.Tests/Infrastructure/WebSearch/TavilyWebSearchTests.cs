using AiChat.Core.WebSearch;
using AiChat.Infrastructure.WebSearch;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace AiChat.Tests.Infrastructure.WebSearch;

internal sealed class TavilyWebSearchTests : WebSearchTestBase<TavilyWebSearch>
{
    private const string Answer = """
        {"query": "Rome", "follow_up_questions": null, "answer": null, "images": [], "results": [
          {"url": "https://example.com/rome", "title": "Rome", "content": "Rome is the capital.\n\nIt lies on the Tiber.", "score": 0.81, "raw_content": null},
          {"url": "https://example.org/trastevere", "title": "Trastevere", "content": "", "score": 0.5, "raw_content": null}],
         "response_time": 1.67, "request_id": "123e4567-e89b-12d3-a456-426614174111"}
        """;

    [Test]
    public async Task Search_Answer_BecomesResults()
    {
        Server.Answer(200, Answer);

        var results = await Engine.SearchAsync("Rome", 5, None);

        Assert.That(results, Is.EqualTo(new[]
        {
            new SearchResult(new Uri("https://example.com/rome"), "Rome", "Rome is the capital. It lies on the Tiber."),
            new SearchResult(new Uri("https://example.org/trastevere"), "Trastevere", ""),
        }));
    }

    [Test]
    public async Task Search_Query_IsSentAsTheApiWantsIt()
    {
        Server.Answer(200, Answer);

        await Engine.SearchAsync("Rome \"today\"", 5, None);

        var request = Server.Requests.Single();
        Assert.That(request.Line, Is.EqualTo("POST /search HTTP/1.1"));
        Assert.That(request.Body, Is.EqualTo("{\"query\":\"Rome \\u0022today\\u0022\",\"max_results\":5}"));
        Assert.That(request.Headers.Keys, Is.EquivalentTo(
            new[] { "Host", "Accept", "Accept-Encoding", "User-Agent", "Authorization", "Content-Type", "Content-Length" }));
        Assert.That((request.Headers["Authorization"], request.Headers["Content-Type"]), Is.EqualTo(($"Bearer {Key}", "application/json; charset=utf-8")));
    }

    [Test]
    public async Task Search_MoreThanItTakes_IsCut()
    {
        Server.Answer(200, Answer);

        await Engine.SearchAsync(new string('x', 500), 30, None);

        Assert.That(Server.Requests.Single().Body, Is.EqualTo($"{{\"query\":\"{new string('x', 400)}\",\"max_results\":20}}"));
    }

    [TestCase(401, "refuses the key. Correct TAVILY_API_KEY.")]
    [TestCase(429, "is asked too often. Try again later.")]
    [TestCase(432, "takes no more searches until they are paid for. See to the plan the key belongs to.")]
    [TestCase(433, "takes no more searches until they are paid for. See to the plan the key belongs to.")]
    [TestCase(500, "has a failure of its own. Try again later.")]
    [TestCase(400, "answered with status 400, which is no answer to a search. Check WebSearch:TavilyUrl.")]
    public void Search_OtherStatus_SaysWhatToDoWithoutTheVendorsWords(int status, string said)
    {
        Log.Expect($"Tavily answered a search with status {status}");
        Server.Answer(status, $$$"""{"detail": {"error": "Unauthorized: {{{Key}}} for Rome"}}""");

        Assert.That(Fail(), Is.EqualTo($"The web could not be searched: Tavily {said}"));
    }

    [Test]
    public void Search_AnswerOfAnotherKind_SaysThatItCannotBeRead()
    {
        Log.Expect("Tavily sent an answer to a search that cannot be read: it has no list of results");
        Server.Answer(200, "{\"results\": null}");

        Assert.That(Fail(), Is.EqualTo("The web could not be searched: Tavily sent something that cannot be read. Check WebSearch:TavilyUrl."));
    }

    [TestCase(null, "TAVILY_API_KEY")]
    [TestCase(Key, null)]
    public void MissingSetting_Key_IsAllItNeeds(string? key, string? missing)
    {
        Settings.TavilyApiKey = key;

        Assert.That((Engine.Name, Engine.MissingSetting), Is.EqualTo(("tavily", missing)));
    }

    private protected override WebSearchOptions NewSettings(string url) => new() { TavilyUrl = url, TavilyApiKey = Key };

    private protected override TavilyWebSearch NewEngine(IOptions<WebSearchOptions> options, TimeProvider time, ILogger<TavilyWebSearch> logger) =>
        new(options, time, logger);
}
