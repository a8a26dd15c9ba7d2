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
