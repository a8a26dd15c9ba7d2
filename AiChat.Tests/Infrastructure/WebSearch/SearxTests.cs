using AiChat.Core.WebSearch;
using AiChat.Infrastructure.WebSearch;
using AiChat.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace AiChat.Tests.Infrastructure.WebSearch;

/// <summary>The search against the real thing: searx, asking a small site on this machine.</summary>
public sealed class SearxTests
{
    private FakeSite site = null!;
    private SearxServer searx = null!;
    private SearxngWebSearch engine = null!;

    [OneTimeSetUp]
    public async Task StartServers()
    {
        if (!SearxServer.IsInstalled)
            Assert.Ignore(SearxServer.Missing);
        site = await FakeSite.StartAsync();
        site.Add("/rome.html", "<html><head><title>Rome &amp; its hills</title></head><body><p>The <b>Tiber</b> flows through Rome.</p></body></html>");
        site.Add("/paris.html", "<html><head><title>Paris</title></head><body><p>The Seine flows through Paris.</p></body></html>");
        searx = await SearxServer.StartAsync(site.SearchUrl);
        var options = new WebSearchOptions { SearxngUrl = searx.BaseUrl, SearchTimeout = TimeSpan.FromMinutes(1) };
        engine = new SearxngWebSearch(Options.Create(options), TimeProvider.System, NullLogger<SearxngWebSearch>.Instance);
    }

    [OneTimeTearDown]
    public async Task StopServers()
    {
        engine?.Dispose();
        searx?.Dispose();
        if (site is not null)
            await site.DisposeAsync();
    }

    [Test]
    public async Task Search_WordsOfTwoPages_FindsTheBetterOneFirst()
    {
        var results = await engine.SearchAsync("Tiber flows", 5, CancellationToken.None);

        Assert.That(results, Is.EqualTo(new[]
        {
            new SearchResult(new Uri(site.UrlOf("/rome.html")), "Rome & its hills", "The Tiber flows through Rome."),
            new SearchResult(new Uri(site.UrlOf("/paris.html")), "Paris", "The Seine flows through Paris."),
        }));
    }

    [Test]
    public async Task Search_WordsOfNoPage_FindsNothing()
    {
        Assert.That(await engine.SearchAsync("Danube", 5, CancellationToken.None), Is.Empty);
    }

    [Test]
    public async Task Search_CommandOfSearx_IsTakenAsAWord()
    {
        var results = await engine.SearchAsync("!!g Seine", 5, CancellationToken.None);

        Assert.That(results.Select(r => r.Title), Is.EqualTo(new[] { "Paris", "Rome & its hills" }));
    }
}
