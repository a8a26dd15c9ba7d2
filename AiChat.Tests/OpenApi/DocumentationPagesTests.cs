using Microsoft.Playwright;

namespace AiChat.Tests.OpenApi;

/// <summary>The documentation pages in a real browser.</summary>
[TestFixture]
public sealed class DocumentationPagesTests
{
    private const string Chromium = "/usr/bin/chromium";

    private static readonly string[] Arguments =
        ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

    private DocumentedServer server = null!;
    private IPlaywright? playwright;
    private IBrowser? browser;
    private string[] routes = [];

    [OneTimeSetUp]
    public async Task StartBrowser()
    {
        if (!File.Exists(Chromium))
            Assert.Ignore($"There is no browser at {Chromium}. Install it with: apt-get install chromium");

        server = await DocumentedServer.StartAsync();
        var api = new DocumentedApi(await server.Client.GetStringAsync(DocumentedServer.DocumentPath));
        routes = [.. api.Operations.Select(o => o.Name)];
        playwright = await Playwright.CreateAsync();
        browser = await playwright.Chromium.LaunchAsync(new BrowserTypeLaunchOptions { ExecutablePath = Chromium, Args = Arguments });
    }

    [OneTimeTearDown]
    public async Task StopBrowser()
    {
        if (browser is not null)
            await browser.DisposeAsync();
        playwright?.Dispose();
        if (server is not null)
            await server.DisposeAsync();
    }

    [TestCase("/swagger")]
    [TestCase("/docs")]
    public async Task SwaggerUi_OpenedInABrowser_ListsEveryRoute(string path)
    {
        await using var visit = await Visit.OpenAsync(browser!, server.Url + path);

        await visit.Page.Locator(".opblock").Nth(routes.Length - 1).WaitForAsync();
        var methods = await visit.Page.Locator(".opblock-summary-method").AllInnerTextsAsync();
        var paths = await visit.Page.Locator(".opblock-summary-path").EvaluateAllAsync<string[]>("all => all.map(e => e.dataset.path)");

        Assert.That(methods.Zip(paths, (m, p) => $"{m} {p}"), Is.EquivalentTo(routes));
        visit.AssertClean();
    }

    [Test]
    public async Task SwaggerUi_TryingOutTheFirstExample_GetsAReply()
    {
        await using var visit = await Visit.OpenAsync(browser!, server.Url + "/docs/index.html#/Messages/sendMessage");
        var send = visit.Page.Locator("#operations-Messages-sendMessage");

        await send.GetByText("Try it out").ClickAsync();
        await send.GetByText("Execute").ClickAsync();
        var status = send.Locator(".live-responses-table tbody .response-col_status");
        await status.WaitForAsync();

        Assert.That(await status.InnerTextAsync(), Does.StartWith("200"));
        visit.AssertClean();
    }

    [Test]
    public async Task ReDoc_OpenedInABrowser_ListsEveryRoute()
    {
        await using var visit = await Visit.OpenAsync(browser!, server.Url + "/redoc");

        await visit.Page.Locator("button .http-verb").Nth(routes.Length - 1).WaitForAsync();
        var shown = await visit.Page.Locator("button:has(> .http-verb)").EvaluateAllAsync<string[]>(
            "all => all.map(e => `${e.children[0].innerText.toUpperCase()} ${e.children[1].innerText}`)");

        Assert.That(shown, Is.EquivalentTo(routes));
        visit.AssertClean();
    }

    /// <summary>A page, and everything it should not have done.</summary>
    private sealed class Visit : IAsyncDisposable
    {
        private readonly List<string> complaints = [];

        private Visit(IPage page, string host)
        {
            Page = page;
            page.Console += (_, message) =>
            {
                if (message.Type is "error" or "warning")
                    complaints.Add($"{message.Type}: {message.Text}");
            };
            page.PageError += (_, error) => complaints.Add($"exception: {error}");
            page.Request += (_, request) =>
            {
                var uri = new Uri(request.Url);
                if (uri.Scheme is "http" or "https" && uri.Authority != host)
                    complaints.Add($"request to another host: {request.Url}");
            };
            page.Response += (_, response) =>
            {
                if (response.Status >= 400)
                    complaints.Add($"{response.Status} {response.Url}");
            };
        }

        public IPage Page { get; }

        public static async Task<Visit> OpenAsync(IBrowser browser, string url)
        {
            var page = await browser.NewPageAsync();
            var visit = new Visit(page, new Uri(url).Authority);
            await page.GotoAsync(url, new PageGotoOptions { WaitUntil = WaitUntilState.NetworkIdle });
            return visit;
        }

        public void AssertClean() => Assert.That(complaints, Is.Empty);

        public async ValueTask DisposeAsync() => await Page.CloseAsync();
    }
}
