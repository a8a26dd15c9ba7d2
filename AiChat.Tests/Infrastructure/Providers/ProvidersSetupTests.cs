using AiChat.Core.Models;
using AiChat.Infrastructure.Providers;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace AiChat.Tests.Infrastructure.Providers;

public sealed class ProvidersSetupTests
{
    private readonly List<ServiceProvider> containers = [];

    [TearDown]
    public void DisposeContainers() => containers.ForEach(c => c.Dispose());

    [Test]
    public void Bind_WholeSection_FillsEveryProperty()
    {
        var options = GetOptions(
            ("Providers:Mine:Kind", "openai"), ("Providers:Mine:BaseUrl", "http://localhost:1234/v1"), ("Providers:Mine:ApiKey", " key \n"),
            ("Providers:Mine:RequiresApiKey", "false"), ("Providers:Mine:Timeout", "00:00:30"),
            ("Providers:Mine:MaxTokensField", "max_completion_tokens"), ("Providers:Mine:ApiKeyHeader", "api-key"),
            ("Providers:Mine:Headers:X-Team", "blue"), ("Providers:Mine:Organization", "org-1"),
            ("Providers:Mine:ConnectTimeout", "00:00:03"), ("Providers:Mine:FirstTokenTimeout", "00:00:20"));

        var mine = options.Providers["mine"];

        Assert.Multiple(() =>
        {
            Assert.That(mine.BaseUrl, Is.EqualTo("http://localhost:1234/v1"));
            Assert.That(mine.ApiKey, Is.EqualTo("key"));
            Assert.That(mine.RequiresApiKey, Is.False);
            Assert.That(mine.Timeout, Is.EqualTo(TimeSpan.FromSeconds(30)));
            Assert.That(mine.MaxTokensField, Is.EqualTo("max_completion_tokens"));
            Assert.That(mine.ApiKeyHeader, Is.EqualTo("api-key"));
            Assert.That(mine.Headers["x-team"], Is.EqualTo("blue"));
            Assert.That(mine.Organization, Is.EqualTo("org-1"));
            Assert.That(mine.ConnectTimeout, Is.EqualTo(TimeSpan.FromSeconds(3)));
            Assert.That(mine.FirstTokenTimeout, Is.EqualTo(TimeSpan.FromSeconds(20)));
        });
    }

    [Test]
    public void Bind_BaseUrlAlone_HasTheDefaults()
    {
        var groq = GetOptions(("Providers:groq:BaseUrl", "https://groq.test/v1")).Providers["groq"];

        Assert.Multiple(() =>
        {
            Assert.That(groq.Kind, Is.EqualTo("openai"));
            Assert.That(groq.ApiKey, Is.Null);
            Assert.That(groq.RequiresApiKey, Is.True);
            Assert.That(groq.Timeout, Is.EqualTo(TimeSpan.FromMinutes(2)));
            Assert.That(groq.MaxTokensField, Is.EqualTo("max_tokens"));
            Assert.That((groq.ApiKeyHeader, groq.Organization, groq.Headers.Count), Is.EqualTo(("", "", 0)));
            Assert.That((groq.ConnectTimeout, groq.FirstTokenTimeout), Is.EqualTo((TimeSpan.FromSeconds(10), (TimeSpan?)null)));
        });
    }

    [TestCase("groq", "GROQ_API_KEY")]
    [TestCase("my-llm 2", "MY_LLM_2_API_KEY")]
    public void Bind_KeyByShortName_IsTaken(string provider, string setting)
    {
        var options = GetOptions(($"Providers:{provider}:BaseUrl", "https://llm.test/v1"), ($"Providers:{provider}:ApiKey", ""), (setting, "short"));

        Assert.That(options.Providers[provider].ApiKey, Is.EqualTo("short"));
    }

    [Test]
    public void Bind_BothKeys_TakesTheOneOfTheSection()
    {
        var options = GetOptions(("Providers:groq:BaseUrl", "https://groq.test/v1"), ("Providers:groq:ApiKey", "long"), ("GROQ_API_KEY", "short"));

        Assert.That(options.Providers["groq"].ApiKey, Is.EqualTo("long"));
    }

    [TestCase("")]
    [TestCase("  ")]
    public void Bind_EmptyKey_IsNone(string key)
    {
        var options = GetOptions(("Providers:groq:BaseUrl", "https://groq.test/v1"), ("GROQ_API_KEY", key));

        Assert.That(options.Providers["groq"].ApiKey, Is.Null);
    }

