using AiChat.Core.Configuration;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Options;

namespace AiChat.Api.Configuration;

internal static class HttpServerSetup
{
    /// <summary>From the request to stop until the process is gone, whatever is open.</summary>
    public static readonly TimeSpan ShutdownTimeout = TimeSpan.FromSeconds(20);

    /// <summary>Longest first line of a request in bytes: seed 001 puts contents into the query, and there one letter may take nine.</summary>
    private const int MaxRequestLineSize = 256 << 10;

    public static void AddHttpServer(this WebApplicationBuilder builder)
    {
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.Services.AddOptions<HttpServerOptions>().BindConfiguration(HttpServerOptions.Section);
        builder.Services.AddSingleton<IValidateOptions<HttpServerOptions>, HttpServerOptionsValidator>();
        builder.Services.Configure<KestrelServerOptions>(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestLineSize = MaxRequestLineSize;
        });
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = ShutdownTimeout);
        builder.Services.AddSingleton<Banner>();
        builder.Services.AddSingleton<IReloadable, SettingsFileCheck>();
    }
}
