using AiChat.Tests.Support;

namespace AiChat.Tests.Operations;

/// <summary>A server that is killed while it streams an answer, and a client that asks again.</summary>
public sealed class InferenceCrashTests
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
    public async Task Kill_InTheMiddleOfAReply_TheNextRequestReplaysWhatWasStored()
    {
        string chatId, shown;
        using (var server = await StartAsync())
        {
            chatId = await AskAsync(server);
            llm.Enqueue(LlmReplies.PausingStream("Once upon a time "));
            var transcript = Infer(server, chatId);
            using var connection = await transcript.OpenAsync();
            await transcript.ReadTextAsync(connection, "Once upon a time ".Length);
            await FlushedText.WaitForAsync(folder.Path, transcript.RunId, transcript.Text.Length);

            await server.KillAsync();

            shown = transcript.Text;
        }

        using var again = await StartAsync();
        await again.WaitUntilRecoveredAsync();
        var replayed = await Infer(again, chatId).ReadAsync();
        var messages = await again.GetAsync($"/chats/{chatId}/messages");

        Assert.Multiple(() =>
        {
            Assert.That((replayed.Text, replayed.Status), Is.EqualTo((shown, "incomplete")));
            Assert.That(replayed.End!.Json.Text("code"), Is.EqualTo("run_interrupted"));
            Assert.That((messages[1].Text("role"), messages[1].Text("content"), messages[1].Text("status")), Is.EqualTo(("assistant", shown, "incomplete")));
            Assert.That(llm.Requests, Has.Count.EqualTo(1));
        });
    }

    [Test]
    public async Task Kill_BeforeTheFirstText_TheNextRequestGetsAReply()
    {
        string chatId;
        using (var server = await StartAsync())
        {
            chatId = await AskAsync(server);
            llm.Enqueue(LlmReplies.Slow());
            var lost = Infer(server, chatId).OpenAsync();
            await llm.WaitForRequestsAsync(1);

            await server.KillAsync();

            Assert.That(async () => await lost, Throws.InstanceOf<HttpRequestException>());
        }

        using var again = await StartAsync();
        await again.WaitUntilRecoveredAsync();
        var transcript = await Infer(again, chatId).ReadAsync();

        Assert.That((transcript.Text, transcript.Status), Is.EqualTo(("echo: Hi", "completed")));
        Assert.That((await again.GetAsync($"/chats/{chatId}/messages")).Texts("content"), Is.EqualTo(new[] { "Hi", "echo: Hi" }));
    }

    private static async Task<string> AskAsync(AiChatProcess server)
    {
        var chatId = (await server.PostAsync("/chats/create", new { name = "A chat" })).Text("id")!;
        await server.PostAsync("/conversations/create", new { chat_id = chatId, role = "Human", message = "Hi" });
        return chatId;
    }

    private static TextTranscript Infer(AiChatProcess server, string chatId) => new(server.Client.BaseAddress!, $"/conversations/inference/{chatId}");

    private Task<AiChatProcess> StartAsync() =>
        AiChatProcess.StartAsync(folder.Path, ("GROQ_API_KEY", "test-key"), ("Providers__groq__BaseUrl", llm.BaseUrl));
}
