using System.IO.Compression;
using System.Text;
using AiChat.Core.WebSearch;
using Microsoft.AspNetCore.Http;

namespace AiChat.Tests.Infrastructure.WebSearch.Pages;

/// <summary>What is made of the answers of a real web server that may be read.</summary>
public sealed class PageReaderTests : PageReaderTestBase
{
    private const string Html = "<!DOCTYPE html><title>A page</title><script>no()</script><h1>Heading</h1><p>First &amp; second.</p>";

    [TestCase("text/html")]
    [TestCase("TEXT/HTML; charset=UTF-8")]
    [TestCase("application/xhtml+xml")]
    public async Task ReadAsync_Html_IsItsTextAndTitle(string type)
    {
        Site.Serve("/page", type, Encoding.UTF8.GetBytes(Html));

        var page = await ReadAsync("/page?query=1#part");

        Assert.That(page, Is.EqualTo(new WebPage(Site.Url("/page?query=1#part"), "A page", "Heading\n\nFirst & second.")));
        Assert.That(Log, Is.Empty);
    }

    [Test]
    public async Task ReadAsync_PlainText_IsItsParagraphs()
    {
        Site.Serve("/page", "text/plain", "<b>One\r\nline</b>\r\n\r\n\r\n  Two  \tspaces &amp; no entity\r\n"u8.ToArray());

        var page = await ReadAsync("/page");

        Assert.That(page, Is.EqualTo(new WebPage(Site.Url("/page"), null, "<b>One line</b>\n\nTwo spaces &amp; no entity")));
    }

    [Test]
    public async Task ReadAsync_Request_TellsNothingAboutWhoAsks()
    {
        Site.ServeRedirect("/from", "/to");
        Site.Serve("/to", "text/html", Encoding.UTF8.GetBytes(Html), ("Set-Cookie", "a=b"));

        await ReadAsync("/from");
        await ReadAsync("/from");

        var version = typeof(AiChat.Infrastructure.WebSearch.WebSearchSetup).Assembly.GetName().Version!.ToString(3);
        Assert.That(Site.Requests, Has.Count.EqualTo(4));
        Assert.That(Site.Requests.Select(r => r.Headers), Is.All.EquivalentTo(new Dictionary<string, string>
        {
            ["Host"] = Site.Authority,
            ["User-Agent"] = $"AiChat/{version}",
            ["Accept"] = "text/html, application/xhtml+xml, text/plain; q=0.8",
            ["Accept-Encoding"] = "gzip, deflate, br",
        }));
    }

    [TestCase("windows-1251", "text/html; charset=windows-1251", "<p>Привет")]
    [TestCase("shift_jis", "text/html; charset=\"Shift_JIS\"", "<p>日本語")]
    [TestCase("gb18030", "text/html; charset=gb2312", "<p>中文")]
    [TestCase("windows-1252", "text/html; charset=iso-8859-1", "<p>“Zürich”")]
    [TestCase("utf-8", "text/html; charset=nonsense", "<p>Zürich")]
    [TestCase("utf-8", "text/html", "<p>Zürich")]
    [TestCase("windows-1251", "text/html", "<meta charset=windows-1251><p>Привет")]
    [TestCase("windows-1251", "text/html", "<META HTTP-EQUIV='Content-Type' CONTENT='text/html; charset=windows-1251'><p>Привет")]
    [TestCase("utf-8", "text/html; charset=utf-8", "<meta charset=windows-1251><p>Привет")]
    [TestCase("utf-8", "text/html", "<meta charset=utf-16><p>Zürich")]
    [TestCase("utf-8", "text/html", "<meta charset=utf-7><p>Zürich")]
    public async Task ReadAsync_Charset_IsWhatThePageSays(string encoding, string type, string html)
    {
        Site.Serve("/page", type, Encode(encoding, html));

        var page = await ReadAsync("/page");

        Assert.That(page!.Text, Is.EqualTo(html[(html.IndexOf("<p>", StringComparison.Ordinal) + 3)..]));
    }

