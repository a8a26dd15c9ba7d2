using AiChat.Core.WebSearch;
using AiChat.Infrastructure.WebSearch.Pages;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace AiChat.Infrastructure.WebSearch;

public static class WebSearchSetup
{
    /// <summary>The search engines, and what reads the pages they name.</summary>
    public static IServiceCollection AddWebSearch(this IServiceCollection services)
    {
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton<IWebSearch, SearxngWebSearch>();
        services.AddSingleton<IWebSearch, BraveWebSearch>();
        services.AddSingleton<IWebSearch, TavilyWebSearch>();
        services.AddSingleton<IHostResolver, DnsHostResolver>();
        services.AddSingleton<IPageReader, PageReader>();
        return services;
    }
}
