using AiChat.Tests.Support;

namespace AiChat.Tests.Operations;

public sealed class TelemetryTests
{
    private const string Library = "OpenTelemetry.dll";

    private TempFolder folder = null!;

    [SetUp]
    public void SetUp() => folder = new TempFolder();

    [TearDown]
    public void TearDown() => folder.Dispose();

    [Test]
    [Platform("Linux", Reason = "What a process has loaded is read from /proc.")]
    public async Task Start_WithoutEndpoint_LoadsNothingOfOpenTelemetry()
    {
        await using var collector = await OtlpCollector.StartAsync();
        using var without = await AiChatProcess.StartAsync(folder.Path);
        using var with = await AiChatProcess.StartAsync(
            folder.Path, ("DATABASE_URL", "sqlite:///./other.db"), ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.Url));

        var loaded = (Without: await ReadLoadedAsync(without), With: await ReadLoadedAsync(with));

        Assert.That(loaded.Without, Does.Not.Contain(Library));
        Assert.That(loaded.With, Does.Contain(Library));
    }

    private static Task<string> ReadLoadedAsync(AiChatProcess server) => File.ReadAllTextAsync($"/proc/{server.Id}/maps");
}
