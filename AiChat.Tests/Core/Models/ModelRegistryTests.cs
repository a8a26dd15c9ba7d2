using AiChat.Core.Errors;
using AiChat.Core.Models;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging.Abstractions;
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

        Assert.That((alias.Active.Provider, alias.Active.Model), Is.EqualTo(("openai", "gpt")));
        Assert.That(alias.Candidates.Select(c => (c.Provider, c.MissingSetting)), Is.EqualTo(new[]
        {
            ("groq", "GROQ_API_KEY"), ("openai", null), ("offline", (string?)null),
        }));
    }

    [Test]
    public void Active_NoCandidateCanBeUsed_IsTheOfflineBackend()
    {
        var alias = Registry(Alias("fast", ("groq", "oss"))).Get("fast");

        Assert.That(alias.Active.Provider, Is.EqualTo("offline"));
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
    public async Task Candidates_Client_IsTheProvidersOwnBehindItsTelemetry()
    {
        var answer = new ChatResponse(new ChatMessage(ChatRole.Assistant, "Hello!"));
        OpenAiClient.Setup(c => c.GetResponseAsync(It.IsAny<IEnumerable<ChatMessage>>(), null, default)).ReturnsAsync(answer);
        var client = Registry(Alias("fast", ("groq", "oss"), ("openai", "gpt"))).Get("fast").Active.Client;

        var response = await client.GetResponseAsync([]);

        Assert.That(client, Is.InstanceOf<TelemetryChatClient>());
        Assert.That(response, Is.SameAs(answer));
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

        Assert.That(() => NewRegistry(providers, new ModelsOptions()), Throws.ArgumentException);
    }

    [Test]
    public async Task Active_FirstCandidateIsLeftAlone_IsTheNextOne()
    {
        var alias = Registry(Alias("fast", ("openai", "gpt"), ("offline", "x"))).Get("fast");

        await alias.Candidates[0].Circuit.ReportAsync(new ProviderException("openai", ProviderError.Unauthorized, ""));

        Assert.That(alias.Active.Provider, Is.EqualTo("offline"));
    }

    [Test]
    public async Task Active_AllAreLeftAlone_IsTheFirstThatCanBeUsed()
    {
        var alias = Registry(Alias("fast", ("groq", "oss"), ("openai", "gpt"))).Get("fast");

        await alias.Candidates[1].Circuit.ReportAsync(new ProviderException("openai", ProviderError.Unauthorized, ""));

        Assert.That(alias.Active.Provider, Is.EqualTo("openai"));
    }

    [Test]
    public void Candidates_SameModelInTwoAliases_ShareTheirHealth()
    {
        var registry = Registry(Alias("fast", ("openai", "gpt")), Alias("smart", ("openai", "gpt"), ("openai", "gpt-large")));

        Assert.That(registry.Get("smart").Candidates[0].Circuit, Is.SameAs(registry.Get("fast").Active.Circuit));
        Assert.That(registry.Get("smart").Candidates[1].Circuit, Is.Not.SameAs(registry.Get("fast").Active.Circuit));
    }

    [Test]
    public void Candidates_Settings_AreTheConfiguredOnes()
    {
        var settings = new ModelAliasOptions
        {
            Temperature = 0.5,
            MaxOutputTokens = 100,
            SystemPrompt = "Be brief.",
            Candidates = [new() { Provider = "openai", Model = "gpt", ContextWindow = 4096, MaxOutputTokens = 1000, InputPrice = 0.1m, OutputPrice = 0.4m }],
        };

        var alias = Registry(("fast", settings)).Get("fast");

        Assert.That((alias.Temperature, alias.MaxOutputTokens, alias.SystemPrompt), Is.EqualTo((0.5, 100, "Be brief.")));
        Assert.That((alias.Active.MaxOutputTokens, alias.Active.Price), Is.EqualTo((1000, new ModelPrice(0.1m, 0.4m))));
    }

    [Test]
    public void Health_NoKey_NamesTheSetting()
    {
        var candidate = Registry(Alias("fast", ("groq", "oss"))).Get("fast").Candidates[0];

        Assert.That((candidate.Health.State, candidate.MissingSetting), Is.EqualTo((CandidateState.NoKey, "GROQ_API_KEY")));
    }

    [Test]
    public async Task Health_KeyIsRefused_NamesTheSetting()
    {
        var candidate = Registry(Alias("fast", ("openai", "gpt"))).Get("fast").Active;

        await candidate.Circuit.ReportAsync(new ProviderException("openai", ProviderError.Unauthorized, ""));

        Assert.That((candidate.Health.State, candidate.KeySetting), Is.EqualTo((CandidateState.Open, "OPENAI_API_KEY")));
    }

    [Test]
    public void Find_DirectModelNotAllowed_IsNull()
    {
        var alias = Registry(Alias("fast", ("openai", "gpt"))).Find("openai/gpt");

        Assert.That(alias, Is.Null);
    }

    [Test]
    public void Find_DirectModel_HasOneCandidateWithTheUsualWindow()
    {
        var alias = DirectRegistry(Alias("fast", ("openai", "gpt"))).Find("OpenAI/vendor/model")!;

        Assert.That(alias.Name, Is.EqualTo("openai/vendor/model"));
        Assert.That(alias.Candidates.Select(c => (c.Provider, c.Model, c.ContextWindow)), Is.EqualTo(new[] { ("openai", "vendor/model", 8192) }));
    }

    [Test]
    public void Find_DirectModelThatIsACandidate_IsThatCandidate()
    {
        var registry = DirectRegistry(Alias("fast", ("openai", "gpt")));

        Assert.That(registry.Find("openai/gpt")!.Active, Is.SameAs(registry.Get("fast").Active));
    }

    [Test]
    public void Find_DirectModelTwice_IsRemembered()
    {
        var registry = DirectRegistry(Alias("fast", ("openai", "gpt")));

        var first = registry.Find("openai/new");

        Assert.That(registry.Find("openai/new"), Is.SameAs(first));
    }

    [Test]
    public void Find_MoreDirectModelsThanAreRemembered_FindsThemAll()
    {
        var registry = DirectRegistry(Alias("fast", ("openai", "gpt")));

        var names = Enumerable.Range(0, 1000).Select(n => registry.Find($"openai/model-{n}")!.Active.Model).ToList();

        Assert.That(names, Is.EqualTo(Enumerable.Range(0, 1000).Select(n => $"model-{n}")));
    }

    [TestCase("openai/")]
    [TestCase("/gpt")]
    [TestCase("openai")]
    [TestCase("nobody/gpt")]
    [TestCase("groq/oss", Description = "It has no key.")]
    public void Find_NoDirectModel_IsNull(string name)
    {
        var alias = DirectRegistry(Alias("fast", ("openai", "gpt"))).Find(name);

        Assert.That(alias, Is.Null);
    }

    [Test]
    public void Find_AliasNamedLikeADirectModel_IsTheAlias()
    {
        var alias = DirectRegistry(Alias("fast", ("openai", "gpt")), Alias("openai/gpt", ("offline", "x"))).Find("openai/gpt")!;

        Assert.That(alias.Active.Provider, Is.EqualTo("offline"));
    }

    [Test]
    public void Aliases_DirectModelsWereAskedFor_AreAloneInTheList()
    {
        var registry = DirectRegistry(Alias("fast", ("openai", "gpt")));

        registry.Find("openai/new");

        Assert.That(registry.Aliases.Select(a => a.Name), Is.EqualTo(new[] { "fast" }));
    }

    [Test]
    public void Get_UnknownModelWhereDirectOnesAreAllowed_NamesTheProvidersThatCanBeUsed()
    {
        var failure = Assert.Throws<InvalidRequestException>(() => DirectRegistry(Alias("fast", ("openai", "gpt"))).Get("groq/oss"));

        Assert.That(failure.Message, Is.EqualTo(
            "There is no model 'groq/oss'. Ask for one of: fast, or provider/model with one of the providers offline, openai."));
    }

    [Test]
    public void Replace_OtherAliases_AreFoundFromThenOn()
    {
        var registry = Registry(Alias("fast", ("openai", "gpt")));
        var before = registry.Get("fast");

        registry.Replace(Providers(), Models(Alias("fast", ("offline", "x")), Alias("new", ("openai", "gpt"))), new RoutingOptions());

        Assert.That(registry.Aliases.Select(a => (a.Name, a.Active.Provider)), Is.EqualTo(new[] { ("fast", "offline"), ("new", "openai") }));
        Assert.That(before.Active.Provider, Is.EqualTo("openai"));
    }

    [Test]
    public void Replace_SameProvider_KeepsTheHealthOfItsModels()
    {
        var providers = Providers();
        var registry = NewRegistry(providers, Models(Alias("fast", ("openai", "gpt"))));
        var before = registry.Get("fast").Active;

        registry.Replace(providers, Models(Alias("fast", ("offline", "x"), ("openai", "gpt"))), new RoutingOptions());

        Assert.That(registry.Get("fast").Candidates[1].Circuit, Is.SameAs(before.Circuit));
    }

    [Test]
    public void Replace_OtherProviderOfThatName_ForgetsTheHealthOfItsModels()
    {
        var registry = Registry(Alias("fast", ("openai", "gpt")));
        var before = registry.Get("fast").Active;

        registry.Replace(Providers(), Models(Alias("fast", ("openai", "gpt"))), new RoutingOptions());

        Assert.That(registry.Get("fast").Active.Circuit, Is.Not.SameAs(before.Circuit));
    }

    [Test]
    public void Replace_OtherRules_HoldForTheModels()
    {
        var providers = Providers();
        var registry = NewRegistry(providers, Models(Alias("fast", ("openai", "gpt"))));
        var before = registry.Get("fast").Active;

        registry.Replace(providers, Models(Alias("fast", ("openai", "gpt"))), new RoutingOptions { MinimumThroughput = 9 });

        Assert.That(registry.Get("fast").Active.Circuit, Is.Not.SameAs(before.Circuit));
    }

    private static (string Name, ModelAliasOptions Settings) Alias(string name, params (string Provider, string Model)[] candidates) => (name, new ModelAliasOptions
    {
        Candidates = [.. candidates.Select(c => new ModelCandidateOptions { Provider = c.Provider, Model = c.Model, ContextWindow = 2048 })],
    });

    private static ModelRegistry Registry(params (string Name, ModelAliasOptions Settings)[] aliases) => NewRegistry(Providers(), Models(aliases));

    private static ModelRegistry DirectRegistry(params (string Name, ModelAliasOptions Settings)[] aliases)
    {
        var options = Models(aliases);
        options.AllowDirect = true;
        return NewRegistry(Providers(), options);
    }

    private static ModelsOptions Models(params (string Name, ModelAliasOptions Settings)[] aliases)
    {
        var options = new ModelsOptions();
        foreach (var (name, settings) in aliases)
            options.Aliases[name] = settings;
        return options;
    }

    private static IProvider[] Providers() =>
        [Provider("groq", GroqClient, "GROQ_API_KEY"), Provider("openai", OpenAiClient), Provider("offline", OfflineClient)];

    private static ModelRegistry NewRegistry(IReadOnlyList<IProvider> providers, ModelsOptions options) => new(
        providers, Options.Create(options), Options.Create(new RoutingOptions()), new ChatTelemetry(includeContents: false), TimeProvider.System, NullLogger<CandidateCircuit>.Instance);

    private static IProvider Provider(string name, Mock<IChatClient> client, string? missingSetting = null)
    {
        var provider = new Mock<IProvider>();
        provider.Setup(p => p.Name).Returns(name);
        provider.Setup(p => p.MissingSetting).Returns(missingSetting);
        provider.Setup(p => p.KeySetting).Returns($"{name.ToUpperInvariant()}_API_KEY");
        provider.Setup(p => p.CreateChatClient(It.IsAny<string>())).Returns(client.Object);
        return provider.Object;
    }
}
