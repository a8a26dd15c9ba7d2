using AiChat.Core.WebSearch;
using Microsoft.Extensions.Configuration;

namespace AiChat.Tests.Core.WebSearch;

public sealed class WebSearchOptionsTests
{
    private readonly WebSearchOptionsValidator validator = new(() => ["fast", "smart"]);

    [Test]
    public void Validate_Defaults_AreValid()
    {
        Assert.That(validator.Validate(null, new WebSearchOptions()).Succeeded, Is.True);
    }

    [Test]
    public void Validate_SmallestAndGreatestValues_AreValid()
    {
        var least = new WebSearchOptions
        {
            MaxPages = 1,
            MaxTokens = 100,
            MaxPageBytes = 1024,
            MaxRedirects = 0,
            SearchTimeout = TimeSpan.FromTicks(1),
            PagesTimeout = TimeSpan.FromTicks(1),
            QueryTimeout = TimeSpan.FromTicks(1),
        };
        var most = new WebSearchOptions
        {
            MaxPages = 20,
            MaxTokens = int.MaxValue,
            MaxPageBytes = 64 * 1024 * 1024,
            MaxRedirects = 20,
            SearchTimeout = TimeSpan.FromMinutes(5),
            PagesTimeout = TimeSpan.FromMinutes(5),
            QueryTimeout = TimeSpan.FromMinutes(5),
            QueryModel = "SMART",
        };

        Assert.That(new[] { least, most }.Select(o => validator.Validate(null, o).Failures ?? []), Is.All.Empty);
    }

    [Test]
    public void Validate_SeveralMistakes_NamesKeysAndCures()
    {
        var result = validator.Validate(null, new WebSearchOptions
        {
            Provider = "google",
            SearxngUrl = "localhost:8888",
            BraveUrl = "ftp://example.com",
            TavilyUrl = "https://user:secret@example.com",
            BraveApiKey = "two words",
            TavilyApiKey = "schlüssel",
            QueryModel = "slow",
            MaxPages = 0,
            MaxTokens = 99,
            MaxPageBytes = 1023,
            MaxRedirects = -1,
            QueryTimeout = TimeSpan.Zero,
            SearchTimeout = TimeSpan.FromMinutes(6),
            PagesTimeout = TimeSpan.FromSeconds(-1),
            AllowedHosts = { "intranet", "http://intranet.example" },
        });

        Assert.That(result.Failures, Is.EqualTo(new[]
        {
            "WebSearch:Provider is 'google': write searxng, brave or tavily, or leave it empty for the first whose address or key is given.",
            "WebSearch:SearxngUrl is not an absolute http or https address, or has a user name or a query in it: write one such as http://localhost:8888.",
            "WebSearch:BraveUrl is not an absolute http or https address, or has a user name or a query in it: write one such as https://api.search.brave.com.",
            "WebSearch:TavilyUrl is not an absolute http or https address, or has a user name or a query in it: write one such as https://api.tavily.com.",
            "WebSearch:BraveApiKey (or BRAVE_API_KEY) has spaces, line breaks or non-ASCII characters in it: copy the key again.",
            "WebSearch:TavilyApiKey (or TAVILY_API_KEY) has spaces, line breaks or non-ASCII characters in it: copy the key again.",
            "WebSearch:QueryModel is 'slow', which is not in Models: write one of its aliases, such as fast.",
            "WebSearch:MaxPages is 0: write a number of pages from 1 to 20.",
            "WebSearch:MaxTokens is 99: write a number of tokens, 100 or more.",
            "WebSearch:MaxPageBytes is 1023: write a number of bytes from 1024 to 67108864.",
            "WebSearch:MaxRedirects is -1: write a number from 0 to 20.",
            "WebSearch:QueryTimeout is 00:00:00: write a time above zero and up to five minutes, such as 00:00:08.",
            "WebSearch:SearchTimeout is 00:06:00: write a time above zero and up to five minutes, such as 00:00:08.",
            "WebSearch:PagesTimeout is -00:00:01: write a time above zero and up to five minutes, such as 00:00:08.",
            "WebSearch:AllowedHosts:1 is 'http://intranet.example': write a host or a host with its port, such as intranet.example:8080.",
        }));
    }

