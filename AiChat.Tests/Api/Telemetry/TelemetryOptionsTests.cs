using AiChat.Api.Telemetry;
using Microsoft.Extensions.Configuration;

namespace AiChat.Tests.Api.Telemetry;

public sealed class TelemetryOptionsTests
{
    private readonly TelemetryOptionsValidator validator = new();

    [Test]
    public void Bind_Nothing_ExportsNothing()
    {
        var options = Bind();

        Assert.That((options.OtlpEndpoint, options.OtlpProtocol, options.IncludeContents), Is.EqualTo(("", "http/protobuf", false)));
    }

    [Test]
    public void Bind_OwnAndStandardNames_OwnOnesWin()
    {
        var options = Bind(
            ("Telemetry:OtlpEndpoint", " http://ours:4317 "), ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://theirs:4318"),
            ("Telemetry:OtlpProtocol", "grpc"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"));

        Assert.That((options.OtlpEndpoint, options.OtlpProtocol), Is.EqualTo(("http://ours:4317", "grpc")));
    }

    [Test]
    public void Bind_StandardNamesAlone_AreTaken()
    {
        var options = Bind(("OTEL_EXPORTER_OTLP_ENDPOINT", "http://theirs:4317"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"));

        Assert.That((options.OtlpEndpoint, options.OtlpProtocol), Is.EqualTo(("http://theirs:4317", "grpc")));
    }

    [TestCase("")]
    [TestCase("http://localhost:4318")]
    [TestCase("https://collector.example/otlp")]
    public void Validate_SoundEndpoint_IsAccepted(string endpoint)
    {
        var result = validator.Validate(null, new TelemetryOptions { OtlpEndpoint = endpoint, OtlpProtocol = "grpc" });

        Assert.That(result.Succeeded, Is.True);
    }

    [Test]
    public void Validate_SeveralMistakes_NamesKeysAndCures()
    {
        var result = validator.Validate(null, new TelemetryOptions { OtlpEndpoint = "user:secret@localhost:4318", OtlpProtocol = "http/json" });

        Assert.That(result.Failures, Is.EqualTo(new[]
        {
            "Telemetry:OtlpEndpoint (or OTEL_EXPORTER_OTLP_ENDPOINT) is not an absolute http or https address: write one such as http://localhost:4318.",
            "Telemetry:OtlpProtocol (or OTEL_EXPORTER_OTLP_PROTOCOL) is 'http/json': write http/protobuf or grpc.",
        }));
    }

    private static TelemetryOptions Bind(params (string Key, string Value)[] settings)
    {
        var options = new TelemetryOptions();
        options.Bind(new ConfigurationBuilder().AddInMemoryCollection(settings.Select(s => KeyValuePair.Create(s.Key, (string?)s.Value))).Build());
        return options;
    }
}
