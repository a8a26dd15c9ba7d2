using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text.Json;
using AiChat.Tests.Support;

namespace AiChat.Tests.Operations;

public sealed class ShutdownTests
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
    public async Task Terminate_ReplyOnItsWay_IsAnsweredAndTheExitIsClean()
    {
        using var server = await StartAsync();
        llm.Enqueue(LlmReplies.Slow(LlmReplies.Answer("just in time")));
        var answer = server.Client.PostAsJsonAsync("/chat", new { message = "Hello" });
        await llm.WaitForRequestsAsync(1);

        server.Terminate();
        llm.Release();

        using var response = await answer;
        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.OK));
        Assert.That(await server.WaitForExitAsync(), Is.Zero);
    }

    [Test]
    public async Task Terminate_RepliesThatNeverCome_AreSettledAndTheExitIsClean()
    {
        using var server = await StartAsync(("Runs__ShutdownTimeout", "00:00:00.5"));
        llm.Handler = _ => LlmReplies.Slow();
        var answers = Enumerable.Range(0, 20).Select(i => server.Client.PostAsJsonAsync("/chat", new { message = $"Hello {i}" })).ToList();
        await llm.WaitForRequestsAsync(20);

        server.Terminate();

        var responses = await Task.WhenAll(answers);
        var codes = await Task.WhenAll(responses.Select(async r => (await r.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("code").GetString()));
        Assert.That(responses.Select(r => r.StatusCode), Has.All.EqualTo(HttpStatusCode.ServiceUnavailable));
        Assert.That(codes, Has.All.EqualTo("run_interrupted"));
        Assert.That(await server.WaitForExitAsync(), Is.Zero);
        await llm.WaitForAbortsAsync(20);
    }

    [TestCase("/chats/ID/messages")]
    [TestCase("/conversations/ID/messages")]
    public async Task Terminate_ReaderThatDoesNotRead_DoesNotHoldTheProcess(string path)
    {
        using var server = await StartAsync();
        var chatId = (await server.PostAsync("/chat", new { message = "Hello" })).GetProperty("chat_id").GetString();
        llm.Handler = _ => LlmReplies.Answer(new string('y', 1_000_000));
        for (var i = 0; i < 8; i++)
            await server.PostAsync("/chat", new { chat_id = chatId, message = $"More {i}" });
        var request = new HttpRequestMessage(HttpMethod.Get, path.Replace("ID", chatId, StringComparison.Ordinal));
        using var unread = await server.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);

        server.Terminate();

        Assert.That(await server.WaitForExitAsync(), Is.Zero);
    }

    [TestCase("/chats/ID/messages")]
    [TestCase("/conversations/ID/messages")]
    [TestCase("/get_chat/ID")]
    [TestCase("/conversation")]
    public async Task Terminate_ReaderThatReads_GetsTheWholeList(string path)
    {
        using var server = await StartAsync();
        var chatId = (await server.PostAsync("/chat", new { message = "Hello" })).GetProperty("chat_id").GetString();
        llm.Handler = _ => LlmReplies.Answer(new string('y', 1_000_000));
        for (var i = 0; i < 8; i++)
            await server.PostAsync("/chat", new { chat_id = chatId, message = $"More {i}" });
        path = path.Replace("ID", chatId, StringComparison.Ordinal);
        var whole = await server.Client.GetStringAsync(path);
        var request = new HttpRequestMessage(HttpMethod.Get, path);
        using var list = await server.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);

        server.Terminate();
        await WaitUntilAsync(() => RefusesConnectionsAsync(server));

        Assert.That((await list.Content.ReadAsStringAsync()).Length, Is.EqualTo(whole.Length));
        Assert.That(await server.WaitForExitAsync(), Is.Zero);
    }

    [Test]
    public async Task Terminate_ChatWithAQueue_EveryAcceptedMessageIsStored()
    {
        using (var server = await StartAsync(("Runs__ShutdownTimeout", "00:00:00.5")))
        {
            var chatId = (await server.PostAsync("/chat", new { message = "first" })).GetProperty("chat_id").GetString();
            llm.Handler = _ => LlmReplies.Slow();
            var answers = Enumerable.Range(0, 5).Select(i => server.Client.PostAsJsonAsync("/chat", new { chat_id = chatId, message = $"next {i}" })).ToList();
            await llm.WaitForRequestsAsync(2);
            await WaitUntilAsync(async () => (await server.GetAsync($"/chats/{chatId}")).GetProperty("message_count").GetInt32() == 12);

            server.Terminate();
            await Task.WhenAll(answers);
            Assert.That(await server.WaitForExitAsync(), Is.Zero);
        }

        llm.Handler = request => LlmReplies.Answer($"echo: {request.LastUserMessage}");
        using var again = await StartAsync();
        var chats = await again.GetAsync("/chats");
        var id = chats.GetProperty("chats")[0].GetProperty("id").GetString();
        var messages = (await again.GetAsync($"/chats/{id}/messages")).EnumerateArray().ToList();
        Assert.That(messages.Where(m => m.GetProperty("role").GetString() == "user").Select(m => m.GetProperty("content").GetString()),
            Is.EquivalentTo(new[] { "first", "next 0", "next 1", "next 2", "next 3", "next 4" }));
        Assert.That(messages.Select(m => m.GetProperty("status").GetString()), Has.None.EqualTo("in_progress"));
    }

    private static async Task<bool> RefusesConnectionsAsync(AiChatProcess server)
    {
        using var client = new TcpClient();
        try
        {
            await client.ConnectAsync(IPAddress.Loopback, server.Client.BaseAddress!.Port);
            return false;
        }
        catch (SocketException)
        {
            return true;
        }
    }

    private static async Task WaitUntilAsync(Func<Task<bool>> condition)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        while (!await condition())
            await Task.Delay(10, limit.Token);
    }

    private Task<AiChatProcess> StartAsync(params (string Name, string Value)[] settings) =>
        AiChatProcess.StartAsync(folder.Path, [("GROQ_API_KEY", "test-key"), ("Providers__groq__BaseUrl", llm.BaseUrl), .. settings]);
}
