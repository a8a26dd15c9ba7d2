using Microsoft.Extensions.Options;

namespace AiChat.Api.Telemetry;

/// <summary>Exports while the server runs, when a collector is configured. Without one, nothing of OpenTelemetry is even loaded.</summary>
internal sealed partial class TelemetryService(
    IOptions<TelemetryOptions> options, IConfiguration configuration, ILogger<TelemetryService> logger) : IHostedService, IDisposable
{
    private readonly Lock gate = new();
    private OtlpExport? export;
    private Task? stopped;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        if (options.Value.OtlpEndpoint.Length == 0)
            return Task.CompletedTask;

        export = OtlpExport.Start(options.Value, configuration);
        // Without user and password, which an address may carry.
        var server = new Uri(options.Value.OtlpEndpoint).GetComponents(UriComponents.SchemeAndServer, UriFormat.UriEscaped);
        LogStarted(server, options.Value.OtlpProtocol);
        return Task.CompletedTask;
    }

    /// <summary>
    /// Sends what is left; a collector that does not take it is given up after a moment. Whoever stops it again waits for the same.
    /// </summary>
    public Task StopAsync(CancellationToken cancellationToken)
    {
        lock (gate)
            return stopped ??= Task.Run(() => export?.Dispose(), CancellationToken.None);
    }

    public void Dispose() => StopAsync(CancellationToken.None).Wait();

    [LoggerMessage(Level = LogLevel.Information, Message = "Traces and metrics go to {Endpoint} over {Protocol}")]
    private partial void LogStarted(string endpoint, string protocol);
}
