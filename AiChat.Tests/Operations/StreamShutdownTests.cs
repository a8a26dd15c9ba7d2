using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using AiChat.Tests.Support;

namespace AiChat.Tests.Operations;

/// <summary>A polite stop while replies are streamed.</summary>
public sealed class StreamShutdownTests
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
    public async Task Terminate_ReplyThatGoesOn_EndsAsIncompleteWithWhatThereIs()
    {
        using var server = await StartAsync(("Runs__ShutdownTimeout", "00:00:00.5"));
        llm.Enqueue(LlmReplies.PausingStream("Once upon "));
        await using var stream = await EventStream.PostAsync(server.Client, "/chat", new { message = "A story", stream = true });
        await stream.ReadTextAsync("Once upon ".Length);

        server.Terminate();

        var events = await stream.ReadToEndAsync();
        Assert.Multiple(() =>
        {
            Assert.That(events.Select(e => e.Name), Is.EqualTo(new[] { "run.incomplete" }));
            Assert.That(events[0].Data.Text("reply"), Is.EqualTo("Once upon "));
            Assert.That(events[0].Data.GetProperty("error").Text("code"), Is.EqualTo("run_interrupted"));
        });
        Assert.That(await server.WaitForExitAsync(), Is.Zero);
        await llm.WaitForAbortsAsync(1);
    }

    [Test]
    public async Task Terminate_ReplyThatEndsInTime_IsStreamedToItsEnd()
    {
        using var server = await StartAsync();
        llm.Enqueue(LlmReplies.PausingStream("Once upon ", "a time"));
        await using var stream = await EventStream.PostAsync(server.Client, "/chat", new { message = "A story", stream = true });
        await stream.ReadTextAsync("Once upon ".Length);
        server.Terminate();

        llm.Release();

        var events = await stream.ReadToEndAsync();
        Assert.That(events[^1].Name, Is.EqualTo("run.completed"));
        Assert.That(events[^1].Data.Text("reply"), Is.EqualTo("Once upon a time"));
        Assert.That(await server.WaitForExitAsync(), Is.Zero);
    }

    [Test]
    public async Task Terminate_ReplyThatWasBrokenOff_IsStoredAsItWasShown()
    {
        string runId;
        using (var server = await StartAsync(("Runs__ShutdownTimeout", "00:00:00")))
        {
            llm.Enqueue(LlmReplies.PausingStream("Once upon "));
            await using var stream = await EventStream.PostAsync(server.Client, "/chat", new { message = "A story", stream = true });
            runId = (await stream.ReadTextAsync("Once upon ".Length))[0].RunId;
            server.Terminate();
            await server.WaitForExitAsync();
        }

        using var again = await StartAsync();
        var run = await again.GetAsync($"/runs/{runId}");

        Assert.Multiple(() =>
        {
            Assert.That(run.Text("status"), Is.EqualTo("incomplete"));
            Assert.That(run.GetProperty("attempts").Texts("reply"), Is.EqualTo(new[] { "Once upon " }));
            Assert.That(again.Output, Has.None.Contains("were unfinished"));
        });
    }

    [TestCase(true)]
    [TestCase(false)]
    public async Task Terminate_ReaderThatDoesNotRead_DoesNotHoldTheProcess(bool isReplyWhole)
    {
        using var server = await StartAsync(("Runs__ShutdownTimeout", "00:00:01"), ("Runs__MaxReplyTokens", "4000000"));
        var pieces = Enumerable.Repeat(new string('y', 100_000), 100).ToArray();
        llm.Enqueue(isReplyWhole ? LlmReplies.Stream(pieces) : LlmReplies.PausingStream([string.Concat(pieces), "never sent"]));
        using var deaf = await SendWithoutReadingAsync(server);
        await WaitForTextAsync(server, 10_000_000);

        var watch = Stopwatch.StartNew();
        server.Terminate();
        var exitCode = await server.WaitForExitAsync();

        // Shown, not judged. The promise is 20 s.
        TestContext.Out.WriteLine($"The process ended {watch.Elapsed.TotalSeconds:F1} s after the signal.");
        Assert.That(exitCode, Is.Zero);
    }

    /// <summary>Asks for a stream over a connection nobody reads from, with the smallest of buffers.</summary>
    private static async Task<Socket> SendWithoutReadingAsync(AiChatProcess server)
    {
        const string body = """{"message":"A long story","stream":true}""";
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = 1 };
        await socket.ConnectAsync(IPAddress.Loopback, server.Client.BaseAddress!.Port);
        await socket.SendAsync(Encoding.ASCII.GetBytes(
            $"POST /chat HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n{body}"));
        return socket;
    }

    /// <summary>Waits until the reply is that long.</summary>
    private static async Task WaitForTextAsync(AiChatProcess server, int length)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        while ((await GetReplyAsync(server)).Length < length)
            await Task.Delay(50, patience.Token);
    }

    private static async Task<string> GetReplyAsync(AiChatProcess server)
    {
        var chats = (await server.GetAsync("/chats")).GetProperty("chats").Items();
        return chats.Count == 0 ? "" : (await server.GetAsync($"/chats/{chats[0].Text("id")}/messages?limit=1"))[0].Text("content")!;
    }

    private Task<AiChatProcess> StartAsync(params (string Name, string Value)[] settings) =>
        AiChatProcess.StartAsync(folder.Path, [("GROQ_API_KEY", "test-key"), ("Providers__groq__BaseUrl", llm.BaseUrl), .. settings]);
}
