using AiChat.Core.WebSearch;
using AiChat.Tests.Support;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace AiChat.Tests.Infrastructure.WebSearch;

/// <summary>A scripted search server for each test, and an engine pointing at it.</summary>
internal abstract class WebSearchTestBase<TEngine>
    where TEngine : IWebSearch, IDisposable
{
    private protected const string Key = "sk-5ecret-key";

    private LoggerFactory loggers = null!;

    private protected static CancellationToken None => CancellationToken.None;

    private protected ScriptedServer Server { get; private set; } = null!;

    private protected WebSearchOptions Settings { get; private set; } = null!;

    private protected FakeTime Time { get; private set; } = null!;

    private protected CapturedLog Log { get; private set; } = null!;

    private protected TEngine Engine { get; private set; } = default!;

    [SetUp]
    public async Task SetUpEngine()
    {
        Server = await ScriptedServer.StartAsync();
        Settings = NewSettings(Server.Url);
        Time = new FakeTime();
        Log = new CapturedLog();
        loggers = new LoggerFactory([Log]);
        Engine = NewEngine();
    }

    [TearDown]
    public async Task TearDownEngine()
    {
        Engine.Dispose();
        loggers.Dispose();
        await Server.DisposeAsync();
        Log.AssertNothingUnexpected();
        Assert.That(Log.Entries.Select(e => e.Message + e.Exception).Where(text => text.Contains(Key, StringComparison.Ordinal) || text.Contains("Rome", StringComparison.Ordinal)), Is.Empty);
        Log.Dispose();
    }

    private protected abstract WebSearchOptions NewSettings(string url);

    private protected abstract TEngine NewEngine(IOptions<WebSearchOptions> options, TimeProvider time, ILogger<TEngine> logger);

    /// <summary>The engine with the settings as they are now.</summary>
    private protected TEngine NewEngine() => NewEngine(Options.Create(Settings), Time, loggers.CreateLogger<TEngine>());

    /// <summary>Starts anew with the settings as they are now.</summary>
    private protected void RenewEngine()
    {
        Engine.Dispose();
        Engine = NewEngine();
    }

    /// <summary>Searches for Rome and returns what people are told.</summary>
    private protected string Fail()
    {
        var failure = Assert.ThrowsAsync<WebSearchException>(() => Engine.SearchAsync("Rome", 5, None))!;
        Assert.That(failure.Code, Is.EqualTo("web_search_failed"));
        return failure.Message;
    }
}
