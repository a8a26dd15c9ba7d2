using AiChat.Core.Models;
using Microsoft.Extensions.Configuration;
using Moq;

namespace AiChat.Tests.Core.Models;

public sealed class ModelsOptionsTests
{
    [Test]
    public void Bind_Section_HasOneAliasForEachSubsection()
    {
        var options = Bind(
            ("Models:Fast:Candidates:0:Provider", "groq"), ("Models:Fast:Candidates:0:Model", "oss"), ("Models:Fast:Candidates:0:ContextWindow", "4096"),
            ("Models:Fast:Candidates:1:Provider", "openai"), ("Models:Fast:Candidates:1:Model", "gpt"),
            ("Models:smart:Candidates:0:Provider", "groq"));

        Assert.That(options.Aliases.Keys, Is.EquivalentTo(new[] { "Fast", "smart" }));
        Assert.That(options.Aliases["fast"].Candidates.Select(c => (c.Provider, c.Model, c.ContextWindow)), Is.EqualTo(new[]
        {
            ("groq", "oss", 4096), ("openai", "gpt", 8192),
        }));
    }

    [Test]
    public void Validate_AliasWithoutCandidates_IsValid()
    {
        var result = Validate(Bind(("Models:fast:Candidates", "")));

        Assert.That(result, Is.Null);
    }

    [Test]
    public void Validate_ProviderInAnotherCase_IsValid()
    {
        var result = Validate(Bind(("Models:fast:Candidates:0:Provider", "GROQ"), ("Models:fast:Candidates:0:Model", "oss")));

        Assert.That(result, Is.Null);
    }

    [Test]
    public void Validate_EverythingWrong_ReportsAllWithKeyAndCure()
    {
        var failures = Validate(Bind(
            ("Models:smart:Candidates:0:Provider", "groq"), ("Models:smart:Candidates:0:Model", "oss"), ("Models:smart:Candidates:0:ContextWindow", "1024"),
            ("Models:smart:Candidates:1:Provider", "grok"), ("Models:smart:Candidates:1:ContextWindow", "1023")));

        Assert.That(failures, Is.EqualTo(new[]
        {
            "Models:fast is missing: it answers whoever names no model. Add it with at least one candidate.",
            "Models:smart:Candidates:1:Model is empty: write the model's id at the provider, such as openai/gpt-oss-20b.",
            "Models:smart:Candidates:1:Provider names 'grok', which is not in Providers: write one of groq, offline, or add it there.",
            "Models:smart:Candidates:1:ContextWindow is 1023: write the model's window in tokens, 1024 or more.",
        }));
    }

    [Test]
    public void Validate_ValueThatCannotBeRead_IsReportedWithEverythingElse()
    {
        var failures = Validate(Bind(("Models:smart:Candidates:0:ContextWindow", "large"), ("Models:smart:Candidates:0:Provider", "groq")));

        Assert.That(failures, Is.EqualTo(new[]
        {
            "Failed to convert configuration value 'large' at 'Models:smart:Candidates:0:ContextWindow' to type 'System.Int32'. Write a value of that type.",
            "Models:fast is missing: it answers whoever names no model. Add it with at least one candidate.",
            "Models:smart:Candidates:0:Model is empty: write the model's id at the provider, such as openai/gpt-oss-20b.",
        }));
    }

    [Test]
    public void Bind_AliasDefaultsAndPrices_AreRead()
    {
        var alias = Bind(
            ("Models:fast:Temperature", "0.3"), ("Models:fast:MaxOutputTokens", "500"), ("Models:fast:SystemPrompt", "Be brief."),
            ("Models:fast:Candidates:0:Model", "oss"), ("Models:fast:Candidates:0:MaxOutputTokens", "1000"),
            ("Models:fast:Candidates:0:InputPrice", "0.075"), ("Models:fast:Candidates:0:OutputPrice", "0.3")).Aliases["fast"];

        Assert.That((alias.Temperature, alias.MaxOutputTokens, alias.SystemPrompt), Is.EqualTo((0.3, 500, "Be brief.")));
        var candidate = alias.Candidates.Single();
        Assert.That((candidate.MaxOutputTokens, candidate.InputPrice, candidate.OutputPrice), Is.EqualTo((1000, 0.075m, 0.3m)));
    }

