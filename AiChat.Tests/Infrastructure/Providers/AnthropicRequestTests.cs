using AiChat.Core.Models;
using AiChat.Infrastructure.Providers;
using AiChat.Tests.Support;
using Microsoft.Extensions.AI;

namespace AiChat.Tests.Infrastructure.Providers;

/// <summary>What the adapter for Anthropic sends, byte for byte.</summary>
public sealed class AnthropicRequestTests : AnthropicTestBase
{
    [Test]
    public async Task GetResponseAsync_WholeConversation_SendsExactlyThis()
    {
        ChatMessage[] messages =
        [
            new(ChatRole.System, "Be brief."),
            new(ChatRole.User, "Say \"hi\"\nin Grüezi-land <b>&</b> 'now' 😀"),
            new(ChatRole.Assistant, "Grüezi + salü "),
            new(ChatRole.User, "Back\\slash\tand \u0001 "),
        ];

        await Client().GetResponseAsync(messages, new ChatOptions { Temperature = (float)0.7, MaxOutputTokens = 100 });

        Assert.That(Llm.Requests.Single().Text, Is.EqualTo(
            """{"model":"claude-haiku-4-5","max_tokens":100,"messages":["""
            + """{"role":"user","content":"Say \"hi\"\nin Grüezi-land <b>&</b> 'now' \uD83D\uDE00"},"""
            + """{"role":"assistant","content":"Grüezi + salü "},{"role":"user","content":"Back\\slash\tand \u0001 "}],"""
            + "\"system\":\"Be brief.\",\"temperature\":0.7}"));
    }

    [Test]
    public async Task GetResponseAsync_NoOptions_SendsTheLongestAnswerItHasTo()
    {
        await Client().GetResponseAsync("Hello");

        Assert.That(Llm.Requests.Single().Text, Is.EqualTo(
            """{"model":"claude-haiku-4-5","max_tokens":4096,"messages":[{"role":"user","content":"Hello"}]}"""));
    }

    [Test]
    public async Task GetStreamingResponseAsync_Always_AsksForStream()
    {
        await ReadAllAsync(Client(), new(ChatRole.System, "One."), new(ChatRole.System, "Two."), new(ChatRole.User, "Hello"));

        Assert.That(Llm.Requests.Single().Text, Is.EqualTo(
            """{"model":"claude-haiku-4-5","max_tokens":4096,"messages":[{"role":"user","content":"Hello"}],"""
            + """ "system":"One.\n\nTwo.","stream":true}""".TrimStart()));
    }

    [Test]
    public async Task GetResponseAsync_CallsAndResults_SendsExactlyThis()
    {
        await Client().GetResponseAsync(ToolPrompts.TwoCalls(), new ChatOptions { Temperature = 0.5f });

        Assert.That(Llm.Requests.Single().Text, Is.EqualTo(
            """{"model":"claude-haiku-4-5","max_tokens":4096,"messages":[{"role":"user","content":"Rome or Bern?"},"""
            + """{"role":"assistant","content":[{"type":"text","text":"I look it up."},"""
            + """{"type":"tool_use","id":"call_1","name":"get_weather","input":{"city":"Rome","days":[1,2.50]}},"""
            + """{"type":"tool_use","id":"call_2","name":"get_weather","input":{}}]},"""
            + """{"role":"user","content":[{"type":"tool_result","tool_use_id":"call_1","content":"{\"sun\":true}"},"""
            + """{"type":"tool_result","tool_use_id":"call_2"},{"type":"text","text":"So?"}]}],"""
            + "\"system\":\"Be brief.\\n\\nBe kind.\","
            + """ "tools":[{"name":"get_weather","input_schema":{"type":"object"}}],"tool_choice":{"type":"none"},"temperature":0.5}""".TrimStart()));
        Assert.That(Llm.Refusals, Is.Empty);
    }

    [Test]
    public async Task GetStreamingResponseAsync_EndingWithResult_SendsExactlyThis()
    {
        await ReadAllAsync(Client(), ToolPrompts.EndingWithResult());

        Assert.That(Llm.Requests.Single().Text, Is.EqualTo(
            """{"model":"claude-haiku-4-5","max_tokens":4096,"messages":[{"role":"user","content":"Time?"},"""
            + """{"role":"assistant","content":[{"type":"tool_use","id":"call_1","name":"clock","input":{}}]},"""
            + """{"role":"user","content":[{"type":"tool_result","tool_use_id":"call_1","content":"Noon"}]}],"""
            + """ "tools":[{"name":"clock","input_schema":{"type":"object"}}],"tool_choice":{"type":"none"},"stream":true}""".TrimStart()));
        Assert.That(Llm.Refusals, Is.Empty);
    }

