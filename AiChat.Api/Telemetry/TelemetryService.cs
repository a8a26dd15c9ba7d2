using Microsoft.Extensions.Options;

namespace AiChat.Api.Telemetry;

/// <summary>Exports while the server runs, when a collector is configured. Without one, nothing of OpenTelemetry is even loaded.</summary>
internal sealed partial class TelemetryService(
    IOptions<TelemetryOptions> options, IConfiguration configuration, ILogger<TelemetryService> logger) : IHostedService, IDisposable
{
    private IDisposable? export;

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

    /// <summary>Sends what is left; a collector that does not take it is given up after a moment.</summary>
    public Task StopAsync(CancellationToken cancellationToken) => Task.Run(Dispose, CancellationToken.None);

    public void Dispose() => Interlocked.Exchange(ref export, null)?.Dispose();

    [LoggerMessage(Level = LogLevel.Information, Message = "Traces and metrics go to {Endpoint} over {Protocol}")]
    private partial void LogStarted(string endpoint, string protocol);
}
