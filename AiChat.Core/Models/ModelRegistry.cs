using AiChat.Core.Errors;
using Microsoft.Extensions.Options;

namespace AiChat.Core.Models;

/// <summary>Every alias with its candidates, resolved once at start.</summary>
public sealed class ModelRegistry
{
    /// <summary>The provider that answers where no candidate of an alias can be used.</summary>
    public const string OfflineProvider = "offline";

    private const int OfflineContextWindow = 131_072;

    private readonly Dictionary<string, ModelAlias> aliases;

    /// <exception cref="ArgumentException">Two providers have one name.</exception>
    public ModelRegistry(IEnumerable<IProvider> providers, IOptions<ModelsOptions> options, TimeProvider time)
    {
        var byName = providers.ToDictionary(p => p.Name, StringComparer.OrdinalIgnoreCase);
        aliases = options.Value.Aliases.ToDictionary(a => a.Key, a => Resolve(a.Key, a.Value, byName, time), StringComparer.OrdinalIgnoreCase);
        Aliases = [.. aliases.Values.OrderBy(a => a.Name, StringComparer.Ordinal)];
    }

    /// <summary>All aliases, by name.</summary>
    public IReadOnlyList<ModelAlias> Aliases { get; }

    /// <summary>The alias of that name, compared without case; null when there is none.</summary>
    public ModelAlias? Find(string name) => aliases.GetValueOrDefault(name);

    /// <summary>The alias of that name.</summary>
    /// <exception cref="InvalidRequestException"><c>unknown_model</c>.</exception>
    public ModelAlias Get(string name) => Find(name) ?? throw new InvalidRequestException("unknown_model", "model", UnknownModel(name));

    /// <summary>What to tell a client that asked for a model that is not there.</summary>
    public string UnknownModel(string name) =>
        $"There is no model '{name}'. Ask for one of: {string.Join(", ", Aliases.Select(a => a.Name))}.";

    private static ModelAlias Resolve(string name, ModelAliasOptions settings, Dictionary<string, IProvider> providers, TimeProvider time)
    {
        var candidates = settings.Candidates.Select(c => Candidate(providers[c.Provider], c)).ToList();
        if (!candidates.Exists(c => c.IsUsable))
            candidates.Add(Candidate(providers[OfflineProvider], new ModelCandidateOptions { Model = OfflineProvider, ContextWindow = OfflineContextWindow }));
        return new ModelAlias(name, candidates)
        {
            Client = new RoutingChatClient(candidates, time),
            Temperature = settings.Temperature,
            MaxOutputTokens = settings.MaxOutputTokens,
            SystemPrompt = settings.SystemPrompt,
        };
    }

    private static ModelCandidate Candidate(IProvider provider, ModelCandidateOptions settings) => new()
    {
        Provider = provider.Name,
        Model = settings.Model,
        ContextWindow = settings.ContextWindow,
        MaxOutputTokens = settings.MaxOutputTokens,
        Price = settings is { InputPrice: { } input, OutputPrice: { } output } ? new ModelPrice(input, output) : null,
        MissingSetting = provider.MissingSetting,
        Client = provider.CreateChatClient(settings.Model),
    };
}
