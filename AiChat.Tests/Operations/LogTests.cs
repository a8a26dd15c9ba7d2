using System.Text.Json;
using AiChat.Tests.Support;

namespace AiChat.Tests.Operations;

public sealed class LogTests
{
    [Test]
    public async Task Log_AsJson_HasOneObjectALineAndNeitherContentsNorKeys()
    {
        using var folder = new TempFolder();
        await using var llm = await FakeLlm.StartAsync();
        llm.Enqueue(LlmReplies.Answer("secret answer"), LlmReplies.Status(401, "Wrong key sk-secret-key"));
        using var server = await AiChatProcess.StartAsync(folder.Path,
            ("GROQ_API_KEY", "sk-secret-key"), ("Providers__groq__BaseUrl", llm.BaseUrl), ("Logging__Format", "json"));

        var answer = await server.PostAsync("/chat?user_id=secret-query", new { user_id = "secret-user", message = "secret question", system_prompt = "secret prompt" });
        await server.PostAsync("/chat", new { message = "secret question" });
        server.Terminate();
        await server.WaitForExitAsync();

        var lines = server.Output.Select(line => JsonSerializer.Deserialize<JsonElement>(line)).ToList();
        var requests = lines.Select(l => l.GetProperty("Properties")).Where(p => p.TryGetProperty("Route", out var route) && route.GetString() == "/chat").ToList();
        Assert.That(requests, Has.Count.EqualTo(2));
        Assert.That(requests[0].GetProperty("RunId").GetString(), Is.EqualTo(answer.GetProperty("run_id").GetString()));
        Assert.That(requests[0].GetProperty("Status").GetInt32(), Is.EqualTo(200));
        Assert.That(string.Join('\n', server.Output), Does.Not.Contain("secret"));
    }

    [Test]
    public async Task Log_ProviderRefusesTheKey_SaysWhichSettingToCorrect()
    {
        using var folder = new TempFolder();
        await using var llm = await FakeLlm.StartAsync();
        llm.Enqueue(LlmReplies.Status(401));
        using var server = await AiChatProcess.StartAsync(folder.Path, ("GROQ_API_KEY", "wrong"), ("Providers__groq__BaseUrl", llm.BaseUrl));

        await server.PostAsync("/chat", new { message = "Hello" });
        server.Terminate();
        await server.WaitForExitAsync();

        Assert.That(server.Output, Has.Some.Contains("Unauthorized").And.Contains("GROQ_API_KEY"));
    }

    [Test]
    public async Task Log_LevelFromTheEnvironment_IsObeyed()
    {
        using var folder = new TempFolder();
        using var server = await AiChatProcess.StartAsync(folder.Path, ("Logging__LogLevel__Default", "Error"));

        await server.PostAsync("/chat", new { message = "Hello" });
        server.Terminate();
        await server.WaitForExitAsync();

        Assert.That(server.Output, Is.Empty);
    }
}
