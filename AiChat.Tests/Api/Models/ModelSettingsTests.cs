using System.Text.RegularExpressions;
using AiChat.Tests.Support;
using Microsoft.Extensions.Configuration;

namespace AiChat.Tests.Api.Models;

/// <summary>Every block of settings in docs/models.md, loaded as it is there, with a fake provider at the end of the line.</summary>
public sealed partial class ModelSettingsTests
{
    private const string Key = "key-of-the-test";

    [TestCase("Groq", "groq", "openai/gpt-oss-20b", "/openai/v1/chat/completions", "Authorization")]
    [TestCase("OpenAI", "openai", "gpt-4.1-mini", "/v1/chat/completions", "Authorization")]
    [TestCase("Anthropic", "anthropic", "claude-haiku-4-5", "/v1/messages", "x-api-key")]
    [TestCase("Ollama", "ollama", "llama3.2", "/v1/chat/completions", null)]
    [TestCase("A private endpoint", "private", "Qwen/Qwen3-32B", "/team-a/v1/chat/completions", "api-key")]
    public async Task Block_WithTheFakeInTheProvidersPlace_AnswersASend(string title, string provider, string model, string path, string? keyHeader)
    {
        var settings = ReadBlock(title);
        var isAnthropic = settings[$"Providers:{provider}:Kind"] == "anthropic";
        await using var fake = await FakeProvider.StartAsync(provider, isAnthropic ? WireFormat.Anthropic : WireFormat.OpenAi);
        var address = new Uri(settings[$"Providers:{provider}:BaseUrl"]);
        settings[$"Providers:{provider}:BaseUrl"] = new Uri(new Uri(fake.BaseUrl), address.AbsolutePath).ToString();
        settings["Models:smart:Candidates:0:Provider"] = provider;
        if (keyHeader is not null)
            settings[$"{provider.ToUpperInvariant()}_API_KEY"] = Key;
        await using var app = AiChatApplication.Start(settings.Select(s => (s.Key, s.Value)));

        var reply = await app.PostAsync("/chat", new { message = "Hello" });

        var request = fake.Llm.Requests.Single();
        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(200), reply.Text);
            Assert.That(reply.Json.Text("reply"), Is.EqualTo("echo: Hello"));
            Assert.That((reply.Json.Text("provider"), reply.Json.Text("model")), Is.EqualTo((provider, model)));
            Assert.That((request.Path, request.Model), Is.EqualTo((path, model)));
            AssertKey(request, keyHeader);
            AssertHeaders(request, settings, provider);
        });
    }

    [Test]
    public void Page_Blocks_AreAllTested()
    {
        var blocks = Block().Matches(ReadPage()).Select(m => m.Groups["title"].Value);

        Assert.That(blocks, Is.EqualTo(new[] { "Groq", "OpenAI", "Anthropic", "Ollama", "A private endpoint" }));
    }

    private static void AssertKey(LlmRequest request, string? keyHeader)
    {
        string[] headers = ["Authorization", "api-key", "x-api-key"];
        var sent = headers.Where(request.Headers.ContainsKey).Select(name => (name, request.Headers[name]));
        var expected = keyHeader switch
        {
            null => [],
            "Authorization" => new[] { (keyHeader, $"Bearer {Key}") },
            _ => [(keyHeader, Key)],
        };

        Assert.That(sent, Is.EqualTo(expected));
    }

    private static void AssertHeaders(LlmRequest request, Dictionary<string, string> settings, string provider)
    {
        var prefix = $"Providers:{provider}:Headers:";
        foreach (var (name, value) in settings.Where(s => s.Key.StartsWith(prefix, StringComparison.Ordinal)))
            Assert.That(request.Headers[name[prefix.Length..]], Is.EqualTo(value));
    }

    private static Dictionary<string, string> ReadBlock(string title)
    {
        var json = Block().Matches(ReadPage()).Single(m => m.Groups["title"].Value == title).Groups["json"].Value;
        using var stream = new MemoryStream(System.Text.Encoding.UTF8.GetBytes(json));
        return new ConfigurationBuilder().AddJsonStream(stream).Build().AsEnumerable()
            .Where(s => s.Value is not null).ToDictionary(s => s.Key, s => s.Value!);
    }

    private static string ReadPage()
    {
        var folder = new DirectoryInfo(TestContext.CurrentContext.TestDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "AiChat.sln")))
            folder = folder.Parent!;
        return File.ReadAllText(Path.Combine(folder.FullName, "docs", "models.md"));
    }

    [GeneratedRegex("^## (?<title>[^\n]+)\n(?:(?!## ).*\n)*?```json\n(?<json>(?:(?!```).*\n)+)```", RegexOptions.Multiline)]
    private static partial Regex Block();
}
