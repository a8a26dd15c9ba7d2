using System.Net.Http.Headers;

namespace AiChat.Infrastructure.Providers;

/// <summary>The connections to one backend: many streams at once, no proxy, and nothing sent that the configuration does not say.</summary>
internal static class ProviderHttp
{
    private static readonly TimeSpan IdleConnectionLifetime = TimeSpan.FromMinutes(2);

    /// <summary>A connection is not kept longer, so that a changed DNS entry is noticed.</summary>
    private static readonly TimeSpan ConnectionLifetime = TimeSpan.FromMinutes(5);

    /// <summary>A client that sends the backend's key and headers with every request. It never times out by itself.</summary>
    public static HttpClient CreateClient(ProviderOptions settings)
    {
        var handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            UseProxy = false,
            ConnectTimeout = settings.ConnectTimeout,
            MaxConnectionsPerServer = int.MaxValue,
            PooledConnectionIdleTimeout = IdleConnectionLifetime,
            PooledConnectionLifetime = ConnectionLifetime,
            // An answer nobody reads to its end is still being generated, and paid for: hang up rather than wait for the rest.
            ResponseDrainTimeout = TimeSpan.Zero,
            ActivityHeadersPropagator = null,
        };
        var client = new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan };
        AddHeaders(client.DefaultRequestHeaders, settings);
        return client;
    }

    private static void AddHeaders(HttpRequestHeaders headers, ProviderOptions settings)
    {
        headers.UserAgent.ParseAdd($"AiChat/{typeof(ProviderHttp).Assembly.GetName().Version?.ToString(3)}");
        if (settings.ApiKey is { } key)
        {
            if (settings.ApiKeyHeader.Length > 0)
                headers.TryAddWithoutValidation(settings.ApiKeyHeader, key);
            else if (settings.IsKind(ProviderOptions.AnthropicKind))
                headers.TryAddWithoutValidation("x-api-key", key);
            else
                headers.TryAddWithoutValidation("Authorization", $"Bearer {key}");
        }

        foreach (var (name, value) in settings.Headers)
            headers.TryAddWithoutValidation(name, value);
    }
}
