using System.Net;
using System.Net.Http.Json;
using AiChat.Tests.Support;

namespace AiChat.Tests.Operations;

/// <summary>What is acknowledged is on the disk: the flushes of the real process, counted by the system.</summary>
[Platform(Include = "Linux")]
[OwnDatabase]
public sealed class FsyncTests
{
    private TempFolder folder = null!;
    private FakeLlm llm = null!;

    [SetUp]
    public async Task SetUp()
    {
        folder = new TempFolder();
        llm = await FakeLlm.StartAsync();
    }

    [TearDown]
    public async Task TearDown()
    {
        await llm.DisposeAsync();
        folder.Dispose();
    }

    [Test]
    public async Task Send_OneAfterTheOther_MessageAndReplyAreFlushedEach()
    {
        const int Sends = 10;
        using var server = await StartAsync();
        await using var strace = await Strace.WatchAsync(server, folder.File("strace.log"), Strace.Flushes);

        for (var i = 0; i < Sends; i++)
            await server.PostAsync("/chat", new { message = $"message {i}" });

        Assert.That(await strace.StopAsync(), Has.Count.AtLeast(2 * Sends));
    }

    [Test]
    public async Task Send_ModelIsAsked_MessageHasBeenFlushed()
    {
        using var server = await StartAsync();
        llm.Enqueue(LlmReplies.Slow(LlmReplies.Answer("at last")));
        await using var strace = await Strace.WatchAsync(server, folder.File("strace.log"), Strace.Flushes);

        var answer = server.PostAsync("/chat", new { message = "Hello" });
        await llm.WaitForRequestsAsync(1);
        var calls = await strace.StopAsync();
        llm.Release();
        await answer;

        Assert.That(calls, Is.Not.Empty);
    }

    [Test]
    public async Task Send_ManyAtOnce_ShareTheirFlushes()
    {
        const int Sends = 50;
        using var server = await StartAsync();
        // On a disk this slow nobody has to be quick to wait behind the flush of another.
        await using var strace = await Strace.DelayAsync(server, folder.File("strace.log"), Strace.Flushes, TimeSpan.FromMilliseconds(50));

        var responses = await Task.WhenAll(Enumerable.Range(0, Sends).Select(i => server.Client.PostAsJsonAsync("/chat", new { message = $"message {i}" })));
        var calls = await strace.StopAsync();

        Assert.That(responses.Select(r => r.StatusCode), Has.All.EqualTo(HttpStatusCode.OK));
        Assert.That(calls, Has.Count.InRange(2, Sends));
    }

    private Task<AiChatProcess> StartAsync() =>
        AiChatProcess.StartAsync(folder.Path, ("GROQ_API_KEY", "test-key"), ("Providers__groq__BaseUrl", llm.BaseUrl));
}
