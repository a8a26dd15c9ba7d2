using AiChat.Core.WebSearch;
using AiChat.Infrastructure.WebSearch.Pages;
using AiChat.Tests.Support;
using Microsoft.Extensions.Logging;

namespace AiChat.Tests.Infrastructure.WebSearch.Pages;

/// <summary>A reader, the names it knows, a site it is allowed to read, and one inside that nobody may reach through it.</summary>
public abstract class PageReaderTestBase
{
    private CapturedLog log = null!;
    private LoggerFactory loggers = null!;
    private PageReader reader = null!;

    private protected static CancellationToken None => CancellationToken.None;

    private protected PageServer Site { get; private set; } = null!;

    private protected PageServer Inside { get; private set; } = null!;

    private protected ScriptedResolver Names { get; private set; } = null!;

    private protected WebSearchOptions Options { get; private set; } = null!;

    private protected IReadOnlyList<LogEntry> Log => log.Entries;

    [SetUp]
    public async Task Start()
    {
        (Site, Inside) = (await PageServer.StartAsync(), await PageServer.StartAsync());
        Inside.ServeHtml("/secret", "<p>The secret of the inside.");
        Names = new ScriptedResolver();
        Options = new WebSearchOptions { AllowedHosts = { Site.Authority } };
        log = new CapturedLog();
        loggers = new LoggerFactory([log]);
        UseOptions();
    }

    [TearDown]
    public async Task Stop()
    {
        reader.Dispose();
        loggers.Dispose();
        log.Dispose();
        await Site.DisposeAsync();
        await Inside.DisposeAsync();
        log.AssertNothingUnexpected();
    }

    /// <summary>Makes the reader anew after the options have changed.</summary>
    private protected void UseOptions()
    {
        reader?.Dispose();
        reader = new PageReader(Names, Microsoft.Extensions.Options.Options.Create(Options), loggers.CreateLogger<PageReader>());
    }

    private protected Task<WebPage?> ReadAsync(Uri url, CancellationToken cancellationToken = default) => reader.ReadAsync(url, cancellationToken);

    private protected Task<WebPage?> ReadAsync(string path, CancellationToken cancellationToken = default) => ReadAsync(Site.Url(path), cancellationToken);

    /// <summary>Reads, and sees to it that the guard refuses it for this reason, that nothing inside notices, and that the log says just that.</summary>
    private protected async Task AssertRefusedAsync(Uri url, PageRefusal refusal, string host)
    {
        var line = $"A page was not fetched: {refusal.ToText()}, {host}";
        var before = Log.Count;
        log.Expect(line);

        var page = await ReadAsync(url);

        Assert.Multiple(() =>
        {
            Assert.That(page, Is.Null);
            Assert.That(Inside.Connections, Is.Zero);
            Assert.That(Log.Skip(before).Select(e => (e.Level, e.Message, e.Exception)), Is.EqualTo(new[] { (LogLevel.Warning, line, (Exception?)null) }));
        });
    }

    /// <summary>Sees to it that the log has this one line, without paths, queries and contents.</summary>
    private protected void AssertUnread(string reason, string host = "127.0.0.1")
    {
        var line = $"A page was not read: {reason}, {host}";
        Assert.That(Log.Select(e => (e.Level, e.Message, e.Exception)), Is.EqualTo(new[] { (LogLevel.Information, line, (Exception?)null) }));
    }
}