    [TestCase("utf-8")]
    [TestCase("utf-16")]
    [TestCase("utf-16BE")]
    public async Task ReadAsync_ByteOrderMark_CountsMoreThanTheCharset(string name)
    {
        var encoding = Encoding.GetEncoding(name);
        Site.Serve("/page", "text/html; charset=windows-1251", [.. encoding.GetPreamble(), .. encoding.GetBytes("<p>Zürich")]);

        var page = await ReadAsync("/page");

        Assert.That(page!.Text, Is.EqualTo("Zürich"));
    }

    [TestCase("gzip")]
    [TestCase("deflate")]
    [TestCase("br")]
    public async Task ReadAsync_Compressed_IsReadable(string encoding)
    {
        Site.Serve("/page", "text/html", Compress(encoding, Encoding.UTF8.GetBytes(Html)), ("Content-Encoding", encoding));

        var page = await ReadAsync("/page");

        Assert.That(page!.Text, Is.EqualTo("Heading\n\nFirst & second."));
    }

    [TestCase("gzip")]
    [TestCase("deflate")]
    [TestCase("br")]
    public async Task ReadAsync_Bomb_StopsAtTheLimitAndUsesWhatCame(string encoding)
    {
        Options.MaxPageBytes = 10_000;
        UseOptions();
        var bomb = Compress(encoding, Encoding.ASCII.GetBytes(new string('x', 50_000_000)));
        Site.Serve("/page", "text/plain", bomb, ("Content-Encoding", encoding));

        var page = await ReadAsync("/page");

        Assert.That(page!.Text, Is.EqualTo(new string('x', 10_000)));
    }

    [Test]
    public async Task ReadAsync_EndlessBody_StopsAtTheLimit()
    {
        Options.MaxPageBytes = 100_000;
        UseOptions();
        Site.Serve("/page", async context =>
        {
            context.Response.ContentType = "text/plain";
            while (!context.RequestAborted.IsCancellationRequested)
                await context.Response.Body.WriteAsync(new byte[] { (byte)'x' }, context.RequestAborted);
        });

        var page = await ReadAsync("/page");

        Assert.That(page!.Text, Has.Length.EqualTo(100_000));
    }

    [Test]
    public async Task ReadAsync_LimitInsideACharacter_LeavesTheHalfOut()
    {
        Options.MaxPageBytes = 4;
        UseOptions();
        Site.Serve("/page", "text/plain; charset=utf-8", "abcé"u8.ToArray());

        var page = await ReadAsync("/page");

        Assert.That(page!.Text, Is.EqualTo("abc"));
    }

    [TestCase("application/json")]
    [TestCase("application/octet-stream")]
    [TestCase("application/pdf")]
    [TestCase("image/svg+xml")]
    [TestCase("text/javascript")]
    [TestCase("nonsense")]
    public async Task ReadAsync_OtherType_IsNotRead(string type)
    {
        Site.Serve("/page", type, Encoding.UTF8.GetBytes(Html));

        Assert.That(await ReadAsync("/page?token=5ecret"), Is.Null);
        AssertUnread("it is neither HTML nor plain text");
    }

    [Test]
    public async Task ReadAsync_NoType_IsNotRead()
    {
        Site.Serve("/page", context => context.Response.Body.WriteAsync(Encoding.UTF8.GetBytes(Html)).AsTask());

        Assert.That(await ReadAsync("/page"), Is.Null);
        AssertUnread("it is neither HTML nor plain text");
    }

    /// <summary>The body never comes, so the type alone must have been enough.</summary>
    [Test]
    public async Task ReadAsync_OtherType_IsRefusedBeforeTheBody()
    {
        Site.Serve("/page", async context =>
        {
            context.Response.ContentType = "application/pdf";
            await context.Response.Body.FlushAsync();
            await Task.Delay(Timeout.Infinite, context.RequestAborted);
        });

        Assert.That(await ReadAsync("/page"), Is.Null);
        AssertUnread("it is neither HTML nor plain text");
    }

