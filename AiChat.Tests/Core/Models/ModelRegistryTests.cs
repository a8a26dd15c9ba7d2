using AiChat.Core.Errors;
using AiChat.Core.Models;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Options;
using Moq;

namespace AiChat.Tests.Core.Models;

public sealed class ModelRegistryTests
{
    private static readonly Mock<IChatClient> GroqClient = new();
    private static readonly Mock<IChatClient> OpenAiClient = new();
    private static readonly Mock<IChatClient> OfflineClient = new();

    [TestCase("fast")]
    [TestCase("FAST")]
    [TestCase("Fast")]
    public void Get_AnyCase_FindsTheAlias(string name)
    {
        var alias = Registry(Alias("fast", ("openai", "gpt"))).Get(name);

        Assert.That(alias.Name, Is.EqualTo("fast"));
    }

    [Test]
    public void Get_UnknownModel_IsRefusedAndNamesThoseThereAre()
    {
        var registry = Registry(Alias("smart", ("openai", "gpt")), Alias("fast", ("openai", "gpt")));

        var failure = Assert.Throws<InvalidRequestException>(() => registry.Get("slow"));

        Assert.That((failure.Code, failure.Field), Is.EqualTo(("unknown_model", "model")));
        Assert.That(failure.Message, Is.EqualTo("There is no model 'slow'. Ask for one of: fast, smart."));
    }

    [Test]
    public void Find_UnknownModel_IsNull()
    {
        var alias = Registry(Alias("fast", ("openai", "gpt"))).Find("slow");

        Assert.That(alias, Is.Null);
    }

    [Test]
    public void Active_FirstCandidateLacksItsKey_IsTheNextOneThatCanBeUsed()
    {
        var alias = Registry(Alias("fast", ("groq", "oss"), ("openai", "gpt"), ("offline", "x"))).Get("fast");

        Assert.That((alias.Active.Provider, alias.Active.Model, alias.Active.Client), Is.EqualTo(("openai", "gpt", OpenAiClient.Object)));
        Assert.That(alias.Candidates.Select(c => (c.Provider, c.MissingSetting)), Is.EqualTo(new[]
        {
            ("groq", "GROQ_API_KEY"), ("openai", null), ("offline", (string?)null),
        }));
    }

    [Test]
    public void Active_NoCandidateCanBeUsed_IsTheOfflineBackend()
    {
        var alias = Registry(Alias("fast", ("groq", "oss"))).Get("fast");

        Assert.That((alias.Active.Provider, alias.Active.Client), Is.EqualTo(("offline", OfflineClient.Object)));
        Assert.That(alias.Candidates.Select(c => c.Provider), Is.EqualTo(new[] { "groq", "offline" }));
    }

    [Test]
    public void Active_NoCandidates_IsTheOfflineBackend()
    {
        var alias = Registry(Alias("fast")).Get("fast");

        Assert.That(alias.Active.Provider, Is.EqualTo("offline"));
    }

    [Test]
    public void Active_ProviderInAnotherCase_IsFound()
    {
        var alias = Registry(Alias("fast", ("OpenAI", "gpt"))).Get("fast");

        Assert.That(alias.Active.Provider, Is.EqualTo("openai"));
    }

    [Test]
    public void Candidates_Window_IsTheConfiguredOne()
    {
        var alias = Registry(Alias("fast", ("openai", "gpt"))).Get("fast");

        Assert.That(alias.Active.ContextWindow, Is.EqualTo(2048));
    }

    [Test]
    public void Aliases_Several_AreOrderedByName()
    {
        var registry = Registry(Alias("smart"), Alias("fast"), Alias("coder"));

        Assert.That(registry.Aliases.Select(a => a.Name), Is.EqualTo(new[] { "coder", "fast", "smart" }));
    }

    [Test]
    public void Registry_TwoProvidersOfOneName_IsRefused()
    {
        IProvider[] providers = [Provider("groq", GroqClient), Provider("Groq", OpenAiClient)];

        Assert.That(() => new ModelRegistry(providers, Options.Create(new ModelsOptions()), TimeProvider.System), Throws.ArgumentException);
    }

    [Test]
    public void Report_FailureThenSuccess_RemembersTheLastEnd()
    {
        var candidate = Registry(Alias("fast", ("openai", "gpt"))).Get("fast").Active;

        var before = candidate.Health.LastError;
        candidate.Report(ProviderError.Timeout);
        var failed = candidate.Health.LastError;
        candidate.Report(null);

        Assert.That((before, failed, candidate.Health.LastError), Is.EqualTo(((ProviderError?)null, (ProviderError?)ProviderError.Timeout, (ProviderError?)null)));
    }

    private static (string Name, ModelAliasOptions Settings) Alias(string name, params (string Provider, string Model)[] candidates) => (name, new ModelAliasOptions
    {
        Candidates = [.. candidates.Select(c => new ModelCandidateOptions { Provider = c.Provider, Model = c.Model, ContextWindow = 2048 })],
    });

    private static ModelRegistry Registry(params (string Name, ModelAliasOptions Settings)[] aliases)
    {
        var options = new ModelsOptions();
        foreach (var (name, settings) in aliases)
            options.Aliases[name] = settings;
        return new ModelRegistry(
            [Provider("groq", GroqClient, "GROQ_API_KEY"), Provider("openai", OpenAiClient), Provider("offline", OfflineClient)], Options.Create(options),
            TimeProvider.System);
    }

    private static IProvider Provider(string name, Mock<IChatClient> client, string? missingSetting = null)
    {
        var provider = new Mock<IProvider>();
        provider.Setup(p => p.Name).Returns(name);
        provider.Setup(p => p.MissingSetting).Returns(missingSetting);
        provider.Setup(p => p.CreateChatClient(It.IsAny<string>())).Returns(client.Object);
        return provider.Object;
    }
}
