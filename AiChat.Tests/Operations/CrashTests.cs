using System.Net.Http.Json;
using AiChat.Tests.Support;

namespace AiChat.Tests.Operations;

public sealed class CrashTests
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
    public async Task Kill_WhileAReplyIsWritten_KeepsTheMessageAndTheChatGoesOn()
    {
        string chatId;
        using (var server = await StartAsync())
        {
            chatId = (await server.PostAsync("/chat", new { message = "My name is Ada." })).GetProperty("chat_id").GetString()!;
            llm.Enqueue(LlmReplies.Slow());
            var lost = server.Client.PostAsJsonAsync("/chat", new { chat_id = chatId, message = "What is my name?" });
            await llm.WaitForRequestsAsync(2);

            await server.KillAsync();

            Assert.That(async () => await lost, Throws.InstanceOf<HttpRequestException>());
        }

        using var again = await StartAsync();
        await again.WaitUntilRecoveredAsync();
        var messages = await again.GetAsync($"/chats/{chatId}/messages");
        var answer = await again.PostAsync("/chat", new { chat_id = chatId, message = "Say it." });

        Assert.That(messages[2].GetProperty("content").GetString(), Is.EqualTo("What is my name?"));
        Assert.That(messages[3].GetProperty("status").GetString(), Is.EqualTo("incomplete"));
        Assert.That(answer.GetProperty("reply").GetString(), Is.EqualTo("echo: Say it."));
        Assert.That(llm.Requests[^1].Messages.Select(m => m.Content), Does.Contain("My name is Ada.").And.Contain("What is my name?"));
        Assert.That(again.Output, Has.Some.Contains("1 replies were unfinished"));
    }

    [Test]
    public async Task Kill_AfterAnswers_LosesNoneOfThem()
    {
        var answered = new List<string>();
        using (var server = await StartAsync())
        {
            var sends = Enumerable.Range(0, 50).Select(i => server.PostAsync("/chat", new { message = $"message {i}" }));
            foreach (var answer in await Task.WhenAll(sends))
                answered.Add(answer.GetProperty("chat_id").GetString()!);
            await server.KillAsync();
        }

        using var again = await StartAsync();
        var counts = await Task.WhenAll(answered.Select(async id => (await again.GetAsync($"/chats/{id}")).GetProperty("message_count").GetInt32()));

        Assert.That(counts, Has.Length.EqualTo(50).And.All.EqualTo(2));
    }

    /// <summary>The day has tokens for one of them; the dead process had taken them all.</summary>
    [Test]
    public async Task Kill_WhileAReplyIsWritten_LeavesTheBudgetToTheNextMessage()
    {
        var budget = ("Budgets__PerUser__TokensPerDay", "600");
        using (var server = await StartAsync(budget))
        {
            llm.Enqueue(LlmReplies.Slow());
            var lost = server.Client.PostAsJsonAsync("/chat", new { message = "Hello?", max_tokens = 500 });
            await llm.WaitForRequestsAsync(1);

            await server.KillAsync();

            Assert.That(async () => await lost, Throws.InstanceOf<HttpRequestException>());
        }

        using var again = await StartAsync(budget);
        await again.WaitUntilRecoveredAsync();
        var answer = await again.PostAsync("/chat", new { message = "Hello?", max_tokens = 500 });

        Assert.That(answer.GetProperty("reply").GetString(), Is.EqualTo("echo: Hello?"));
    }

    private Task<AiChatProcess> StartAsync(params (string, string)[] settings) =>
        AiChatProcess.StartAsync(folder.Path, [("GROQ_API_KEY", "test-key"), ("Providers__groq__BaseUrl", llm.BaseUrl), .. settings]);
}
