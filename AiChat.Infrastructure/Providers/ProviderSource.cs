using System.Text.Json;
using AiChat.Core.Configuration;
using AiChat.Core.Models;
using AiChat.Infrastructure.Providers.Anthropic;
using AiChat.Infrastructure.Providers.Offline;
using AiChat.Infrastructure.Providers.OpenAi;

namespace AiChat.Infrastructure.Providers;

/// <summary>
/// One provider for every entry of the configuration, and the offline one. It keeps every provider it has made: calls may still be under
/// way, and settings that return find their connections again.
/// </summary>
internal sealed class ProviderSource(OptionsReader<ProvidersOptions> options, TimeProvider time) : IProviderSource, IDisposable
{
    private readonly Lock gate = new();
    private readonly Dictionary<(string Name, string Settings), IProvider> made = [];

    /// <summary>The providers as they are named now. Their settings may be wrong: the names are needed to check whoever refers to them.</summary>
    public IReadOnlyList<IProvider> Read() => Make(options.Read());

    public IReadOnlyList<IProvider> Read(ICollection<string> problems) =>
        options.Read(new ProvidersOptionsValidator(), problems) is { } named ? Make(named) : [];

    public void Dispose()
    {
        foreach (var provider in made.Values.OfType<IDisposable>())
            provider.Dispose();
    }

    private List<IProvider> Make(ProvidersOptions named)
    {
        lock (gate)
        {
            var online = named.Providers.Where(p => !p.Value.IsKind(ProviderOptions.OfflineKind))
                .OrderBy(p => p.Key, StringComparer.Ordinal).Select(p => GetOnline(p.Key, p.Value)).ToList();
            var offline = named.Providers.Where(p => p.Value.IsKind(ProviderOptions.OfflineKind)).Select(p => p.Key)
                .Append(ModelRegistry.OfflineProvider).Distinct(StringComparer.OrdinalIgnoreCase).Order(StringComparer.Ordinal);
            var hint = Hint([.. online.Select(p => p.MissingSetting).OfType<string>()]);
            return [.. online, .. offline.Select(name => GetOffline(name, hint))];
        }
    }

    private IProvider GetOnline(string name, ProviderOptions settings) =>
        GetOrMake(name, JsonSerializer.Serialize(settings), () => CreateOnline(name, settings));

    private IProvider CreateOnline(string name, ProviderOptions settings) =>
        settings.IsKind(ProviderOptions.AnthropicKind) ? new AnthropicProvider(name, settings, time) : new OpenAiProvider(name, settings, time);

    private IProvider GetOffline(string name, string hint) => GetOrMake(name, hint, () => new OfflineProvider(name, hint, time));

    private IProvider GetOrMake(string name, string settings, Func<IProvider> make)
    {
        if (!made.TryGetValue((name, settings), out var provider))
            made[(name, settings)] = provider = make();
        return provider;
    }

    private static string Hint(string[] missing) => missing switch
    {
        [] => "Name another provider's model under Models in the configuration for a real answer.",
        _ => $"Set {string.Join(" or ", missing)} for a real answer.",
    };
}