    [Test]
    public async Task GetStreamingResponseAsync_BeginningBehindResult_IsSentWithoutWhiteSpaceAtItsEnd()
    {
        await ReadAllAsync(Client(), [.. ToolPrompts.EndingWithResult(), new(ChatRole.Assistant, "It is ")]);

        Assert.That(Llm.Requests.Single().Messages.TakeLast(2), Is.EqualTo(new LlmMessage[]
        {
            new("tool", "Noon") { ToolCallId = "call_1" }, new("assistant", "It is"),
        }));
    }

    [Test]
    public async Task GetResponseAsync_NeighboursOfOneRole_AreOneMessage()
    {
        ChatMessage[] messages = [new(ChatRole.User, "One"), new(ChatRole.User, "Two")];

        await Client().GetResponseAsync(messages);

        Assert.That(Llm.Requests.Single().Text, Does.Contain(
            """[{"role":"user","content":[{"type":"text","text":"One"},{"type":"text","text":"Two"}]}]"""));
    }

    [Test]
    public async Task GetResponseAsync_ArgumentsWithHalfASurrogatePair_SendsValidJson()
    {
        await Client().GetResponseAsync(ToolPrompts.WithArguments("""{"a":"\\ud83d \ud83d"}"""));

        Assert.That(Llm.Requests.Single().Messages[1].ToolCalls.Single().Arguments, Is.EqualTo("""{"a":"\\ud83d �"}"""));
    }

    [Test]
    public void GetResponseAsync_ResultWithoutItsCall_IsRefused()
    {
        var client = Client();

        Assert.That(async () => await client.GetResponseAsync(ToolPrompts.ResultAlone()),
            Throws.InstanceOf<ProviderException>().With.Property(nameof(ProviderException.Error)).EqualTo(ProviderError.Rejected));
        Assert.That(Llm.Refusals.Single(), Does.Contain("unexpected `tool_use_id` found in `tool_result` blocks: call_1"));
    }

    [Test]
    public void GetResponseAsync_CallWithoutItsResult_IsRefused()
    {
        var client = Client();

        Assert.That(async () => await client.GetResponseAsync(ToolPrompts.CallAlone()),
            Throws.InstanceOf<ProviderException>().With.Property(nameof(ProviderException.Error)).EqualTo(ProviderError.Rejected));
        Assert.That(Llm.Refusals.Single(), Does.Contain("`tool_use` ids were found without `tool_result` blocks immediately after: call_1"));
    }

    [TestCase(0d, "0")]
    [TestCase(0.1d, "0.1")]
    [TestCase(1d, "1")]
    [TestCase(1.7d, "1")]
    public async Task GetResponseAsync_Temperature_EndsAtOne(double temperature, string expected)
    {
        await Client().GetResponseAsync("Hello", new ChatOptions { Temperature = (float)temperature });

        Assert.That(Llm.Requests.Single().Text, Does.EndWith($"\"temperature\":{expected}}}"));
    }

    [Test]
    public async Task GetStreamingResponseAsync_WithKey_SendsTheseHeaders()
    {
        var settings = Settings();
        settings.Headers["X-Team"] = "blue";

        await ReadAllAsync(Client(settings));

        var request = Llm.Requests.Single();
        Assert.Multiple(() =>
        {
            Assert.That(request.Path, Is.EqualTo("/v1/messages"));
            Assert.That(request.Headers.Keys, Is.EquivalentTo(new[]
            {
                "Content-Length", "Content-Type", "Host", "User-Agent", "X-Team", "anthropic-version", "x-api-key",
            }));
            Assert.That(request.Headers["x-api-key"], Is.EqualTo(Key));
            Assert.That(request.Headers["Content-Type"], Is.EqualTo("application/json"));
            Assert.That(request.Headers["User-Agent"], Does.StartWith("AiChat/"));
            Assert.That(request.Headers["X-Team"], Is.EqualTo("blue"));
            Assert.That(request.Headers["anthropic-version"], Is.EqualTo("2023-06-01"));
        });
    }

