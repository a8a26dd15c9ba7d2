using System.Net;
using AiChat.Tests.Support;

namespace AiChat.Tests.Operations;

[OwnDatabase]
public sealed class HealthVerbTests
{
    private TempFolder folder = null!;

    [SetUp]
    public void SetUp() => folder = new TempFolder();

    [TearDown]
    public void TearDown() => folder.Dispose();

    [TestCase("127.0.0.1")]
    [TestCase("localhost")]
    [TestCase("0.0.0.0")]
    [TestCase("[::]")]
    [TestCase("+")]
    [TestCase("*")]
    public async Task Health_ServerThatLives_EndsWithZero(string host)
    {
        using var server = await AiChatProcess.StartAsync(folder.Path);

        var result = await AskAsync($"http://{host}:{server.Client.BaseAddress!.Port}");

        Assert.That((result.ExitCode, result.Errors), Is.EqualTo((0, "")));
    }

    [Test]
    public async Task Health_ProxyInTheEnvironment_IsNotUsed()
    {
        using var server = await AiChatProcess.StartAsync(folder.Path);

        var result = await AskAsync(server.Client.BaseAddress!.ToString(), ("http_proxy", "http://127.0.0.1:1"), ("no_proxy", ""));

        Assert.That((result.ExitCode, result.Errors), Is.EqualTo((0, "")));
    }

    [Test]
    public async Task Health_NoServer_EndsWithOneAndSaysWhere()
    {
        var port = FreePort.Find();

        var result = await AskAsync($"http://+:{port}");

        Assert.That(result.ExitCode, Is.EqualTo(1));
        Assert.That(result.Errors, Does.Contain($"http://localhost:{port}/health/live does not answer"));
    }

    [Test]
    public async Task Health_AnotherServer_EndsWithOneAndSaysWhatItAnswered()
    {
        var port = FreePort.Find();
        using var other = new HttpListener();
        other.Prefixes.Add($"http://127.0.0.1:{port}/");
        other.Start();
        var asked = other.GetContextAsync();

        var asking = AskAsync($"http://127.0.0.1:{port}");
        var exchange = await asked;
        exchange.Response.StatusCode = (int)HttpStatusCode.NotFound;
        exchange.Response.Close();

        var result = await asking;
        Assert.That(result.ExitCode, Is.EqualTo(1));
        Assert.That(result.Errors, Does.Contain("answers 404"));
    }

    [Test]
    public async Task Health_UrlsWithoutHttp_EndsWithOneAndSaysWhatToWrite()
    {
        var result = await AskAsync("https://localhost:8443");

        Assert.That(result.ExitCode, Is.EqualTo(1));
        Assert.That(result.Errors, Does.Contain("Urls names no http address"));
    }

    private Task<CommandResult> AskAsync(string urls, params (string Name, string Value)[] environment) =>
        CommandResult.RunAsync("dotnet", ["exec", Path.Combine(AppContext.BaseDirectory, "AiChat.Api.dll"), "health"], folder.Path,
            [("Urls", urls), .. environment]);
}