    [Test]
    public void Bind_AllowDirect_IsNoAlias()
    {
        var options = Bind(("Models:AllowDirect", "true"), ("Models:fast:Candidates:0:Model", "oss"));

        Assert.That(options.AllowDirect, Is.True);
        Assert.That(options.Aliases.Keys, Is.EqualTo(new[] { "fast" }));
    }

    [Test]
    public void Validate_UnreadableDefaults_AreReportedWithTheirKeys()
    {
        var failures = Validate(Bind(
            ("Models:AllowDirect", "perhaps"), ("Models:fast:Temperature", "warm"), ("Models:fast:MaxOutputTokens", "many")));

        Assert.That(failures, Is.EqualTo(new[]
        {
            "Models:AllowDirect is 'perhaps': write true or false.",
            "Failed to convert configuration value 'warm' at 'Models:fast:Temperature' to type 'System.Double'. Write a value of that type.",
            "Failed to convert configuration value 'many' at 'Models:fast:MaxOutputTokens' to type 'System.Int32'. Write a value of that type.",
        }));
    }

    [TestCase("Temperature", "-0.1", "Models:fast:Temperature is -0.1: write a number from 0 to 2.")]
    [TestCase("Temperature", "2.1", "Models:fast:Temperature is 2.1: write a number from 0 to 2.")]
    [TestCase("Temperature", "NaN", "Models:fast:Temperature is NaN: write a number from 0 to 2.")]
    [TestCase("MaxOutputTokens", "0", "Models:fast:MaxOutputTokens is 0: write a number of tokens, 1 or more.")]
    [TestCase("Candidates:0:MaxOutputTokens", "0",
        "Models:fast:Candidates:0:MaxOutputTokens is 0: write a number of tokens from 1 to less than the ContextWindow.")]
    [TestCase("Candidates:0:MaxOutputTokens", "8192",
        "Models:fast:Candidates:0:MaxOutputTokens is 8192: write a number of tokens from 1 to less than the ContextWindow.")]
    [TestCase("Candidates:0:InputPrice", "-1",
        "Models:fast:Candidates:0:InputPrice is -1: write the price of a million tokens, from 0 to 100000 with at most 6 decimals.")]
    [TestCase("Candidates:0:InputPrice", "100000.1",
        "Models:fast:Candidates:0:InputPrice is 100000.1: write the price of a million tokens, from 0 to 100000 with at most 6 decimals.")]
    [TestCase("Candidates:0:OutputPrice", "0.0000001",
        "Models:fast:Candidates:0:OutputPrice is 0.0000001: write the price of a million tokens, from 0 to 100000 with at most 6 decimals.")]
    [TestCase("Candidates:0:OutputPrice", null, "Models:fast:Candidates:0 has one price of two: write InputPrice and OutputPrice, or neither.")]
    public void Validate_ValueOutOfRange_IsReportedWithItsCure(string key, string? value, string problem)
    {
        var settings = new Dictionary<string, string?>
        {
            ["Models:fast:Candidates:0:Provider"] = "groq",
            ["Models:fast:Candidates:0:Model"] = "oss",
            ["Models:fast:Candidates:0:InputPrice"] = "0",
            ["Models:fast:Candidates:0:OutputPrice"] = "100000",
            [$"Models:fast:{key}"] = value,
        };

        var failures = Validate(Bind([.. settings.Where(s => s.Value is not null).Select(s => (s.Key, s.Value!))]));

        Assert.That(failures, Is.EqualTo(new[] { problem }));
    }

    private static ModelsOptions Bind(params (string Key, string Value)[] settings)
    {
        var options = new ModelsOptions();
        options.Bind(new ConfigurationBuilder()
            .AddInMemoryCollection(settings.ToDictionary(s => s.Key, s => (string?)s.Value)).Build().GetSection(ModelsOptions.Section));
        return options;
    }

    private static IEnumerable<string>? Validate(ModelsOptions options)
    {
        IProvider[] providers = [Mock.Of<IProvider>(p => p.Name == "offline"), Mock.Of<IProvider>(p => p.Name == "groq")];
        return new ModelsOptionsValidator(providers).Validate(null, options).Failures;
    }
}
