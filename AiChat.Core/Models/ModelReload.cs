using AiChat.Core.Configuration;

namespace AiChat.Core.Models;

/// <summary>Has the aliases follow the configuration. Replies that are being written go on with what they began with.</summary>
internal sealed class ModelReload(
    IProviderSource providers, OptionsReader<ModelsOptions> models, OptionsReader<RoutingOptions> routing, ModelRegistry registry) : IReloadable
{
    public Action Prepare(ICollection<string> problems)
    {
        var named = providers.Read(problems);
        var aliases = models.Read(new ModelsOptionsValidator(named), problems);
        var rules = routing.Read(new RoutingOptionsValidator(), problems);
        return () => registry.Replace(named, aliases!, rules!);
    }
}
