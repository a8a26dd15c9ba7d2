using AiChat.Tests.Infrastructure.Persistence;
using AiChat.Tests.Support;

namespace AiChat.Tests.Operations;

/// <summary>The real process before a PostgreSQL server that cannot be used, or not yet.</summary>
[OwnDatabase]
public sealed class PostgresStartTests
{
    private TempFolder folder = null!;

    [SetUp]
    public void SetUp() => folder = new TempFolder();

    [TearDown]
    public void TearDown() => folder.Dispose();

    [Test]
    public async Task Start_ServerIsNotThere_WaitsAndThenSaysSoInOneSentence()
    {
        var (exitCode, errors) = await AiChatProcess.RefuseAsync(folder.Path,
            ("DATABASE_URL", "postgresql://aichat:s3cret@127.0.0.1:1/aichat"), ("Database__ConnectTimeout", "00:00:01"), ("Urls", "http://127.0.0.1:0"));

        Assert.That(exitCode, Is.EqualTo(1));
        Assert.That(errors, Does.StartWith("AiChat cannot start: the PostgreSQL database 127.0.0.1:1/aichat cannot be used: ").And.Contain("Connection refused."));
        Assert.That(errors, Does.Not.Contain("   at ").And.Not.Contain("s3cret"));
    }

    [Test]
    public async Task Start_ServerComesMeanwhile_TakesRequests()
    {
        await using var copy = await TestDatabase.CreatePostgresAsync();
        await using var proxy = CuttingProxy.Start(copy.Url);
        proxy.IsRefusing = true;
        using var server = AiChatProcess.Launch(folder.Path, FreePort.Find(),
            ("DATABASE_URL", proxy.ToUrl(copy.Url)), ("Database__ConnectTimeout", "00:01:00"));

        await WaitForOutputAsync(server, "cannot be reached");
        proxy.IsRefusing = false;
        await server.WaitUntilReadyAsync();

        Assert.That((await server.Client.GetAsync("/health/ready")).IsSuccessStatusCode, Is.True);
    }

    private static async Task WaitForOutputAsync(AiChatProcess server, string text)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (!server.Output.Any(line => line.Contains(text, StringComparison.Ordinal)))
            await Task.Delay(20, limit.Token);
    }
}
