using AiChat.Core.Errors;
using AiChat.Core.Memory;
using AiChat.Core.WebSearch;
using AiChat.Tests.Support;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Moq;

namespace AiChat.Tests.Core.WebSearch;

public sealed class WebSearchServiceTests
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(10);

    private WebSearchOptions settings = null!;
    private FakeTime time = null!;
    private Dictionary<string, Mock<IWebSearch>> engines = null!;
    private Mock<IPageReader> pages = null!;
    private CapturedLog log = null!;
    private LoggerFactory loggers = null!;
    private WebSearchService service = null!;

    private static CancellationToken None => CancellationToken.None;

    [SetUp]
    public void SetUp()
    {
        settings = new WebSearchOptions();
        time = new FakeTime();
        engines = new[] { "tavily", "brave", "searxng" }.ToDictionary(name => name, NewEngine);
        pages = new Mock<IPageReader>();
        log = new CapturedLog();
        loggers = new LoggerFactory([log]);
        service = NewService(engines.Values.Select(e => e.Object));
    }

    [TearDown]
    public void TearDown()
    {
        loggers.Dispose();
        log.AssertNothingUnexpected();
        log.Dispose();
    }

    [Test]
    public void RequireConfigured_NoEngineReady_SaysHowToConfigureOne()
    {
        var failure = Assert.Throws<UnavailableException>(service.RequireConfigured)!;

        Assert.That((failure.Code, failure.RetryAfter), Is.EqualTo(("web_search_unconfigured", default(TimeSpan?))));
        Assert.That(failure.Message, Is.EqualTo(
            "Searching the web is not configured on this server. Set WebSearch:SearxngUrl (as an environment variable WebSearch__SearxngUrl) to the "
            + "address of a SearXNG server whose JSON format is switched on, or set BRAVE_API_KEY or TAVILY_API_KEY, and start the server again."));
    }

    [Test]
    public void Find_NoEngineReady_IsRefused()
    {
        Assert.That(() => service.FindAsync("Rome", 1000, None), Throws.InstanceOf<UnavailableException>());
    }

    [TestCase("", "searxng,brave,tavily", "searxng")]
    [TestCase("", "tavily,brave", "brave")]
    [TestCase("", "tavily", "tavily")]
    [TestCase("Tavily", "searxng,brave,tavily", "tavily")]
    public async Task Find_SeveralEngines_AsksTheNamedOneOrTheFirstThatIsReady(string provider, string ready, string asked)
    {
        settings.Provider = provider;
        foreach (var name in ready.Split(','))
            Finds(name);

        service.RequireConfigured();
        await service.FindAsync("Rome", 1000, None);

        engines[asked].Verify(e => e.SearchAsync("Rome", 5, It.IsAny<CancellationToken>()), Times.Once);
        foreach (var other in engines.Keys.Where(name => name != asked))
            engines[other].Verify(e => e.SearchAsync(It.IsAny<string>(), It.IsAny<int>(), It.IsAny<CancellationToken>()), Times.Never);
    }

    [Test]
    public void RequireConfigured_NamedEngineNotReady_TakesNoOther()
    {
        settings.Provider = "brave";
        Finds("searxng");

        Assert.That(service.RequireConfigured, Throws.InstanceOf<UnavailableException>());
    }

    [Test]
    public void New_TwoEnginesOfOneName_IsRefused()
    {
        IWebSearch[] twice = [NewEngine("brave").Object, NewEngine("Brave").Object];

        Assert.That(() => NewService(twice), Throws.ArgumentException);
    }

    [Test]
    public async Task Find_PagesThatCanBeRead_BecomeSourcesInTheOrderOfTheResults()
    {
        Finds("searxng", Result("a"), Result("b"));
        Reads("a", "Rome was not built in a day.");
        Reads("b", "Rome, Rome, Rome!", title: "  All about\nRome ", foundAt: "https://b.example/behind?x=ä#part");

        var sources = await service.FindAsync("Rome", 1000, None);

        Assert.That(sources, Is.EqualTo(new[]
        {
            new Source { Number = 1, Url = "https://a.example/", Title = "Title of a", Excerpt = "Rome was not built in a day." },
            new Source { Number = 2, Url = "https://b.example/behind?x=%C3%A4#part", Title = "All about Rome", Excerpt = "Rome, Rome, Rome!" },
        }));
    }

    [Test]
    public async Task Find_PageThatCannotBeRead_IsRepresentedByItsSnippet()
    {
        Finds("searxng", Result("a") with { Snippet = "Rome in a word." }, Result("b"), Result("c") with { Snippet = "Rome?" });
        Reads("b", " \n ");
        Reads("c", "Rome is here.");

        var sources = await service.FindAsync("Rome", 1000, None);

        Assert.That(sources.Select(s => (s.Number, s.Url, s.Excerpt)), Is.EqualTo(new[]
        {
            (1, "https://a.example/", "Rome in a word."), (2, "https://c.example/", "Rome is here."),
        }));
    }

    [Test]
    public async Task Find_TwoResultsLeadToOnePage_IsOneSource()
    {
        Finds("searxng", Result("a"), Result("b"), Result("c"));
        Reads("a", "Rome.", foundAt: "https://same.example/");
        Reads("b", "Rome.", foundAt: "https://same.example/#part");
        Reads("c", "Rome too.");

        var sources = await service.FindAsync("Rome", 1000, None);

        Assert.That(sources.Select(s => (s.Number, s.Url)), Is.EqualTo(new[] { (1, "https://same.example/"), (2, "https://c.example/") }));
    }

    [Test]
    public async Task Find_NoTitleAnywhere_TakesTheHost()
    {
        Finds("searxng", Result("a") with { Title = "" });
        Reads("a", "Rome.");

        Assert.That((await service.FindAsync("Rome", 1000, None)).Single().Title, Is.EqualTo("a.example"));
    }

    [Test]
    public async Task Find_LongTitleAndAddress_AreKeptShort()
    {
        Finds("searxng", Result("a"));
        Reads("a", "Rome.", title: string.Concat(Enumerable.Repeat("Rome ", 100)), foundAt: "https://a.example/" + new string('x', 3000));

        var source = (await service.FindAsync("Rome", 1000, None)).Single();

        Assert.That((source.Title.Length, source.Url), Is.EqualTo((199, "https://a.example/")));
    }

    [Test]
    public async Task Find_MoreResultsThanPages_ReadsTheFirst()
    {
        settings.MaxPages = 2;
        Finds("searxng", Result("a"), Result("b"), Result("c"));
        Reads("a", "Rome.");
        Reads("b", "Rome.");

        var sources = await service.FindAsync("Rome", 1000, None);

        Assert.That(sources, Has.Count.EqualTo(2));
        pages.Verify(p => p.ReadAsync(It.IsAny<Uri>(), It.IsAny<CancellationToken>()), Times.Exactly(2));
        engines["searxng"].Verify(e => e.SearchAsync("Rome", 2, It.IsAny<CancellationToken>()), Times.Once);
    }

    [TestCase(500, 500)]
    [TestCase(5000, 800)]
    public async Task Find_LongPages_KeepTheSmallerOfBothLimits(int maxTokens, int limit)
    {
        settings.MaxTokens = 800;
        Finds("searxng", Result("a"), Result("b"), Result("c"));
        foreach (var name in new[] { "a", "b", "c" })
            Reads(name, string.Join("\n\n", Enumerable.Range(0, 50).Select(n => $"{name}{n} Rome is the capital of Italy and lies on the Tiber.")));

        var sources = await service.FindAsync("Rome", maxTokens, None);

        Assert.That(sources.Sum(s => TokenEstimator.Count(s.Excerpt)), Is.InRange(limit * 8 / 10, limit));
    }

    [Test]
    public async Task Find_NothingFound_IsEmpty()
    {
        Finds("searxng");

        Assert.That(await service.FindAsync("Rome", 1000, None), Is.Empty);
    }

    [TestCase(0)]
    [TestCase(149)]
    public void Find_BudgetOfLessThanAPassage_SaysSoInsteadOfSearching(int maxTokens)
    {
        Finds("searxng", Result("a"));

        Assert.That(() => service.FindAsync("Rome", maxTokens, None), Throws.InstanceOf<WebSearchException>().With.Message.EqualTo(
            "The message leaves no room for what the web says. Shorten it, or ask for a model with a larger window."));
        engines["searxng"].Verify(e => e.SearchAsync(It.IsAny<string>(), It.IsAny<int>(), It.IsAny<CancellationToken>()), Times.Never);
    }

    [Test]
    public async Task Find_BudgetOfAPassage_Searches()
    {
        Finds("searxng", Result("a"));
        Reads("a", string.Concat(Enumerable.Repeat("Rome is the capital of Italy and lies on the Tiber. ", 100)));

        var source = (await service.FindAsync("Rome", 150, None)).Single();

        Assert.That(TokenEstimator.Count(source.Excerpt), Is.InRange(100, 150));
    }

    [Test]
    public void Find_EngineFails_SaysSo()
    {
        Finds("searxng");
        engines["searxng"].Setup(e => e.SearchAsync("Rome", 5, It.IsAny<CancellationToken>())).ThrowsAsync(new WebSearchException("It is down."));

        Assert.That(() => service.FindAsync("Rome", 1000, None), Throws.InstanceOf<WebSearchException>().With.Message.EqualTo("It is down."));
    }

    [TestCase(true)]
    [TestCase(false)]
    public async Task Find_ReaderBreaks_UsesTheOthersAndSaysSoWithoutContents(bool isAtOnce)
    {
        const string line = "A page was not read: its reader broke, UriFormatException, b.example";
        log.Expect(line);
        Finds("searxng", Result("a"), Result("b") with { Snippet = "Rome in a word." });
        Reads("a", "Rome is here.");
        var read = pages.Setup(p => p.ReadAsync(new Uri("https://b.example/"), It.IsAny<CancellationToken>()));
        if (isAtOnce)
            read.Throws(new UriFormatException("The secret of the page."));
        else
            read.ThrowsAsync(new UriFormatException("The secret of the page."));

        var sources = await service.FindAsync("Rome", 1000, None);

        Assert.That(sources.Select(s => s.Excerpt), Is.EqualTo(new[] { "Rome is here.", "Rome in a word." }));
        Assert.That(log.Entries.Select(e => (e.Level, e.Message, e.Exception)), Is.EqualTo(new[] { (LogLevel.Error, line, (Exception?)null) }));
    }

    [Test]
    public async Task Find_PageThatNeverComes_IsGivenUpAndTheOthersAreUsed()
    {
        Finds("searxng", Result("a"), Result("b") with { Snippet = "Rome in a word." });
        Reads("a", "Rome is here.");
        var given = default(CancellationToken);
        // Deaf to the cancellation, too: nobody waits for it.
        pages.Setup(p => p.ReadAsync(new Uri("https://b.example/"), It.IsAny<CancellationToken>()))
            .Returns((Uri _, CancellationToken token) => NeverAsync(given = token));

        var find = service.FindAsync("Rome", 1000, None);
        time.Advance(settings.PagesTimeout - TimeSpan.FromMilliseconds(1));
        var isOverBefore = find.IsCompleted;
        time.Advance(TimeSpan.FromMilliseconds(1));
        var sources = await find.WaitAsync(LongestWait);

        Assert.That(sources.Select(s => s.Excerpt), Is.EqualTo(new[] { "Rome is here.", "Rome in a word." }));
        Assert.That((isOverBefore, given.IsCancellationRequested), Is.EqualTo((false, true)));
    }

    [Test]
    public async Task Find_CallerGivesUpWhilePagesAreRead_IsCancelled()
    {
        Finds("searxng", Result("a"));
        using var giveUp = new CancellationTokenSource();
        pages.Setup(p => p.ReadAsync(It.IsAny<Uri>(), It.IsAny<CancellationToken>())).Returns((Uri _, CancellationToken token) => NeverAsync(token));

        var find = service.FindAsync("Rome", 1000, giveUp.Token);
        await giveUp.CancelAsync();

        Assert.CatchAsync<OperationCanceledException>(() => find.WaitAsync(LongestWait));
    }

    private WebSearchService NewService(IEnumerable<IWebSearch> all) =>
        new(all, pages.Object, Options.Create(settings), time, loggers.CreateLogger<WebSearchService>());

    private static Task<WebPage?> NeverAsync(CancellationToken ignored)
    {
        _ = ignored;
        return new TaskCompletionSource<WebPage?>().Task;
    }

    private static Mock<IWebSearch> NewEngine(string name)
    {
        var engine = new Mock<IWebSearch>();
        engine.Setup(e => e.Name).Returns(name);
        engine.Setup(e => e.MissingSetting).Returns("ITS_KEY");
        return engine;
    }

    private static SearchResult Result(string name) => new(new Uri($"https://{name}.example/"), $"Title of {name}", "");

    /// <summary>The engine is ready, and finds these for anything.</summary>
    private void Finds(string engine, params SearchResult[] results)
    {
        engines[engine].Setup(e => e.MissingSetting).Returns((string?)null);
        engines[engine].Setup(e => e.SearchAsync(It.IsAny<string>(), It.IsAny<int>(), It.IsAny<CancellationToken>())).ReturnsAsync(results);
    }

    private void Reads(string name, string text, string? title = null, string? foundAt = null) => pages
        .Setup(p => p.ReadAsync(new Uri($"https://{name}.example/"), It.IsAny<CancellationToken>()))
        .ReturnsAsync(new WebPage(new Uri(foundAt ?? $"https://{name}.example/"), title, text));
}
