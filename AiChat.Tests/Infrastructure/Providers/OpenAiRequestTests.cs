using AiChat.Core.Models;
using AiChat.Infrastructure.Providers;
using AiChat.Tests.Support;
using Microsoft.Extensions.AI;

namespace AiChat.Tests.Infrastructure.Providers;

/// <summary>What the adapter sends, byte for byte.</summary>
public sealed class OpenAiRequestTests : OpenAiTestBase
{
    [Test]
    public async Task GetResponseAsync_WholeConversation_SendsExactlyThis()
    {
        ChatMessage[] messages =
        [
            new(ChatRole.System, "Be brief."),
            new(ChatRole.User, "Say \"hi\"\nin Grüezi-land <b>&</b> 'now' 😀"),
            new(ChatRole.Assistant, "Grüezi + salü"),
            new(ChatRole.User, "Back\\slash\tand \u0001"),
        ];

        await Client().GetResponseAsync(messages, new ChatOptions { Temperature = (float)0.7, MaxOutputTokens = 100 });

        Assert.That(Llm.Requests.Single().Text, Is.EqualTo(
            // The writer escapes what lies beyond the basic plane, and nothing else that need not be.
            """{"model":"openai/gpt-oss-20b","messages":[{"role":"system","content":"Be brief."},"""
            + """{"role":"user","content":"Say \"hi\"\nin Grüezi-land <b>&</b> 'now' \uD83D\uDE00"},"""
            + """{"role":"assistant","content":"Grüezi + salü"},{"role":"user","content":"Back\\slash\tand \u0001"}],"""
            + "\"temperature\":0.7,\"max_tokens\":100}"));
    }

    [Test]
    public async Task GetResponseAsync_NoOptions_SendsModelAndMessagesAlone()
    {
        await Client().GetResponseAsync("Hello");

        Assert.That(Llm.Requests.Single().Text, Is.EqualTo("""{"model":"openai/gpt-oss-20b","messages":[{"role":"user","content":"Hello"}]}"""));
    }

    [Test]
    public async Task GetStreamingResponseAsync_Always_AsksForStreamAndUsage()
    {
        await ReadAllAsync(Client());

        Assert.That(Llm.Requests.Single().Text, Is.EqualTo(
            """{"model":"openai/gpt-oss-20b","messages":[{"role":"user","content":"Hello"}],"stream":true,"stream_options":{"include_usage":true}}"""));
    }

    [Test]
    public async Task GetResponseAsync_CallsAndResults_SendsExactlyThis()
    {
        await Client().GetResponseAsync(ToolPrompts.TwoCalls());

        Assert.That(Llm.Requests.Single().Text, Is.EqualTo(
            """{"model":"openai/gpt-oss-20b","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Rome or Bern?"},"""
            + """{"role":"assistant","content":"I look it up.","tool_calls":["""
            + """{"id":"call_1","type":"function","function":{"name":"get_weather","arguments":"{\"city\":\"Rome\",\"days\":[1,2.50]}"}},"""
            + """{"id":"call_2","type":"function","function":{"name":"get_weather","arguments":"{}"}}]},"""
            + """{"role":"tool","tool_call_id":"call_1","content":"{\"sun\":true}"},{"role":"tool","tool_call_id":"call_2","content":""},"""
            + """{"role":"system","content":"Be kind."},{"role":"user","content":"So?"}]}"""));
        Assert.That(Llm.Refusals, Is.Empty);
    }

    [Test]
    public async Task GetResponseAsync_CallWithoutText_SendsNullForTheText()
    {
        await Client().GetResponseAsync(ToolPrompts.EndingWithResult());

        Assert.That(Llm.Requests.Single().Text, Is.EqualTo(
            """{"model":"openai/gpt-oss-20b","messages":[{"role":"user","content":"Time?"},"""
            + """{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"clock","arguments":"{}"}}]},"""
            + """{"role":"tool","tool_call_id":"call_1","content":"Noon"}]}"""));
        Assert.That(Llm.Refusals, Is.Empty);
    }

    [Test]
    public async Task GetResponseAsync_ArgumentsWithHalfASurrogatePair_SendsValidJson()
    {
        await Client().GetResponseAsync(ToolPrompts.WithArguments("""{"a":"\\ud83d \ud83d \uD83D\uDE00"}"""));

        Assert.That(Llm.Requests.Single().Messages[1].ToolCalls.Single().Arguments, Is.EqualTo("""{"a":"\\ud83d \ufffd \uD83D\uDE00"}"""));
    }

    [Test]
    public void GetResponseAsync_ResultWithoutItsCall_IsRefused()
    {
        var client = Client();

        Assert.That(async () => await client.GetResponseAsync(ToolPrompts.ResultAlone()),
            Throws.InstanceOf<ProviderException>().With.Property(nameof(ProviderException.Error)).EqualTo(ProviderError.Rejected));
        Assert.That(Llm.Refusals.Single(), Does.Contain("must be a response to a preceeding message"));
    }

    [Test]
    public void GetResponseAsync_CallWithoutItsResult_IsRefused()
    {
        var client = Client();

        Assert.That(async () => await client.GetResponseAsync(ToolPrompts.CallAlone()),
            Throws.InstanceOf<ProviderException>().With.Property(nameof(ProviderException.Error)).EqualTo(ProviderError.Rejected));
        Assert.That(Llm.Refusals.Single(), Does.Contain("did not have response messages: call_1"));
    }