    [Test]
    public void Validate_ManyProblems_ReportsThemAllAtOnceWithoutKeys()
    {
        var failure = Assert.Throws<OptionsValidationException>(() => GetOptions(
            ("Providers:a:Kind", "claude"), ("Providers:a:Timeout", "00:00:00"),
            ("Providers:b:BaseUrl", "api.groq.com/openai/v1"), ("Providers:b:MaxTokensField", "tokens"),
            ("Providers:c:BaseUrl", "ftp://user:passw0rd@host/v1"), ("Providers:c:ApiKey", "two s3cret words"),
            ("Providers:d:BaseUrl", "https://d.test/v1"), ("Providers:d:Timeout", "soon"),
            ("Providers:e:Timeout", "400.00:00:00"),
            ("Providers:offline:Kind", "openai")));

        Assert.That(failure.Failures, Is.EquivalentTo(new[]
        {
            "Failed to convert configuration value 'soon' at 'Providers:d:Timeout' to type 'System.TimeSpan'. Write a value of that type.",
            "Providers:a:Kind is 'claude': write openai, anthropic or offline.",
            "Providers:a:Timeout is 00:00:00: write a time above zero and up to a day, such as 00:02:00.",
            "Providers:b:BaseUrl is not an absolute http or https address: write one such as https://api.groq.com/openai/v1.",
            "Providers:b:MaxTokensField is 'tokens': write max_tokens or max_completion_tokens.",
            "Providers:c:BaseUrl is not an absolute http or https address: write one such as https://api.groq.com/openai/v1.",
            "Providers:c:ApiKey (or C_API_KEY) has spaces, line breaks or non-ASCII characters in it: copy the key again.",
            "Providers:e:BaseUrl is not an absolute http or https address: write one such as https://api.groq.com/openai/v1.",
            "Providers:e:Timeout is 400.00:00:00: write a time above zero and up to a day, such as 00:02:00.",
            "Providers:offline:Kind is 'openai', but this name belongs to the built-in backend: write offline, or choose another name.",
            "Providers:offline:BaseUrl is not an absolute http or https address: write one such as https://api.groq.com/openai/v1.",
        }));
    }

    [Test]
    public void Validate_HeadersTimeoutsAndAddresses_NamesKeyAndCure()
    {
        var failure = Assert.Throws<OptionsValidationException>(() => GetOptions(
            ("Providers:a:Kind", "anthropic"), ("Providers:a:BaseUrl", "https://api.anthropic.com/v1/"),
            ("Providers:b:Kind", "anthropic"), ("Providers:b:BaseUrl", "api.anthropic.com"),
            ("Providers:c:BaseUrl", "https://c.test/v1"), ("Providers:c:Headers:authorization", "Bearer x"), ("Providers:c:Headers:X-API-Key", "x"),
            ("Providers:c:Headers:Content-Type", "text/plain"), ("Providers:c:Headers:Two words", "x"), ("Providers:c:Headers:X-Empty", ""),
            ("Providers:c:Headers:X-Lines", "a\r\nb"), ("Providers:c:Headers:X-Good", "a b"),
            ("Providers:d:BaseUrl", "https://d.test/v1"), ("Providers:d:ApiKeyHeader", "Content-Type"), ("Providers:d:Organization", "org\n"),
            ("Providers:e:BaseUrl", "https://e.test/v1"), ("Providers:e:ApiKeyHeader", "x-secret"), ("Providers:e:Headers:X-Secret", "x"),
            ("Providers:f:BaseUrl", "https://f.test/v1"), ("Providers:f:ConnectTimeout", "-00:00:01"), ("Providers:f:FirstTokenTimeout", "2.00:00:00")));

        Assert.That(failure.Failures, Is.EquivalentTo(new[]
        {
            "Providers:a:BaseUrl ends with /v1, which AiChat appends itself: write the address without it, such as https://api.anthropic.com.",
            "Providers:b:BaseUrl is not an absolute http or https address: write one such as https://api.anthropic.com.",
            "Providers:c:Headers:authorization is for the key: give it as ApiKey, and the header's name as ApiKeyHeader.",
            "Providers:c:Headers:X-API-Key is for the key: give it as ApiKey, and the header's name as ApiKeyHeader.",
            "Providers:c:Headers:Content-Type is no header that can be added: take it out.",
            "Providers:c:Headers:Two words is no header that can be added: take it out.",
            "Providers:c:Headers:X-Empty is empty, or has line breaks or non-ASCII characters in it: write its value, or take it out.",
            "Providers:c:Headers:X-Lines is empty, or has line breaks or non-ASCII characters in it: write its value, or take it out.",
            "Providers:d:ApiKeyHeader is 'Content-Type': write the name of a header, such as api-key, or nothing for the usual one.",
            "Providers:d:Organization has line breaks or non-ASCII characters in it: copy the organization's id again.",
            "Providers:e:Headers:X-Secret is for the key: give it as ApiKey, and the header's name as ApiKeyHeader.",
            "Providers:f:ConnectTimeout is -00:00:01: write a time above zero and up to a day, such as 00:00:10.",
            "Providers:f:FirstTokenTimeout is 2.00:00:00: write a time above zero and up to a day, such as 00:00:30.",
        }));
    }

