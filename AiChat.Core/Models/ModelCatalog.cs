using System.Collections.Concurrent;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;

namespace AiChat.Core.Models;

/// <summary>The aliases of one configuration.</summary>
internal sealed class ModelCatalog
{
    private const int OfflineContextWindow = 131_072;

    /// <summary>Models asked for by <c>provider/model</c> that are remembered; clients choose the names, so there must be an end.</summary>
    private const int MostDirect = 256;

    private readonly Dictionary<string, IProvider> providers;
    private readonly Dictionary<string, ModelAlias> aliases;
    private readonly ConcurrentDictionary<string, ModelAlias> direct = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<(IProvider Provider, string Model), Backend> backends = new();
    private readonly ModelsOptions options;
    private readonly RoutingOptions routing;
    private readonly ChatTelemetry telemetry;
    private readonly TimeProvider time;
    private readonly ILogger<CandidateCircuit> logger;
    private readonly ModelCatalog? former;

    public ModelCatalog(
        IReadOnlyList<IProvider> providers, ModelsOptions options, RoutingOptions routing, ChatTelemetry telemetry, TimeProvider time,
        ILogger<CandidateCircuit> logger, ModelCatalog? former)
    {
        this.providers = providers.ToDictionary(p => p.Name, StringComparer.OrdinalIgnoreCase);
        this.options = options;
        this.routing = routing;
        this.telemetry = telemetry;
        this.time = time;
        this.logger = logger;
        // Health learned under other rules is of no use.
        this.former = former?.routing == routing ? former : null;
        aliases = options.Aliases.ToDictionary(a => a.Key, a => Resolve(a.Key, a.Value), StringComparer.OrdinalIgnoreCase);
        Aliases = [.. aliases.Values.OrderBy(a => a.Name, StringComparer.Ordinal)];
        this.former = null;
    }

    /// <inheritdoc cref="ModelRegistry.Aliases"/>
    public IReadOnlyList<ModelAlias> Aliases { get; }

    /// <inheritdoc cref="ModelRegistry.Find"/>
    public ModelAlias? Find(string name) => aliases.GetValueOrDefault(name) ?? FindDirect(name);

    /// <inheritdoc cref="ModelRegistry.Known"/>
    public string Known
    {
        get
        {
            var names = string.Join(", ", Aliases.Select(a => a.Name));
            if (!options.AllowDirect)
                return names;
            var usable = providers.Values.Where(p => p.MissingSetting is null).Select(p => p.Name).Order(StringComparer.Ordinal);
            return $"{names}, or provider/model with one of the providers {string.Join(", ", usable)}";
        }
    }

    private ModelAlias? FindDirect(string name)
    {
        var slash = name.IndexOf('/');
        if (!options.AllowDirect || slash <= 0 || slash == name.Length - 1)
            return null;
        if (direct.TryGetValue(name, out var known))
            return known;
        if (!providers.TryGetValue(name[..slash], out var provider) || provider.MissingSetting is not null)
            return null;

        if (direct.Count >= MostDirect)
            direct.Clear();
        return direct.GetOrAdd(name, _ => ResolveDirect(provider, name[(slash + 1)..]));
    }

    private ModelAlias ResolveDirect(IProvider provider, string model)
    {
        var named = Aliases.SelectMany(a => a.Candidates).FirstOrDefault(c => c.Provider == provider.Name && c.Model == model);
        var candidate = named ?? CreateCandidate(provider, new ModelCandidateOptions { Model = model }, CreateBackend(provider, model));
        return CreateAlias($"{provider.Name}/{model}", [candidate], new ModelAliasOptions());
    }

    private ModelAlias Resolve(string name, ModelAliasOptions settings)
    {
        var candidates = settings.Candidates.Select(c => GetCandidate(providers[c.Provider], c)).ToList();
        if (!candidates.Exists(c => c.IsUsable))
        {
            candidates.Add(GetCandidate(
                providers[ModelRegistry.OfflineProvider],
                new ModelCandidateOptions
                {
                    Model = ModelRegistry.OfflineProvider,
                    ContextWindow = OfflineContextWindow,
                    InputPrice = 0,
                    OutputPrice = 0,
                }));
        }

        return CreateAlias(name, candidates, settings);
    }

    private ModelAlias CreateAlias(string name, List<ModelCandidate> candidates, ModelAliasOptions settings) => new(name, candidates)
    {
        Client = new RoutingChatClient(candidates, routing, time),
        Temperature = settings.Temperature,
        MaxOutputTokens = settings.MaxOutputTokens,
        SystemPrompt = settings.SystemPrompt,
    };

    private ModelCandidate GetCandidate(IProvider provider, ModelCandidateOptions settings) =>
        CreateCandidate(provider, settings, backends.GetOrAdd((provider, settings.Model), b => FindFormer(b) ?? CreateBackend(b.Provider, b.Model)));

    private Backend? FindFormer((IProvider, string) backend) => former?.backends.GetValueOrDefault(backend);

    /// <summary>What is done with every call of a model is around its client, from the outside in: routing, the circuit, telemetry.</summary>
    private Backend CreateBackend(IProvider provider, string model) => new(
        new TelemetryChatClient(provider.CreateChatClient(model), provider.Name, model, telemetry, time),
        new CandidateCircuit(provider.Name, model, routing, time, logger));

    private static ModelCandidate CreateCandidate(IProvider provider, ModelCandidateOptions settings, Backend backend) => new()
    {
        Provider = provider.Name,
        Model = settings.Model,
        ContextWindow = settings.ContextWindow,
        MaxOutputTokens = settings.MaxOutputTokens,
        Price = settings is { InputPrice: { } input, OutputPrice: { } output } ? new ModelPrice(input, output) : null,
        MissingSetting = provider.MissingSetting,
        KeySetting = provider.KeySetting,
        Client = backend.Client,
        Circuit = backend.Circuit,
    };

    /// <summary>One model at one provider; all its candidates share it.</summary>
    private sealed record Backend(IChatClient Client, CandidateCircuit Circuit);
}