    [TestCase(0d, "0")]
    [TestCase(1d, "1")]
    [TestCase(0.1d, "0.1")]
    [TestCase(1.15d, "1.15")]
    [TestCase(2d, "2")]
    public async Task GetResponseAsync_Temperature_IsTheShortestDecimal(double temperature, string expected)
    {
        await Client().GetResponseAsync("Hello", new ChatOptions { Temperature = (float)temperature });

        Assert.That(Llm.Requests.Single().Text, Does.EndWith($"\"temperature\":{expected}}}"));
    }

    [Test]
    public async Task GetResponseAsync_OtherMaxTokensField_UsesIt()
    {
        var settings = Settings();
        settings.MaxTokensField = ProviderOptions.MaxCompletionTokens;

        await Client(settings).GetResponseAsync("Hello", new ChatOptions { MaxOutputTokens = 5 });

        Assert.That(Llm.Requests.Single().Text, Does.EndWith(",\"max_completion_tokens\":5}"));
    }

    [Test]
    public async Task GetResponseAsync_HalfASurrogatePair_SendsValidJson()
    {
        await Client().GetResponseAsync("broken \ud83d emoji");

        Assert.That(Llm.Requests.Single().LastUserMessage, Is.EqualTo("broken \ufffd emoji"));
    }

    [Test]
    public async Task GetResponseAsync_LongMessage_ArrivesWhole()
    {
        var message = string.Concat(Enumerable.Repeat("Größe 漢字 \"quoted\"\n", 20_000));

        await Client().GetResponseAsync(message);

        Assert.That(Llm.Requests.Single().LastUserMessage, Is.EqualTo(message));
    }

    [Test]
    public async Task GetResponseAsync_WithKey_SendsTheseHeaders()
    {
        await Client().GetResponseAsync("Hello");

        var request = Llm.Requests.Single();
        Assert.Multiple(() =>
        {
            Assert.That(request.Path, Is.EqualTo("/v1/chat/completions"));
            Assert.That(request.Headers.Keys, Is.EquivalentTo(new[] { "Accept", "Authorization", "Content-Length", "Content-Type", "Host", "User-Agent" }));
            Assert.That(request.Headers["Authorization"], Is.EqualTo($"Bearer {Key}"));
            Assert.That(request.Headers["Content-Type"], Is.EqualTo("application/json"));
            Assert.That(request.Headers["User-Agent"], Does.StartWith("AiChat/"));
        });
    }

    [Test]
    public async Task GetStreamingResponseAsync_HeadersAndOrganization_AreSent()
    {
        var settings = Settings();
        settings.Headers["X-Team"] = "blue, green";
        settings.Organization = "org-1";

        await ReadAllAsync(Client(settings));

        var headers = Llm.Requests.Single().Headers;
        Assert.That((headers["X-Team"], headers["OpenAI-Organization"], headers["Authorization"]), Is.EqualTo(("blue, green", "org-1", $"Bearer {Key}")));
    }

    [Test]
    public async Task GetResponseAsync_OtherKeyHeader_SendsTheKeyThere()
    {
        var settings = Settings();
        settings.ApiKeyHeader = "api-key";

        await Client(settings).GetResponseAsync("Hello");

        var headers = Llm.Requests.Single().Headers;
        Assert.That(headers["api-key"], Is.EqualTo(Key));
        Assert.That(headers, Does.Not.ContainKey("Authorization"));
    }

    [Test]
    public async Task GetResponseAsync_WithoutKey_SendsNoAuthorization()
    {
        var client = Client(new ProviderOptions { BaseUrl = Llm.BaseUrl, RequiresApiKey = false });

        await client.GetResponseAsync("Hello");

        Assert.That(Llm.Requests.Single().Headers, Does.Not.ContainKey("Authorization"));
    }

    [Test]
    public async Task GetResponseAsync_BaseUrlEndsWithSlash_CallsTheSamePath()
    {
        var settings = Settings();
        settings.BaseUrl += "/";

        await Client(settings).GetResponseAsync("Hello");

        Assert.That(Llm.Requests.Single().Path, Is.EqualTo("/v1/chat/completions"));
    }

    [TestCase(true, null, "MY_LLM_API_KEY")]
    [TestCase(true, "key", null)]
    [TestCase(false, null, null)]
    public void MissingSetting_KeyRequiredAndGiven_TellsWhatIsMissing(bool isRequired, string? key, string? expected)
    {
        var provider = Provider(new ProviderOptions { RequiresApiKey = isRequired, ApiKey = key }, "my-llm");

        Assert.That(provider.MissingSetting, Is.EqualTo(expected));
    }

    [Test]
    public void CreateChatClient_Always_DescribesItself()
    {
        var provider = Provider(Settings());

        var metadata = provider.CreateChatClient(Model).GetService<ChatClientMetadata>();

        Assert.Multiple(() =>
        {
            Assert.That(metadata!.ProviderName, Is.EqualTo("groq"));
            Assert.That(metadata.DefaultModelId, Is.EqualTo(Model));
            Assert.That(metadata.ProviderUri, Is.EqualTo(new Uri(Llm.BaseUrl)));
        });
    }
}
