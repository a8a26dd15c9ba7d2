using System.Text.Json;
using AiChat.Core.WebSearch;
using AiChat.Infrastructure.WebSearch;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace AiChat.Tests.Infrastructure.WebSearch;

internal sealed class SearxngWebSearchTests : WebSearchTestBase<SearxngWebSearch>
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(10);

    /// <summary>As searx 1.1.0 sends it.</summary>
    private const string Answer = """
        {"query": "Rome", "number_of_results": 0, "results": [
          {"url": "https://example.com/rome", "title": "Rome", "content": "The capital & more", "engine": "site", "score": 1.0, "positions": [1]},
          {"url": "https://example.org/a?b=c", "title": "Trastevere", "engine": "site", "score": 0.5, "category": "general"}],
         "answers": [], "corrections": [], "infoboxes": [], "suggestions": [], "unresponsive_engines": []}
        """;

    [Test]
    public async Task Search_Answer_BecomesResults()
    {
        Server.Answer(200, Answer);

        var results = await Engine.SearchAsync("Rome", 5, None);

        Assert.That(results, Is.EqualTo(new[]
        {
            new SearchResult(new Uri("https://example.com/rome"), "Rome", "The capital & more"),
            new SearchResult(new Uri("https://example.org/a?b=c"), "Trastevere", ""),
        }));
    }

    [Test]
    public async Task Search_HostsThatHaveNoName_AreResultsLikeOthers()
    {
        string[] urls = ["http://xn--ü.com/", "http://a\u0378b.com/", "http://\u200d.com/", $"http://{new string('ü', 100)}.com/"];
        Server.Answer(200, JsonSerializer.Serialize(new { results = urls.Select(url => new { url, title = "A", content = "B" }) }));

        var results = await Engine.SearchAsync("Rome", 5, None);

        Assert.That(results.Select(r => r.Url.OriginalString), Is.EqualTo(urls));
    }

    [Test]
    public async Task Search_Query_IsSentAsTheApiWantsIt()
    {
        Server.Answer(200, Answer);

        await Engine.SearchAsync("Rome & Zürich 100% «free»", 5, None);

        var request = Server.Requests.Single();
        Assert.That(request.Line, Is.EqualTo("GET /search?q=Rome%20%26%20Z%C3%BCrich%20100%25%20%C2%ABfree%C2%BB&format=json HTTP/1.1"));
        Assert.That(request.Headers.Keys, Is.EquivalentTo(new[] { "Host", "Accept", "Accept-Encoding", "User-Agent" }));
        Assert.That((request.Headers["Accept"], request.Headers["User-Agent"], request.Body), Is.EqualTo(("application/json", "AiChat/0.1.0", "")));
    }

    [Test]
    public async Task Search_AddressWithPath_KeepsIt()
    {
        Server.Answer(200, Answer);
        Settings.SearxngUrl = $"{Server.Url}/searx/";
        RenewEngine();

        await Engine.SearchAsync("Rome", 5, None);

        Assert.That(Server.Requests.Single().Line, Is.EqualTo("GET /searx/search?q=Rome&format=json HTTP/1.1"));
    }

    [TestCase("!!g Rome", "g%20Rome")]
    [TestCase("!wp :de <3 ?x Rome !", "wp%20de%203%20x%20Rome")]
    [TestCase("site:example.com \"C# 12\" a!b", "site%3Aexample.com%20%22C%23%2012%22%20a%21b")]
    public async Task Search_CommandsInTheQuery_AreNone(string query, string sent)
    {
        Server.Answer(200, Answer);

        await Engine.SearchAsync(query, 5, None);

        Assert.That(Server.Requests.Single().Line, Is.EqualTo($"GET /search?q={sent}&format=json HTTP/1.1"));
    }

    [Test]
    public async Task Search_MoreThanAsked_AreLeftOut()
    {
        Server.Answer(200, Answer);

        var results = await Engine.SearchAsync("Rome", 1, None);

        Assert.That(results.Select(r => r.Title), Is.EqualTo(new[] { "Rome" }));
    }

    [Test]
    public async Task Search_ResultsThatCannotBeFetchedOrAreThereTwice_AreLeftOut()
    {
        Server.Answer(200, $$"""
            {"results": [
              {"url": "ftp://example.com/a", "title": "1"}, {"url": "/relative", "title": "2"}, {"url": "", "title": "3"}, {"title": "4"},
              {"url": 5, "title": "5"}, "text", null, {"url": "https://user:pass@example.com/", "title": "6"}, {"url": "javascript:alert(1)", "title": "7"},
              {"url": "https://example.com/{{new string('x', 2048)}}", "title": "8"},
              {"url": "HTTPS://Example.com:443/a", "title": "first", "content": null}, {"url": "https://example.com/a#part", "title": "again"},
              {"url": "http://example.com/a", "title": 9}]}
            """);

        var results = await Engine.SearchAsync("Rome", 5, None);

        Assert.That(results.Select(r => (r.Url.AbsoluteUri, r.Title, r.Snippet)), Is.EqualTo(new[]
        {
            ("https://example.com/a", "first", ""), ("http://example.com/a", "", ""),
        }));
    }

    [Test]
    public async Task Search_TextsWithHtmlAndLineBreaks_BecomeOneLineOfPlainText()
    {
        Server.Answer(200, """
            {"results": [{"url": "https://example.com/", "title": " The <b>Forum</b>\n&amp; <a href='x'>more</a> ",
              "content": "List<string> &lt;b&gt; 1 < 2 <br/>&quot;x&quot;\u0000\t&#8230;"}]}
            """);

        var result = (await Engine.SearchAsync("Rome", 5, None)).Single();

        Assert.That((result.Title, result.Snippet), Is.EqualTo(("The Forum & more", "List<string> <b> 1 < 2 \"x\" …")));
    }

    [Test]
    public async Task Search_LongTexts_AreCutBehindAWord()
    {
        Server.Answer(200, $$"""{"results": [{"url": "https://example.com/", "title": "{{Repeat("title ", 100)}}", "content": "{{Repeat("snippet ", 500)}}"}]}""");

        var result = (await Engine.SearchAsync("Rome", 5, None)).Single();

        Assert.That((result.Title, result.Snippet), Is.EqualTo((Repeat("title ", 33).Trim(), Repeat("snippet ", 125).Trim())));
    }

    [Test]
    public async Task Search_NothingFound_IsEmpty()
    {
        Server.Answer(200, """{"results": [], "unresponsive_engines": []}""");

        Assert.That(await Engine.SearchAsync("Rome", 5, None), Is.Empty);
    }

    [Test]
    public async Task Search_NothingFoundAndEnginesSilent_IsEmptyAndLogged()
    {
        Log.Expect("SearXNG found nothing, and 2 of the engines it asks did not answer");
        Server.Answer(200, """{"results": [], "unresponsive_engines": [["google", "access denied"], ["bing", "timeout"]]}""");

        Assert.That(await Engine.SearchAsync("Rome", 5, None), Is.Empty);
    }

    [TestCase(403, "does not answer in JSON. Add json to search.formats in the settings.yml of that server.")]
    [TestCase(429, "is asked too often. Try again later, or let its limiter pass the address of this server.")]
    [TestCase(500, "has a failure of its own. Try again later.")]
    [TestCase(503, "has a failure of its own. Try again later.")]
    [TestCase(401, "answered with status 401, which is no answer to a search. Check WebSearch:SearxngUrl.")]
    [TestCase(404, "answered with status 404, which is no answer to a search. Check WebSearch:SearxngUrl.")]
    [TestCase(204, "answered with status 204, which is no answer to a search. Check WebSearch:SearxngUrl.")]
    public void Search_OtherStatus_SaysWhatToDo(int status, string said)
    {
        Log.Expect($"SearXNG answered a search with status {status}");
        Server.Handler = context =>
        {
            context.Response.StatusCode = status;
            return Task.CompletedTask;
        };

        Assert.That(Fail(), Is.EqualTo($"The web could not be searched: SearXNG {said}"));
    }

    [Test]
    public void Search_Redirect_IsNotFollowed()
    {
        Log.Expect("SearXNG answered a search with status 302");
        Server.Handler = context =>
        {
            context.Response.Redirect("/elsewhere");
            return Task.CompletedTask;
        };

        Assert.That(Fail(), Does.Contain("answered with status 302"));
        Assert.That(Server.Requests, Has.Count.EqualTo(1));
    }

    [TestCase("", "it is no JSON")]
    [TestCase("<html>Welcome to 5ecret</html>", "it is no JSON")]
    [TestCase("{\"results\": [{\"url\": \"https://exa", "it is no JSON")]
    [TestCase("[]", "it is no JSON object")]
    [TestCase("{}", "it has no list of results")]
    [TestCase("{\"results\": \"none\"}", "it has no list of results")]
    public void Search_AnswerOfAnotherKind_SaysThatItCannotBeRead(string body, string reason)
    {
        Log.Expect($"SearXNG sent an answer to a search that cannot be read: {reason}");
        Server.Answer(200, body);

        Assert.That(Fail(), Is.EqualTo("The web could not be searched: SearXNG sent something that cannot be read. Check WebSearch:SearxngUrl."));
    }

    [Test]
    public void Search_EndlessAnswer_IsGivenUp()
    {
        Log.Expect("SearXNG sent an answer to a search that cannot be read: it is longer than 2097152 bytes");
        Server.Handler = async context =>
        {
            var spaces = new byte[64 * 1024];
            Array.Fill(spaces, (byte)' ');
            while (!context.RequestAborted.IsCancellationRequested)
                await context.Response.Body.WriteAsync(spaces);
        };

        Assert.That(Fail(), Does.Contain("sent something that cannot be read"));
    }

    [TestCase(true)]
    [TestCase(false)]
    public async Task Search_SlowServer_IsGivenUpAfterTheTimeout(bool isAnswerBegun)
    {
        Log.Expect("SearXNG did not answer a search within 00:00:08");
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Server.Handler = async context =>
        {
            if (isAnswerBegun)
                await context.Response.StartAsync();
            asked.SetResult();
            await Task.Delay(Timeout.Infinite, context.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        };

        var search = Engine.SearchAsync("Rome", 5, None);
        await asked.Task.WaitAsync(LongestWait);
        Time.Advance(Settings.SearchTimeout);

        var failure = Assert.ThrowsAsync<WebSearchException>(() => search.WaitAsync(LongestWait));
        Assert.That(failure!.Message, Is.EqualTo("The web could not be searched: SearXNG did not answer within 8 seconds. Try again later."));
    }

    [Test]
    public async Task Search_CallerGivesUp_IsCancelledAndNothingIsLogged()
    {
        using var giveUp = new CancellationTokenSource();
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Server.Handler = async context =>
        {
            asked.SetResult();
            await Task.Delay(Timeout.Infinite, context.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        };

        var search = Engine.SearchAsync("Rome", 5, giveUp.Token);
        await asked.Task.WaitAsync(LongestWait);
        await giveUp.CancelAsync();

        Assert.CatchAsync<OperationCanceledException>(() => search.WaitAsync(LongestWait));
        Assert.That(Log.Entries, Is.Empty);
    }

    [Test]
    public async Task Search_NobodyListens_SaysWhatToCheck()
    {
        Log.Expect("SearXNG cannot be reached for a search");
        await Server.DisposeAsync();

        Assert.That(Fail(), Is.EqualTo("The web could not be searched: SearXNG cannot be reached. Try again later; if it stays like that, check WebSearch:SearxngUrl."));
    }

    [Test]
    public void Search_ConnectionBreaksInTheAnswer_SaysSo()
    {
        Log.Expect("SearXNG broke off its answer to a search");
        Server.Handler = async context =>
        {
            context.Response.ContentLength = 100;
            await context.Response.WriteAsync("{\"results\": [");
            await context.Response.Body.FlushAsync();
            context.Abort();
        };

        Assert.That(Fail(), Is.EqualTo("The web could not be searched: SearXNG broke off its answer. Try again later."));
    }

    [TestCase("", "WebSearch:SearxngUrl")]
    [TestCase("http://localhost:8888", null)]
    public void MissingSetting_Address_IsAllItNeeds(string url, string? missing)
    {
        Settings.SearxngUrl = url;

        Assert.That((Engine.Name, Engine.MissingSetting), Is.EqualTo(("searxng", missing)));
    }

    private protected override WebSearchOptions NewSettings(string url) => new() { SearxngUrl = url };

    private protected override SearxngWebSearch NewEngine(IOptions<WebSearchOptions> options, TimeProvider time, ILogger<SearxngWebSearch> logger) =>
        new(options, time, logger);

    private static string Repeat(string text, int count) => string.Concat(Enumerable.Repeat(text, count));
}
