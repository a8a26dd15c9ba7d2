using AiChat.Benchmarks.Streams;
using AiChat.Infrastructure.CommandLine;
using AiChat.Tests.Api;

namespace AiChat.Tests.Benchmarks;

public sealed class StreamsCommandTests : ApiTestBase
{
    private StringWriter output = null!;
    private StringWriter errors = null!;

    [SetUp]
    public void SetUpWriters() => (output, errors) = (new StringWriter(), new StringWriter());

    [TearDown]
    public void DisposeWriters()
    {
        output.Dispose();
        errors.Dispose();
    }

    [Test]
    public async Task RunAsync_RunningServer_MeasuresWholeReplies()
    {
        StartOfflineApp();

        var exitCode = await StreamsCommand.RunAsync(
            ["--url", App.Client.BaseAddress!.ToString(), "--streams", "3", "--tokens", "20", "--pace", "1", "--rounds", "2"], output, errors);

        Assert.That(errors.ToString(), Is.Empty);
        Assert.That(output.ToString(), Does.StartWith("6 replies of 20 tokens, 3 at once, 1 ms between tokens: 0 not whole").And.Contain("first token"));
        Assert.That(exitCode, Is.EqualTo(ExitCode.Ok));
    }

    [Test]
    public async Task RunAsync_NoServer_SaysSo()
    {
        var exitCode = await StreamsCommand.RunAsync(["--url", "http://127.0.0.1:1", "--streams", "1"], output, errors);

        Assert.That(errors.ToString(), Does.Contain("Start the server first"));
        Assert.That(exitCode, Is.EqualTo(ExitCode.Failed));
    }

    [Test]
    public async Task RunAsync_WrongOptions_ReportsAllAtOnce()
    {
        var exitCode = await StreamsCommand.RunAsync(["--streams", "0", "--speed", "1"], output, errors);

        Assert.That(errors.ToString(), Does.Contain("--url is missing").And.Contain("--streams is '0'").And.Contain("'--speed' is no option of streams."));
        Assert.That(exitCode, Is.EqualTo(ExitCode.Usage));
    }
}
