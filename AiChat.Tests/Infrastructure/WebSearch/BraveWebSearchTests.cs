using System.IO.Compression;
using System.Text;
using AiChat.Core.WebSearch;
using AiChat.Infrastructure.WebSearch;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace AiChat.Tests.Infrastructure.WebSearch;

internal sealed class BraveWebSearchTests : WebSearchTestBase<BraveWebSearch>
{
    private const string Answer = """
        {"type": "search", "query": {"original": "Rome", "more_results_available": true}, "mixed": {"type": "mixed"},
         "web": {"type": "search", "family_friendly": true, "results": [
           {"title": "Rome - Example", "url": "https://example.com/rome", "is_source_local": false, "language": "en",
            "description": "<strong>Rome</strong> is the capital of Italy&#x27;s &quot;boot&quot;.", "profile": {"name": "Example", "url": "https://example.com/rome"}},
           {"title": "Trastevere", "url": "https://example.org/trastevere", "description": "A district."}]}}
        """;

    [Test]
    public async Task Search_Answer_BecomesResults()
    {
        Server.Answer(200, Answer);

        var results = await Engine.SearchAsync("Rome", 5, None);

        Assert.That(results, Is.EqualTo(new[]
        {
            new SearchResult(new Uri("https://example.com/rome"), "Rome - Example", "Rome is the capital of Italy's \"boot\"."),
            new SearchResult(new Uri("https://example.org/trastevere"), "Trastevere", "A district."),
        }));
    }

    [Test]
    public async Task Search_CompressedAnswer_IsRead()
    {
        Server.Handler = async context =>
        {
            context.Response.Headers.ContentEncoding = "gzip";
            await using var body = new GZipStream(context.Response.Body, CompressionLevel.Fastest);
            await body.WriteAsync(Encoding.UTF8.GetBytes(Answer));
        };

        Assert.That(await Engine.SearchAsync("Rome", 5, None), Has.Count.EqualTo(2));
    }

    [Test]
    public async Task Search_Query_IsSentAsTheApiWantsIt()
    {
        Server.Answer(200, Answer);

        await Engine.SearchAsync("!Rome & more", 5, None);

        var request = Server.Requests.Single();
        Assert.That(request.Line, Is.EqualTo("GET /res/v1/web/search?q=%21Rome%20%26%20more&count=5 HTTP/1.1"));
        Assert.That(request.Headers.Keys, Is.EquivalentTo(new[] { "Host", "Accept", "Accept-Encoding", "User-Agent", "X-Subscription-Token" }));
        Assert.That((request.Headers["X-Subscription-Token"], request.Headers["Accept"], request.Body), Is.EqualTo((Key, "application/json", "")));
    }

    [Test]
    public async Task Search_MoreThanItTakes_IsCut()
    {
        Server.Answer(200, Answer);

        await Engine.SearchAsync(string.Join(' ', Enumerable.Repeat("of", 60)), 30, None);
        await Engine.SearchAsync(new string('x', 500), 30, None);

        Assert.That(Server.Requests.Select(r => r.Line), Is.EqualTo(new[]
        {
            $"GET /res/v1/web/search?q={string.Join("%20", Enumerable.Repeat("of", 50))}&count=20 HTTP/1.1",
            $"GET /res/v1/web/search?q={new string('x', 400)}&count=20 HTTP/1.1",
        }));
    }

    [TestCase("{\"type\": \"search\"}")]
    [TestCase("{\"type\": \"search\", \"web\": null}")]
    [TestCase("{\"type\": \"search\", \"web\": {\"results\": []}}")]
    public async Task Search_NothingFound_IsEmpty(string body)
    {
        Server.Answer(200, body);

        Assert.That(await Engine.SearchAsync("Rome", 5, None), Is.Empty);
    }

    [TestCase("{\"web\": []}")]
    [TestCase("{\"web\": {}}")]
    [TestCase("{\"web\": {\"results\": {}}}")]
    public void Search_AnswerOfAnotherKind_SaysThatItCannotBeRead(string body)
    {
        Log.Expect("Brave Search sent an answer to a search that cannot be read: it has no list of results");
        Server.Answer(200, body);

        Assert.That(Fail(), Is.EqualTo("The web could not be searched: Brave Search sent something that cannot be read. Check WebSearch:BraveUrl."));
    }

    [TestCase(401, "refuses the key. Correct BRAVE_API_KEY.")]
    [TestCase(403, "refuses the key. Correct BRAVE_API_KEY.")]
    [TestCase(422, "refuses the key. Correct BRAVE_API_KEY.")]
    [TestCase(402, "takes no more searches until they are paid for. See to the plan the key belongs to.")]
    [TestCase(429, "is asked too often, or more often than the key's plan allows. Try again later.")]
    [TestCase(502, "has a failure of its own. Try again later.")]
    [TestCase(404, "answered with status 404, which is no answer to a search. Check WebSearch:BraveUrl.")]
    public void Search_OtherStatus_SaysWhatToDoWithoutTheVendorsWords(int status, string said)
    {
        Log.Expect($"Brave Search answered a search with status {status}");
        Server.Answer(status, $$$"""{"type": "ErrorResponse", "error": {"code": "SUBSCRIPTION_TOKEN_INVALID", "detail": "{{{Key}}} for Rome is invalid"}}""");

        Assert.That(Fail(), Is.EqualTo($"The web could not be searched: Brave Search {said}"));
    }

    [TestCase(null, "BRAVE_API_KEY")]
    [TestCase(Key, null)]
    public void MissingSetting_Key_IsAllItNeeds(string? key, string? missing)
    {
        Settings.BraveApiKey = key;

        Assert.That((Engine.Name, Engine.MissingSetting), Is.EqualTo(("brave", missing)));
    }

    private protected override WebSearchOptions NewSettings(string url) => new() { BraveUrl = url, BraveApiKey = Key };

    private protected override BraveWebSearch NewEngine(IOptions<WebSearchOptions> options, TimeProvider time, ILogger<BraveWebSearch> logger) =>
        new(options, time, logger);
}
