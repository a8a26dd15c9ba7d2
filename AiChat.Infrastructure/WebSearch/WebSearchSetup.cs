using AiChat.Core.WebSearch;
using Microsoft.Extensions.DependencyInjection;

namespace AiChat.Infrastructure.WebSearch;

public static class WebSearchSetup
{
    /// <summary>The search engines, and what reads the pages they name.</summary>
    public static IServiceCollection AddWebSearch(this IServiceCollection services)
    {
        services.AddSingleton<WebSearchService>();
        services.AddSingleton<IPageReader, NoPages>();
        return services;
    }

    private sealed class NoPages : IPageReader
    {
        public Task<WebPage?> ReadAsync(Uri url, CancellationToken cancellationToken) => Task.FromResult<WebPage?>(null);
    }
}