    [Test]
    public async Task GetResponseAsync_OtherKeyHeaderAndVersion_SendsThose()
    {
        var settings = Settings();
        settings.ApiKeyHeader = "api-key";
        settings.Headers["Anthropic-Version"] = "2026-10-21";

        await Client(settings).GetResponseAsync("Hello");

        var headers = Llm.Requests.Single().Headers;
        Assert.That((headers["api-key"], headers["anthropic-version"]), Is.EqualTo((Key, "2026-10-21")));
        Assert.That(headers, Does.Not.ContainKey("Authorization"));
    }

    [Test]
    public async Task GetResponseAsync_WithoutKey_SendsNone()
    {
        var settings = Settings();
        settings.ApiKey = null;

        await Client(settings).GetResponseAsync("Hello");

        Assert.That(Llm.Requests.Single().Headers.Keys, Has.None.EqualTo("Authorization").IgnoreCase.And.None.EqualTo("x-api-key").IgnoreCase);
    }

    [Test]
    public async Task GetResponseAsync_SettingsOfTheSdkInTheEnvironment_DoNotCount()
    {
        (string Name, string Value)[] variables =
        [
            ("ANTHROPIC_API_KEY", "key-of-the-machine"), ("ANTHROPIC_AUTH_TOKEN", "token-of-the-machine"),
            ("ANTHROPIC_BASE_URL", "http://127.0.0.1:1"), ("ANTHROPIC_CUSTOM_HEADERS", "X-Machine: yes"),
        ];
        var before = variables.Select(v => (v.Name, Value: Environment.GetEnvironmentVariable(v.Name))).ToList();
        var settings = Settings();
        settings.ApiKey = null;
        try
        {
            foreach (var (name, value) in variables)
                Environment.SetEnvironmentVariable(name, value);

            await Client(settings).GetResponseAsync("Hello");
        }
        finally
        {
            foreach (var (name, value) in before)
                Environment.SetEnvironmentVariable(name, value);
        }

        Assert.That(Llm.Requests.Single().Headers.Keys, Is.EquivalentTo(new[]
        {
            "Content-Length", "Content-Type", "Host", "User-Agent", "anthropic-version",
        }));
    }

    [Test]
    public async Task GetResponseAsync_BaseUrlWithPathAndSlash_KeepsThePath()
    {
        var settings = Settings();
        settings.BaseUrl += "/gateway/";

        await Client(settings).GetResponseAsync("Hello");

        Assert.That(Llm.Requests.Single().Path, Is.EqualTo("/gateway/v1/messages"));
    }

    [Test]
    public async Task GetResponseAsync_HalfASurrogatePair_SendsValidJson()
    {
        await Client().GetResponseAsync("broken \ud83d emoji");

        Assert.That(Llm.Requests.Single().LastUserMessage, Is.EqualTo("broken \ufffd emoji"));
    }

    [TestCase("One two \n", "One two")]
    [TestCase("One two", "One two")]
    public async Task GetStreamingResponseAsync_BeginningToGoOnWith_IsSentWithoutWhiteSpaceAtItsEnd(string beginning, string expected)
    {
        await ReadAllAsync(Client(), new(ChatRole.User, "Count"), new(ChatRole.Assistant, beginning));

        Assert.That(Llm.Requests.Single().Messages[^1], Is.EqualTo(new LlmMessage("assistant", expected)));
    }

    [Test]
    public async Task GetStreamingResponseAsync_BlankBeginning_IsNotSent()
    {
        await ReadAllAsync(Client(), new(ChatRole.User, "Count"), new(ChatRole.Assistant, " \n"));

        Assert.That(Llm.Requests.Single().Messages, Is.EqualTo(new[] { new LlmMessage("user", "Count") }));
    }

    [TestCase(true, null, "ANTHROPIC_API_KEY")]
    [TestCase(true, "key", null)]
    [TestCase(false, null, null)]
    public void MissingSetting_KeyRequiredAndGiven_TellsWhatIsMissing(bool isRequired, string? key, string? expected)
    {
        var provider = Provider(new ProviderOptions { RequiresApiKey = isRequired, ApiKey = key });

        Assert.That(provider.MissingSetting, Is.EqualTo(expected));
    }

    [Test]
    public void CreateChatClient_Always_DescribesItself()
    {
        var settings = Settings();

        var metadata = Client(settings).GetService<ChatClientMetadata>()!;

        Assert.That((metadata.ProviderName, metadata.DefaultModelId, metadata.ProviderUri),
            Is.EqualTo(("anthropic", Model, new Uri(settings.BaseUrl))));
    }
}