    [TestCase(204)]
    [TestCase(206)]
    [TestCase(304)]
    [TestCase(401)]
    [TestCase(404)]
    [TestCase(500)]
    public async Task ReadAsync_OtherStatus_IsNotRead(int status)
    {
        Site.Serve("/page", context =>
        {
            context.Response.StatusCode = status;
            return Task.CompletedTask;
        });

        Assert.That(await ReadAsync("/page"), Is.Null);
        AssertUnread($"it answers {status}");
    }

    [Test]
    public async Task ReadAsync_UnknownCompression_IsNotRead()
    {
        Site.Serve("/page", "text/html", [1, 2, 3], ("Content-Encoding", "compress"));

        Assert.That(await ReadAsync("/page"), Is.Null);
        AssertUnread("it is compressed in a way that is not read");
    }

    [Test]
    public async Task ReadAsync_BrokenCompression_IsNotRead()
    {
        Site.Serve("/page", "text/html", "no gzip at all"u8.ToArray(), ("Content-Encoding", "gzip"));

        Assert.That(await ReadAsync("/page"), Is.Null);
        AssertUnread("the answer broke off or made no sense, InvalidDataException");
    }

    [Test]
    public async Task ReadAsync_BodyThatBreaksOff_IsNotRead()
    {
        Site.Serve("/page", async context =>
        {
            context.Response.ContentType = "text/html";
            context.Response.ContentLength = 1000;
            await context.Response.WriteAsync("<p>The beginning");
            context.Abort();
        });

        Assert.That(await ReadAsync("/page"), Is.Null);
        Assert.That(Log.Single().Message, Does.StartWith("A page was not read: ").And.EndsWith(", 127.0.0.1").And.Not.Contains("beginning"));
    }

    [Test]
    public async Task ReadAsync_HeadersWithoutEnd_AreNotRead()
    {
        Site.Serve("/page", "text/html", Encoding.UTF8.GetBytes(Html), ("X-Long", new string('x', 40 * 1024)));

        Assert.That(await ReadAsync("/page"), Is.Null);
        AssertUnread("the request failed, ConfigurationLimitExceeded");
    }

    [TestCase("")]
    [TestCase("<script>only()</script>")]
    [TestCase("<nav>Home</nav> &nbsp; ")]
    public async Task ReadAsync_NothingToRead_IsNull(string html)
    {
        Site.ServeHtml("/page", html);

        Assert.That(await ReadAsync("/page"), Is.Null);
        AssertUnread("it has no readable text");
    }

    [Test]
    public async Task ReadAsync_UnknownName_IsNull()
    {
        Assert.That(await ReadAsync(new Uri("http://www.example.com/a?b=c")), Is.Null);
        Assert.That(Log.Single().Message, Is.EqualTo("A page was not read: the request failed, NameResolutionError, www.example.com")
            .Or.EqualTo("A page was not read: the request failed, ConnectionError, www.example.com"));
    }

    [Test]
    public async Task ReadAsync_NobodyListens_IsNull()
    {
        await Site.DisposeAsync();

        Assert.That(await ReadAsync("/page"), Is.Null);
        AssertUnread("the request failed, ConnectionError");
    }

    [Test]
    public async Task ReadAsync_CallerGivesUpOnASlowBody_ThrowsThat()
    {
        using var caller = new CancellationTokenSource();
        Site.Serve("/page", async context =>
        {
            context.Response.ContentType = "text/html";
            await context.Response.WriteAsync("<p>The beginning");
            await context.Response.Body.FlushAsync();
            await caller.CancelAsync();
            await Task.Delay(Timeout.Infinite, context.RequestAborted);
        });

        Assert.That(() => ReadAsync("/page?token=5ecret", caller.Token), Throws.InstanceOf<OperationCanceledException>());
        AssertUnread("it was given up before it was read");
    }

    [Test]
    public async Task ReadAsync_CallerGivesUpBeforeAnyAnswer_ThrowsThat()
    {
        using var caller = new CancellationTokenSource();
        Site.Serve("/page", async context =>
        {
            await caller.CancelAsync();
            await Task.Delay(Timeout.Infinite, context.RequestAborted);
        });

        Assert.That(() => ReadAsync("/page", caller.Token), Throws.InstanceOf<OperationCanceledException>());
        AssertUnread("it was given up before it was read");
    }

