using AiChat.Core.Errors;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace AiChat.Core.Models;

/// <summary>Every alias with its candidates, as the configuration has them.</summary>
/// <exception cref="ArgumentException">Two providers have one name.</exception>
public sealed class ModelRegistry(
    IEnumerable<IProvider> providers, IOptions<ModelsOptions> options, IOptions<RoutingOptions> routing, ChatTelemetry telemetry,
    TimeProvider time, ILogger<CandidateCircuit> logger)
{
    /// <summary>The provider that answers where no candidate of an alias can be used.</summary>
    public const string OfflineProvider = "offline";

    private volatile ModelCatalog catalog = new([.. providers], options.Value, routing.Value, telemetry, time, logger, former: null);

    /// <summary>All aliases, by name.</summary>
    public IReadOnlyList<ModelAlias> Aliases => catalog.Aliases;

    /// <summary>
    /// The alias of that name, compared without case, or the one model that is meant by <c>provider/model</c> where that is allowed; null
    /// when there is none.
    /// </summary>
    public ModelAlias? Find(string name) => catalog.Find(name);

    /// <summary>The same.</summary>
    /// <exception cref="InvalidRequestException"><c>unknown_model</c>.</exception>
    public ModelAlias Get(string name) => Find(name) ?? throw new InvalidRequestException("unknown_model", "model", UnknownModel(name));

    /// <summary>What clients may ask for, as part of a sentence.</summary>
    public string Known => catalog.Known;

    /// <summary>What to tell a client that asked for a model that is not there.</summary>
    public string UnknownModel(string name) => $"There is no model '{name}'. Ask for one of: {Known}.";

    /// <summary>
    /// Takes other settings, which are valid. Whoever holds an alias keeps it as it was; what is known of a model's health stays with it as
    /// long as its provider is the same.
    /// </summary>
    public void Replace(IReadOnlyList<IProvider> named, ModelsOptions models, RoutingOptions rules) =>
        catalog = new ModelCatalog(named, models, rules, telemetry, time, logger, catalog);
}
