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

        services.AddSingleton(provider => new ProviderSet(GetUnvalidatedOptions(provider), provider.GetRequiredService<TimeProvider>()));
        // The whole set at once, because the configuration says how many there are; single registrations of IProvider would not be seen.
        services.AddSingleton<IEnumerable<IProvider>>(provider => provider.GetRequiredService<ProviderSet>().Providers);
        return services;
    }

    /// <summary>
    /// The validator of the models asks for the providers' names. Validated options would throw there, and all but the first problem of a
    /// configuration would stay hidden.
    /// </summary>
    private static ProvidersOptions GetUnvalidatedOptions(IServiceProvider services) =>
        new OptionsFactory<ProvidersOptions>(
            services.GetServices<IConfigureOptions<ProvidersOptions>>(),
            services.GetServices<IPostConfigureOptions<ProvidersOptions>>()).Create(Options.DefaultName);
}
