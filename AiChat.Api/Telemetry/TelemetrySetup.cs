using AiChat.Core.Models;
using Microsoft.Extensions.Options;

namespace AiChat.Api.Telemetry;

internal static class TelemetrySetup
{
    /// <summary>Traces and metrics. To be added in front of whatever makes them: it starts first and stops last.</summary>
    public static void AddTelemetry(this IServiceCollection services)
    {
        services.AddOptions<TelemetryOptions>().Configure<IConfiguration>((options, root) => options.Bind(root));
        services.AddSingleton<IValidateOptions<TelemetryOptions>, TelemetryOptionsValidator>();
        services.AddSingleton(provider => new ChatTelemetry(provider.GetRequiredService<IOptions<TelemetryOptions>>().Value.IncludeContents));
        services.AddHostedService<TelemetryService>();
    }
}
