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

    /// <summary>Whether clients may ask for any model of a configured provider, as <c>provider/model</c>, beside the aliases.</summary>
    public bool AllowDirect { get; set; }

    /// <summary>Values that could not be read at all; the validator reports them with everything else.</summary>
    internal List<string> Unreadable { get; } = [];

    public void Bind(IConfiguration section)
    {
        foreach (var child in section.GetChildren())
        {
            if (child.Key.Equals(nameof(AllowDirect), StringComparison.OrdinalIgnoreCase))
                AllowDirect = ReadAllowDirect(child);
            else
                Aliases[child.Key] = ReadAlias(child);
        }
    }

    private bool ReadAllowDirect(IConfigurationSection setting)
    {
        if (bool.TryParse(setting.Value, out var isAllowed))
            return isAllowed;
        Unreadable.Add($"{setting.Path} is '{setting.Value}': write true or false.");
        return false;
    }

    private ModelAliasOptions ReadAlias(IConfigurationSection section)
    {
        var alias = new ModelAliasOptions
        {
            Temperature = Read<double>(section, nameof(ModelAliasOptions.Temperature)),
            MaxOutputTokens = Read<int>(section, nameof(ModelAliasOptions.MaxOutputTokens)),
            SystemPrompt = section[nameof(ModelAliasOptions.SystemPrompt)],
        };
        foreach (var candidate in section.GetSection(nameof(ModelAliasOptions.Candidates)).GetChildren())
            alias.Candidates.Add(ReadCandidate(candidate));
        return alias;
    }

    private T? Read<T>(IConfigurationSection section, string key)
        where T : struct
    {
        try
        {
            return section.GetValue<T?>(key);
        }
        catch (InvalidOperationException failure)
        {
            Unreadable.Add($"{failure.Message} Write a value of that type.");
            return null;
        }
    }

    /// <summary>One by one: bound as a list, an unreadable candidate would silently be left out.</summary>
    private ModelCandidateOptions ReadCandidate(IConfigurationSection section)
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
    private const double HighestTemperature = 2;
    private const decimal HighestPrice = 100_000;

    public ValidateOptionsResult Validate(string? name, ModelsOptions options)
    {
        var problems = new List<string>(options.Unreadable);
        var known = providers.Select(p => p.Name).Order(StringComparer.Ordinal).ToList();

        if (!options.Aliases.ContainsKey(ModelsOptions.DefaultAlias))
            problems.Add($"Models:{ModelsOptions.DefaultAlias} is missing: it answers whoever names no model. Add it with at least one candidate.");
        foreach (var (alias, settings) in options.Aliases)
        {
            problems.AddRange(Check($"Models:{alias}", settings));
            for (var i = 0; i < settings.Candidates.Count; i++)
                problems.AddRange(Check($"Models:{alias}:Candidates:{i}", settings.Candidates[i], known));
        }

        return problems.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(problems);
    }

    private static IEnumerable<string> Check(string key, ModelAliasOptions alias)
    {
        if (alias.Temperature is not (null or >= 0 and <= HighestTemperature))
            yield return FormattableString.Invariant($"{key}:Temperature is {alias.Temperature}: write a number from 0 to {HighestTemperature}.");
        if (alias.MaxOutputTokens < 1)
            yield return $"{key}:MaxOutputTokens is {alias.MaxOutputTokens}: write a number of tokens, 1 or more.";
    }

    private static IEnumerable<string> Check(string key, ModelCandidateOptions candidate, List<string> known)
    {
        if (candidate.Model.Length == 0)
            yield return $"{key}:Model is empty: write the model's id at the provider, such as openai/gpt-oss-20b.";
        if (!known.Contains(candidate.Provider, StringComparer.OrdinalIgnoreCase))
            yield return $"{key}:Provider names '{candidate.Provider}', which is not in Providers: write one of {string.Join(", ", known)}, or add it there.";
        if (candidate.ContextWindow < 1024)
            yield return $"{key}:ContextWindow is {candidate.ContextWindow}: write the model's window in tokens, 1024 or more.";
        if (candidate.MaxOutputTokens < 1 || candidate.MaxOutputTokens >= candidate.ContextWindow)
            yield return $"{key}:MaxOutputTokens is {candidate.MaxOutputTokens}: write a number of tokens from 1 to less than the ContextWindow.";
        if (candidate.InputPrice is null != candidate.OutputPrice is null)
            yield return $"{key} has one price of two: write InputPrice and OutputPrice, or neither.";
        if (!IsPrice(candidate.InputPrice))
            yield return WrongPrice($"{key}:InputPrice", candidate.InputPrice);
        if (!IsPrice(candidate.OutputPrice))
            yield return WrongPrice($"{key}:OutputPrice", candidate.OutputPrice);
    }

    private static bool IsPrice(decimal? price) =>
        price is null or (>= 0 and <= HighestPrice) && price == (price is { } value ? decimal.Round(value, ModelPrice.MostDecimals) : null);

    private static string WrongPrice(string key, decimal? price) => FormattableString.Invariant(
        $"{key} is {price}: write the price of a million tokens, from 0 to {HighestPrice} with at most {ModelPrice.MostDecimals} decimals.");
}
