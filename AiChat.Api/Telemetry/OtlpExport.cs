using AiChat.Api.Configuration;
using AiChat.Core.Models;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace AiChat.Api.Telemetry;

/// <summary>OpenTelemetry's own part: what is collected, and how it is sent.</summary>
internal sealed class OtlpExport : IDisposable
{
    private const string ServiceName = "aichat";

    /// <summary>How long the last export may take.</summary>
    private const int LongestShutdownMilliseconds = 5000;

    private readonly TracerProvider traces;
    private readonly MeterProvider metrics;

    private OtlpExport(TracerProvider traces, MeterProvider metrics)
    {
        this.traces = traces;
        this.metrics = metrics;
    }

    /// <summary>Collects and sends until it is disposed. The standard's other variables (<c>OTEL_…</c>) are read from the configuration.</summary>
    public static OtlpExport Start(TelemetryOptions options, IConfiguration configuration)
    {
        // Without this, the framework's spans of requests say neither the method nor the path.
        AppContext.SetSwitch("Microsoft.AspNetCore.Hosting.SuppressActivityOpenTelemetryData", false);
        var traces = Sdk.CreateTracerProviderBuilder()
            .ConfigureServices(services => services.AddSingleton(configuration))
            .ConfigureResource(Describe)
            .AddSource(ChatTelemetry.Name, "Microsoft.AspNetCore", "System.Net.Http")
            .AddOtlpExporter(exporter => SetTarget(exporter, options, "v1/traces"))
            .Build();
        var metrics = Sdk.CreateMeterProviderBuilder()
            .ConfigureServices(services => services.AddSingleton(configuration))
            .ConfigureResource(Describe)
            .AddMeter(ChatTelemetry.Name, "Microsoft.AspNetCore.Hosting", "System.Net.Http")
            .AddOtlpExporter(exporter => SetTarget(exporter, options, "v1/metrics"))
            .Build();
        return new OtlpExport(traces, metrics);
    }

    public void Dispose()
    {
        Parallel.Invoke(() => traces.Shutdown(LongestShutdownMilliseconds), () => metrics.Shutdown(LongestShutdownMilliseconds));
        traces.Dispose();
        metrics.Dispose();
    }

    /// <summary>A name in the environment (<c>OTEL_SERVICE_NAME</c>) comes later and wins.</summary>
    private static void Describe(ResourceBuilder resource) =>
        resource.Clear().AddService(ServiceName, serviceVersion: Banner.Version).AddTelemetrySdk().AddEnvironmentVariableDetector();

    private static void SetTarget(OtlpExporterOptions exporter, TelemetryOptions options, string path)
    {
        var isGrpc = options.OtlpProtocol == TelemetryOptions.Grpc;
        exporter.Protocol = isGrpc ? OtlpExportProtocol.Grpc : OtlpExportProtocol.HttpProtobuf;
        // The exporter adds the path to addresses it has found itself, not to this one.
        exporter.Endpoint = new Uri(isGrpc ? options.OtlpEndpoint : $"{options.OtlpEndpoint.TrimEnd('/')}/{path}");
    }
}
