using AiChat.Core.Configuration;
using AiChat.Core.Models;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;

namespace AiChat.Infrastructure.Providers;

public static class ProvidersSetup
{
    /// <summary>The backends models come from: one <see cref="IProvider"/> for every entry of <c>Providers</c>, and the offline one.</summary>
    public static IServiceCollection AddProviders(this IServiceCollection services)
    {
        services.TryAddSingleton(TimeProvider.System);
        services.AddOptions<ProvidersOptions>()
            .Configure<IConfiguration>((options, root) => options.Bind(root.GetSection(ProvidersOptions.Section), root))
            .ValidateOnStart();
        services.AddSingleton<IValidateOptions<ProvidersOptions>, ProvidersOptionsValidator>();

        services.TryAddSingleton(typeof(OptionsReader<>));
        services.AddSingleton<ProviderSource>();
        services.AddSingleton<IProviderSource>(provider => provider.GetRequiredService<ProviderSource>());
        // The whole set at once, because the configuration says how many there are; single registrations of IProvider would not be seen.
        services.AddSingleton<IEnumerable<IProvider>>(provider => provider.GetRequiredService<ProviderSource>().Read());
        return services;
    }
}
