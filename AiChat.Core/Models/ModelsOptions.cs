using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace AiChat.Core.Models;

/// <summary>The model aliases clients may ask for: every subsection of <c>Models</c> is one.</summary>
public sealed class ModelsOptions
{
    public const string Section = "Models";

    /// <summary>The alias used when neither the request nor the chat names one.</summary>
    public const string DefaultAlias = "fast";

    /// <summary>Alias name to its candidates, compared without case.</summary>
    public Dictionary<string, ModelAliasOptions> Aliases { get; } = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Values that could not be read at all; the validator reports them with everything else.</summary>
    internal List<string> Unreadable { get; } = [];

    public void Bind(IConfiguration section)
    {
        foreach (var alias in section.GetChildren())
        {
            var candidates = alias.GetSection(nameof(ModelAliasOptions.Candidates)).GetChildren();
            Aliases[alias.Key] = new ModelAliasOptions { Candidates = [.. candidates.Select(Read)] };
        }
    }

    /// <summary>One by one: bound as a list, an unreadable candidate would silently be left out.</summary>
    private ModelCandidateOptions Read(IConfigurationSection section)
    {
        var candidate = new ModelCandidateOptions();
        try
        {
            section.Bind(candidate);
        }
        catch (InvalidOperationException failure)
        {
            Unreadable.Add($"{failure.Message} Write a value of that type.");
        }

        return candidate;
    }
}

/// <summary>One alias.</summary>
public sealed class ModelAliasOptions
{
    /// <summary>The models that may answer, best first; the first one whose provider is ready does.</summary>
    public List<ModelCandidateOptions> Candidates { get; set; } = [];

    /// <inheritdoc cref="ModelAlias.Temperature"/>
    public double? Temperature { get; set; }

    /// <inheritdoc cref="ModelAlias.MaxOutputTokens"/>
    public int? MaxOutputTokens { get; set; }

    /// <inheritdoc cref="ModelAlias.SystemPrompt"/>
    public string? SystemPrompt { get; set; }
}

/// <summary>One model at one provider.</summary>
public sealed class ModelCandidateOptions
{
    /// <summary>Name of a provider in <c>Providers</c>.</summary>
    public string Provider { get; set; } = "";

    /// <summary>The model's id at that provider.</summary>
    public string Model { get; set; } = "";

    /// <summary>Tokens the model can take in and give out together.</summary>
    public int ContextWindow { get; set; } = 8192;

    /// <inheritdoc cref="ModelCandidate.MaxOutputTokens"/>
    public int? MaxOutputTokens { get; set; }

    /// <summary>Price of a million tokens of prompt; cost is counted where both prices are given, and 0 is a price.</summary>
    public decimal? InputPrice { get; set; }

    /// <summary>Price of a million tokens of reply.</summary>
    public decimal? OutputPrice { get; set; }
}

public sealed class ModelsOptionsValidator(IEnumerable<IProvider> providers) : IValidateOptions<ModelsOptions>
{
    public ValidateOptionsResult Validate(string? name, ModelsOptions options)
    {
        var problems = new List<string>(options.Unreadable);
        var known = providers.Select(p => p.Name).Order(StringComparer.Ordinal).ToList();

        if (!options.Aliases.ContainsKey(ModelsOptions.DefaultAlias))
            problems.Add($"Models:{ModelsOptions.DefaultAlias} is missing: it answers whoever names no model. Add it with at least one candidate.");
        foreach (var (alias, settings) in options.Aliases)
            for (var i = 0; i < settings.Candidates.Count; i++)
                Check($"Models:{alias}:Candidates:{i}", settings.Candidates[i]);

        return problems.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(problems);

        void Check(string key, ModelCandidateOptions candidate)
        {
            if (candidate.Model.Length == 0)
                problems.Add($"{key}:Model is empty: write the model's id at the provider, such as openai/gpt-oss-20b.");
            if (!known.Contains(candidate.Provider, StringComparer.OrdinalIgnoreCase))
                problems.Add($"{key}:Provider names '{candidate.Provider}', which is not in Providers: write one of {string.Join(", ", known)}, or add it there.");
            if (candidate.ContextWindow < 1024)
                problems.Add($"{key}:ContextWindow is {candidate.ContextWindow}: write the model's window in tokens, 1024 or more.");
        }
    }
}