    [Test]
    public void AddProviders_NothingConfigured_HasTheOfflineBackend()
    {
        var provider = GetProviders().Single();

        Assert.That((provider.Name, provider.MissingSetting), Is.EqualTo(("offline", (string?)null)));
    }

    [Test]
    public void AddProviders_SomeConfigured_HasOneEachAndTheOfflineBackend()
    {
        var providers = GetProviders(
            ("Providers:openai:BaseUrl", "https://openai.test/v1"), ("Providers:groq:BaseUrl", "https://groq.test/v1"),
            ("Providers:mock:Kind", "Offline"), ("OPENAI_API_KEY", "key"));

        Assert.That(providers.Select(p => (p.Name, p.MissingSetting)), Is.EqualTo(new[]
        {
            ("groq", "GROQ_API_KEY"), ("openai", null), ("mock", null), ("offline", (string?)null),
        }));
    }

    [Test]
    public void AddProviders_OfflineNamedInAnotherCase_IsThereOnce()
    {
        var providers = GetProviders(("Providers:Offline:Kind", "offline"));

        Assert.That(providers.Select(p => p.Name), Is.EqualTo(new[] { "Offline" }));
    }

    [TestCase("", "Set GROQ_API_KEY or OPENAI_API_KEY for a real answer.")]
    [TestCase("key", "Set OPENAI_API_KEY for a real answer.")]
    public async Task AddProviders_KeysMissing_OfflineBackendTellsWhichOnes(string groqKey, string expected)
    {
        var providers = GetProviders(
            ("Providers:groq:BaseUrl", "https://groq.test/v1"), ("Providers:openai:BaseUrl", "https://openai.test/v1"), ("GROQ_API_KEY", groqKey));

        var response = await providers.Single(p => p.Name == "offline").CreateChatClient("offline").GetResponseAsync("Hello");

        Assert.That(response.Text, Does.EndWith(expected));
    }

    [Test]
    public void AddProviders_InvalidSettings_StillGivesTheNames()
    {
        var providers = GetProviders(("Providers:groq:BaseUrl", "nonsense"), ("Providers:groq:Timeout", "soon"));

        Assert.That(providers.Select(p => p.Name), Is.EqualTo(new[] { "groq", "offline" }));
    }

    [Test]
    public void ValidateOnStart_ProvidersAndModelsWrong_ReportsBoth()
    {
        var services = NewServices(
            ("Providers:groq:BaseUrl", "nonsense"), ("Models:fast:Candidates:0:Provider", "grok"), ("Models:fast:Candidates:0:Model", "m"));
        services.AddOptions<ModelsOptions>().Configure<IConfiguration>((o, c) => o.Bind(c.GetSection(ModelsOptions.Section))).ValidateOnStart();
        services.AddSingleton<IValidateOptions<ModelsOptions>, ModelsOptionsValidator>();

        var failure = Assert.Throws<AggregateException>(() => Build(services).GetRequiredService<IStartupValidator>().Validate());

        var problems = failure.InnerExceptions.Cast<OptionsValidationException>().SelectMany(e => e.Failures);
        Assert.That(problems, Is.EquivalentTo(new[]
        {
            "Providers:groq:BaseUrl is not an absolute http or https address: write one such as https://api.groq.com/openai/v1.",
            "Models:fast:Candidates:0:Provider names 'grok', which is not in Providers: write one of groq, offline, or add it there.",
        }));
    }

    private static ServiceCollection NewServices(params (string Key, string Value)[] settings)
    {
        var services = new ServiceCollection();
        services.AddSingleton<IConfiguration>(new ConfigurationBuilder()
            .AddInMemoryCollection(settings.ToDictionary(s => s.Key, s => (string?)s.Value)).Build());
        services.AddProviders();
        return services;
    }

    private ServiceProvider Build(IServiceCollection services)
    {
        containers.Add(services.BuildServiceProvider());
        return containers[^1];
    }

    private ProvidersOptions GetOptions(params (string Key, string Value)[] settings) =>
        Build(NewServices(settings)).GetRequiredService<IOptions<ProvidersOptions>>().Value;

    private List<IProvider> GetProviders(params (string Key, string Value)[] settings) =>
        [.. Build(NewServices(settings)).GetRequiredService<IEnumerable<IProvider>>()];
}