    [TestCase("/to?a=b")]
    [TestCase("to?a=b")]
    [TestCase("./x/../to?a=b")]
    [TestCase("//{0}/to?a=b")]
    [TestCase("http://{0}/to?a=b")]
    public async Task ReadAsync_Redirect_IsFollowed(string location)
    {
        Site.ServeRedirect("/from", string.Format(null, location, Site.Authority));
        Site.ServeHtml("/to", Html);

        var page = await ReadAsync("/from");

        Assert.That(page!.Url, Is.EqualTo(Site.Url("/to?a=b")));
    }

    [Test]
    public async Task ReadAsync_RedirectWrittenInUtf8_IsFollowed()
    {
        Site.ServeRedirect("/from", "/Zürich");
        Site.ServeHtml("/Zürich", Html);

        var page = await ReadAsync("/from");

        Assert.That(Log, Is.Empty);
        Assert.That(page!.Url, Is.EqualTo(Site.Url("/Zürich")));
    }

    [Test]
    public async Task ReadAsync_RedirectToAnotherAllowedHost_IsFollowed()
    {
        Options.AllowedHosts.Add(Inside.Authority);
        UseOptions();
        Site.ServeRedirect("/from", $"{Inside.BaseUrl}/secret");

        var page = await ReadAsync("/from");

        Assert.That((page!.Url, page.Text), Is.EqualTo((Inside.Url("/secret"), "The secret of the inside.")));
    }

    [Test]
    public async Task ReadAsync_AsManyRedirectsAsAllowed_AreFollowed()
    {
        Options.MaxRedirects = 3;
        UseOptions();
        ServeChain(3);

        Assert.That(await ReadAsync("/1"), Is.Not.Null);
    }

    [Test]
    public async Task ReadAsync_OneRedirectTooMany_IsNotFollowed()
    {
        Options.MaxRedirects = 3;
        UseOptions();
        ServeChain(4);

        Assert.That(await ReadAsync("/1"), Is.Null);
        AssertUnread("it redirects more often than WebSearch:MaxRedirects allows");
        Assert.That(Site.Requests, Has.Count.EqualTo(4));
    }

    [Test]
    public async Task ReadAsync_Loop_Ends()
    {
        Site.ServeRedirect("/page", "/page");

        Assert.That(await ReadAsync("/page"), Is.Null);
        AssertUnread("it redirects more often than WebSearch:MaxRedirects allows");
    }

    [TestCase("http://")]
    [TestCase("http:///nowhere")]
    [TestCase("http://[")]
    public async Task ReadAsync_RedirectThatIsNoUrl_IsNotFollowed(string location)
    {
        Site.ServeRedirect("/page", location);

        Assert.That(await ReadAsync("/page"), Is.Null);
        AssertUnread("it redirects to nowhere");
    }

    [Test]
    public async Task ReadAsync_RedirectWithoutLocation_IsNotFollowed()
    {
        Site.Serve("/page", context =>
        {
            context.Response.StatusCode = 301;
            return Task.CompletedTask;
        });

        Assert.That(await ReadAsync("/page"), Is.Null);
        AssertUnread("it redirects to nowhere");
    }

    private void ServeChain(int redirects)
    {
        for (var i = 1; i <= redirects; i++)
            Site.ServeRedirect($"/{i}", $"/{i + 1}");
        Site.ServeHtml($"/{redirects + 1}", Html);
    }

    private static byte[] Encode(string encoding, string text) =>
        (CodePagesEncodingProvider.Instance.GetEncoding(encoding) ?? Encoding.GetEncoding(encoding)).GetBytes(text);

    private static byte[] Compress(string encoding, byte[] bytes)
    {
        using var compressed = new MemoryStream();
        using (Stream stream = encoding switch
        {
            "gzip" => new GZipStream(compressed, CompressionLevel.Fastest),
            "deflate" => new ZLibStream(compressed, CompressionLevel.Fastest),
            _ => new BrotliStream(compressed, CompressionLevel.Fastest),
        })
        {
            stream.Write(bytes);
        }

        return compressed.ToArray();
    }
}
