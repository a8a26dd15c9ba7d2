using AiChat.Tests.Support;
using Microsoft.Playwright;

namespace AiChat.Tests.Api.Dialects;

/// <summary>The stream in a real browser, read by its own EventSource.</summary>
public sealed class ChatApiBrowserTests : ChatApiTestBase
{
    private const string Chromium = "/usr/bin/chromium";

    /// <summary>Joins the data of all messages, as the clients of the dialect do.</summary>
    private const string Listen = """
        path => {
          window.text = '';
          window.source = new EventSource(path);
          window.source.onmessage = e => window.text += e.data;
          return new Promise(done => window.source.addEventListener('end', e => done(e.data)));
        }
        """;

    private static readonly string[] Arguments =
        ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

    private IPlaywright? playwright;
    private IBrowser? browser;

    [OneTimeSetUp]
    public async Task StartBrowser()
    {
        if (!File.Exists(Chromium))
            Assert.Ignore($"There is no browser at {Chromium}. Install it with: apt-get install chromium");

        playwright = await Playwright.CreateAsync();
        browser = await playwright.Chromium.LaunchAsync(new BrowserTypeLaunchOptions { ExecutablePath = Chromium, Args = Arguments });
    }

    [OneTimeTearDown]
    public async Task StopBrowser()
    {
        if (browser is not null)
            await browser.DisposeAsync();
        playwright?.Dispose();
    }

    /// <summary>The client does not close its EventSource: the browser comes back by itself, and learns that there is no more.</summary>
    [Test]
    public async Task Inference_InABrowser_GivesTheTextOnceAndStops()
    {
        StartApp();
        var chatId = await AskAsync();
        Llm.Enqueue(LlmReplies.Stream(["  Leading", "\n", "\n  two\r", "\nlines ", " 😀", "\r\n- end\n"]));
        var page = await browser!.NewPageAsync();
        await page.GotoAsync(new Uri(App.Client.BaseAddress!, "/health/live").ToString());

        var end = await page.EvaluateAsync<string>(Listen, $"/conversations/inference/{chatId}");
        await page.WaitForFunctionAsync("() => window.source.readyState === EventSource.CLOSED");

        Assert.That(await page.EvaluateAsync<string>("() => window.text"), Is.EqualTo("  Leading\n\n  two\nlines  😀\n- end\n"));
        Assert.That(end, Does.EndWith("\"status\":\"completed\"}"));
        Assert.That(Llm.Requests, Has.Count.EqualTo(1));
        await page.CloseAsync();
    }
}
