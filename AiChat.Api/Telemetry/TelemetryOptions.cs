using Microsoft.Extensions.Options;

namespace AiChat.Api.Telemetry;

/// <summary>Where traces and metrics go.</summary>
public sealed class TelemetryOptions
{
    public const string Section = "Telemetry";

    /// <summary>OpenTelemetry's own name of <see cref="OtlpEndpoint"/>.</summary>
    public const string EndpointVariable = "OTEL_EXPORTER_OTLP_ENDPOINT";

    /// <summary>OpenTelemetry's own name of <see cref="OtlpProtocol"/>.</summary>
    public const string ProtocolVariable = "OTEL_EXPORTER_OTLP_PROTOCOL";

    public const string HttpProtobuf = "http/protobuf";
    public const string Grpc = "grpc";

    /// <summary>The collector's address, such as <c>http://localhost:4318</c>; when empty, that of the environment; nothing is exported without.</summary>
    public string OtlpEndpoint { get; set; } = "";

    /// <summary>How the collector is spoken to: <c>http/protobuf</c> or <c>grpc</c>; when empty, as the environment says, else <c>http/protobuf</c>.</summary>
    public string OtlpProtocol { get; set; } = "";

    /// <summary>Whether traces carry the messages and the replies. They are the users'; metrics never carry them.</summary>
    public bool IncludeContents { get; set; }

    /// <summary>Reads the section, and what it leaves empty from OpenTelemetry's own names at the root.</summary>
    public void Bind(IConfiguration root)
    {
        root.GetSection(Section).Bind(this);
        OtlpEndpoint = Choose(OtlpEndpoint, root[EndpointVariable], "");
        OtlpProtocol = Choose(OtlpProtocol, root[ProtocolVariable], HttpProtobuf);
    }

    private static string Choose(string own, string? standard, string fallback) =>
        !string.IsNullOrWhiteSpace(own) ? own.Trim() : !string.IsNullOrWhiteSpace(standard) ? standard.Trim() : fallback;
}

public sealed class TelemetryOptionsValidator : IValidateOptions<TelemetryOptions>
{
    public ValidateOptionsResult Validate(string? name, TelemetryOptions options)
    {
        var problems = new List<string>();
        // The address itself stays out of messages: it may carry a password.
        if (options.OtlpEndpoint.Length > 0 && !IsHttpUrl(options.OtlpEndpoint))
            problems.Add($"Telemetry:OtlpEndpoint (or {TelemetryOptions.EndpointVariable}) is not an absolute http or https address: write one such as http://localhost:4318.");
        if (options.OtlpProtocol is not (TelemetryOptions.HttpProtobuf or TelemetryOptions.Grpc))
            problems.Add($"Telemetry:OtlpProtocol (or {TelemetryOptions.ProtocolVariable}) is '{options.OtlpProtocol}': write {TelemetryOptions.HttpProtobuf} or {TelemetryOptions.Grpc}.");
        return problems.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(problems);
    }

    private static bool IsHttpUrl(string url) =>
        Uri.TryCreate(url, UriKind.Absolute, out var uri) && (uri.Scheme == Uri.UriSchemeHttp || uri.Scheme == Uri.UriSchemeHttps);
}
