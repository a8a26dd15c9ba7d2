using AiChat.Core.Models;
using AiChat.Infrastructure.Providers.Anthropic;
using AiChat.Infrastructure.Providers.Offline;
using AiChat.Infrastructure.Providers.OpenAi;

namespace AiChat.Infrastructure.Providers;

/// <summary>One provider for every entry of the configuration, and the offline one.</summary>
internal sealed class ProviderSet : IDisposable
{
    /// <param name="options">May be invalid: the names must be there so that whoever refers to them can be checked at the same time.</param>
    /// <param name="time">The clock of the providers.</param>
    public ProviderSet(ProvidersOptions options, TimeProvider time)
    {
        var online = options.Providers.Where(p => !p.Value.IsKind(ProviderOptions.OfflineKind))
            .OrderBy(p => p.Key, StringComparer.Ordinal).Select(p => CreateOnline(p.Key, p.Value, time)).ToList();
        var offline = options.Providers.Where(p => p.Value.IsKind(ProviderOptions.OfflineKind)).Select(p => p.Key)
            .Append(ModelRegistry.OfflineProvider).Distinct(StringComparer.OrdinalIgnoreCase).Order(StringComparer.Ordinal);
        var hint = Hint([.. online.Select(p => p.MissingSetting).OfType<string>()]);
        Providers = [.. online, .. offline.Select(name => new OfflineProvider(name, hint, time))];
    }

    public IReadOnlyList<IProvider> Providers { get; }

    public void Dispose()
    {
        foreach (var provider in Providers.OfType<IDisposable>())
            provider.Dispose();
    }

    private static IProvider CreateOnline(string name, ProviderOptions settings, TimeProvider time) =>
        settings.IsKind(ProviderOptions.AnthropicKind) ? new AnthropicProvider(name, settings, time) : new OpenAiProvider(name, settings, time);

    private static string Hint(string[] missing) => missing switch
    {
        [] => "Name another provider's model under Models in the configuration for a real answer.",
        _ => $"Set {string.Join(" or ", missing)} for a real answer.",
    };
}