    [TestCase("SearXNG", "WebSearch:Provider is searxng, but WebSearch:SearxngUrl is empty: write the address of the server, such as http://localhost:8888.")]
    [TestCase("brave", "WebSearch:Provider is brave, but its key is missing: set BRAVE_API_KEY, or name another engine.")]
    [TestCase("tavily", "WebSearch:Provider is tavily, but its key is missing: set TAVILY_API_KEY, or name another engine.")]
    public void Validate_NamedEngineWithoutAddressOrKey_SaysWhatIsMissing(string provider, string problem)
    {
        Assert.That(validator.Validate(null, new WebSearchOptions { Provider = provider }).Failures, Is.EqualTo(new[] { problem }));
    }

    [TestCase("searxng")]
    [TestCase("Brave")]
    [TestCase("TAVILY")]
    public void Validate_NamedEngineWithAddressOrKey_IsValid(string provider)
    {
        var options = new WebSearchOptions { Provider = provider, SearxngUrl = "http://localhost:8888/searx/", BraveApiKey = "BSA-x", TavilyApiKey = "tvly-x" };

        Assert.That(validator.Validate(null, options).Succeeded, Is.True);
    }

    [TestCase("intranet")]
    [TestCase("intranet.example:8080")]
    [TestCase("127.0.0.1:80")]
    [TestCase("[::1]:8080")]
    public void Validate_AllowedHost_IsValid(string host)
    {
        Assert.That(validator.Validate(null, new WebSearchOptions { AllowedHosts = { host } }).Succeeded, Is.True);
    }

    [TestCase("")]
    [TestCase("*")]
    [TestCase("10.0.0.0/8")]
    [TestCase("user@intranet")]
    [TestCase("intranet:")]
    [TestCase("intranet:0")]
    [TestCase("intranet:70000")]
    [TestCase("::1")]
    [TestCase("intranet?x")]
    public void Validate_WhatIsNoHost_IsRefused(string host)
    {
        Assert.That(validator.Validate(null, new WebSearchOptions { AllowedHosts = { host } }).Failures, Is.EqualTo(new[]
        {
            $"WebSearch:AllowedHosts:0 is '{host}': write a host or a host with its port, such as intranet.example:8080.",
        }));
    }

    [Test]
    public void Bind_KeysOfTheSectionAndShortNames_TheSectionsWin()
    {
        var options = Bind(
            ("WebSearch:BraveApiKey", " ours "), ("BRAVE_API_KEY", "theirs"), ("WebSearch:TavilyApiKey", " "), ("TAVILY_API_KEY", "short"),
            ("WebSearch:SearxngUrl", " http://localhost:8888 "), ("WebSearch:Provider", null), ("WebSearch:AllowedHosts:0", "intranet"));

        Assert.That((options.BraveApiKey, options.TavilyApiKey, options.SearxngUrl, options.Provider), Is.EqualTo(("ours", "short", "http://localhost:8888", "")));
        Assert.That(options.AllowedHosts, Is.EqualTo(new[] { "intranet" }));
    }

    [Test]
    public void Bind_ValueOfTheWrongType_IsReportedWithItsKey()
    {
        Assert.That(() => Bind(("WebSearch:SearchTimeout", "soon")), Throws.InvalidOperationException.With.Message.Contains("WebSearch:SearchTimeout"));
    }

    private static WebSearchOptions Bind(params (string Key, string? Value)[] settings)
    {
        var options = new WebSearchOptions();
        options.Bind(new ConfigurationBuilder().AddInMemoryCollection(settings.Select(s => KeyValuePair.Create(s.Key, s.Value))).Build());
        return options;
    }
}
