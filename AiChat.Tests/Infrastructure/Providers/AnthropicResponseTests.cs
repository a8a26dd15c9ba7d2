using AiChat.Core.Models;
using AiChat.Tests.Support;
using Microsoft.Extensions.AI;

namespace AiChat.Tests.Infrastructure.Providers;

/// <summary>What the adapter for Anthropic makes of whole answers and of failures.</summary>
public sealed class AnthropicResponseTests : AnthropicTestBase
{
    [Test]
    public async Task GetResponseAsync_Answer_IsRead()
    {
        Llm.Enqueue(LlmReplies.Json("""
            {"id":"msg_1","type":"message","role":"assistant","model":"claude-haiku-4-5-20251001","content":[{"type":"thinking","thinking":"Hm.",
            "signature":"s"},{"type":"text","text":"Grüezi "},{"type":"tool_use","id":"t","name":"n","input":{"text":"not this"}},
            {"type":"text","text":"👋🏽","citations":[{"cited_text":"nor this"}]}],"stop_reason":"end_turn","stop_sequence":null,
            "usage":{"input_tokens":10,"cache_creation_input_tokens":3,"cache_read_input_tokens":20,"output_tokens":15,
            "output_tokens_details":{"thinking_tokens":5},"service_tier":"standard"}}
            """));

        var response = await Client().GetResponseAsync("Hello");

        Assert.Multiple(() =>
        {
            Assert.That(response.Text, Is.EqualTo("Grüezi 👋🏽"));
            Assert.That(response.ModelId, Is.EqualTo("claude-haiku-4-5-20251001"));
            Assert.That(response.FinishReason, Is.EqualTo(ChatFinishReason.Stop));
            Assert.That(response.Usage!.InputTokenCount, Is.EqualTo(33));
            Assert.That(response.Usage.CachedInputTokenCount, Is.EqualTo(20));
            Assert.That(response.Usage.OutputTokenCount, Is.EqualTo(15));
            Assert.That(response.Usage.ReasoningTokenCount, Is.EqualTo(5));
        });
    }

    [TestCase("end_turn", "stop")]
    [TestCase("stop_sequence", "stop")]
    [TestCase("max_tokens", "length")]
    [TestCase("model_context_window_exceeded", "length")]
    [TestCase("refusal", "content_filter")]
    [TestCase("pause_turn", "pause_turn")]
    public async Task GetResponseAsync_StopReason_IsMapped(string reason, string expected)
    {
        Llm.Enqueue(LlmReplies.Json($$"""{"type":"message","content":[{"type":"text","text":"hi"}],"stop_reason":"{{reason}}"}"""));

        var response = await Client().GetResponseAsync("Hello");

        Assert.That(response.FinishReason?.Value, Is.EqualTo(expected));
    }

    [TestCase("""{"type":"message","content":[],"stop_reason":"end_turn"}""", "")]
    [TestCase("""{"type":"message","content":null,"usage":"none","model":7,"stop_reason":null}""", "")]
    [TestCase("""{"type":"message","content":[1,{"type":"text","text":"hi"}],"usage":{"input_tokens":-1,"output_tokens":1.5}}""", "hi")]
    public async Task GetResponseAsync_UnusualAnswer_IsReadTolerantly(string body, string text)
    {
        Llm.Enqueue(LlmReplies.Json(body));

        var response = await Client().GetResponseAsync("Hello");

        Assert.That((response.Text, response.ModelId, response.Usage), Is.EqualTo((text, Model, (UsageDetails?)null)));
    }

    [TestCase(400, "invalid_request_error", "max_tokens: too many.", ProviderError.Rejected)]
    [TestCase(400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum", ProviderError.PromptTooLong)]
    [TestCase(400, "invalid_request_error", "input length and `max_tokens` exceed context limit: 198000 + 4096 > 200000", ProviderError.PromptTooLong)]
    [TestCase(413, "request_too_large", "Request exceeds the maximum size", ProviderError.PromptTooLong)]
    [TestCase(401, "authentication_error", "invalid x-api-key", ProviderError.Unauthorized)]
    [TestCase(403, "permission_error", "Your API key does not have permission.", ProviderError.Unauthorized)]
    [TestCase(404, "not_found_error", "model: claude-haiku-4-5", ProviderError.UnknownModel)]
    [TestCase(408, "timeout_error", "Request timed out.", ProviderError.Timeout)]
    [TestCase(409, "conflict_error", "Conflict.", ProviderError.Unavailable)]
    [TestCase(429, "rate_limit_error", "Slow down.", ProviderError.RateLimited)]
    [TestCase(500, "api_error", "Internal server error", ProviderError.Unavailable)]
    [TestCase(529, "overloaded_error", "Overloaded", ProviderError.Unavailable)]
    [TestCase(301, "moved", "Elsewhere", ProviderError.InvalidResponse)]
    public async Task GetResponseAsync_Status_IsMapped(int status, string type, string message, ProviderError expected)
    {
        Llm.Enqueue(Failure(status, type, message));

        var failure = await FailAsync();

        Assert.Multiple(() =>
        {
            Assert.That(failure.Error, Is.EqualTo(expected));
            Assert.That(failure.Provider, Is.EqualTo("anthropic"));
            Assert.That(failure.Message, Does.StartWith($"anthropic answered {status} for {Model}: {message}"));
            Assert.That(Llm.Requests, Has.Count.EqualTo(1), "nothing is retried");
        });
    }

    [Test]
    public async Task GetResponseAsync_Unauthorized_NamesTheSettingAndNeverTheKey()
    {
        Llm.Enqueue(Failure(401, "authentication_error", $"invalid x-api-key {Key}"));

        var failure = await FailAsync();

        Assert.That(failure.ToString(), Does.Contain("invalid x-api-key *** Correct ANTHROPIC_API_KEY.").And.Not.Contain(Key));
    }

    [Test]
    public async Task GetResponseAsync_RetryAfter_IsRead()
    {
        Llm.Enqueue(LlmReplies.Status(429, "Slow down.", ("Retry-After", "7")));

        var failure = await FailAsync();

        Assert.That(failure.RetryAfter, Is.EqualTo(TimeSpan.FromSeconds(7)));
    }

    private static readonly (string Name, LlmReply Reply)[] Unreadable =
    [
        ("cut", LlmReplies.Cut()),
        ("hang-up", LlmReplies.HangUp()),
        ("garbage", LlmReplies.Garbage()),
        ("nothing", LlmReplies.Json("")),
        ("not an object", LlmReplies.Json("[]")),
        ("no message", LlmReplies.Json("{}")),
        ("half an object", LlmReplies.Json("""{"type":"message","content":[{"type":"text","text":"hi"}]""")),
        ("two objects", LlmReplies.Json("""{"type":"message","content":[]}{}""")),
        ("half a character", LlmReplies.Json("""{"type":"message","content":[{"type":"text","text":"\ud83d"}]}""")),
        ("an error with status 200", LlmReplies.Json("""{"type":"error","error":{"type":"overloaded_error","message":"overloaded"}}""")),
    ];

    [TestCaseSource(nameof(UnreadableNames))]
    public async Task GetResponseAsync_UnreadableAnswer_IsInvalid(string name)
    {
        Llm.Enqueue(Unreadable.Single(u => u.Name == name).Reply);

        var failure = await FailAsync();

        Assert.That(failure.Error, Is.EqualTo(ProviderError.InvalidResponse), failure.Message);
    }

    [Test]
    public async Task GetResponseAsync_NobodyListens_IsUnavailable()
    {
        var settings = Settings();
        settings.BaseUrl = "http://127.0.0.1:1";

        var failure = await FailAsync(settings);

        Assert.That(failure.Error, Is.EqualTo(ProviderError.Unavailable));
        Assert.That(failure.Message, Does.Contain("Providers:anthropic:BaseUrl"));
    }

    [Test]
    public async Task GetResponseAsync_SlowerThanTimeout_IsTimeoutAndHangsUp()
    {
        var settings = Settings();
        settings.Timeout = TimeSpan.FromMilliseconds(100);
        Llm.Enqueue(LlmReplies.Slow());

        var failure = await FailAsync(settings);

        Assert.That(failure.Error, Is.EqualTo(ProviderError.Timeout));
        Assert.That(failure.Message, Does.Contain("Providers:anthropic:Timeout"));
        await Llm.WaitForAbortsAsync(1);
    }

    [Test]
    public async Task GetResponseAsync_CallerCancels_ThrowsThatAndHangsUp()
    {
        using var caller = new CancellationTokenSource();
        Llm.Enqueue(LlmReplies.Slow());

        var answer = Client().GetResponseAsync("Hello", cancellationToken: caller.Token);
        await Llm.WaitForRequestsAsync(1);
        await caller.CancelAsync();

        Assert.That(async () => await answer, Throws.InstanceOf<OperationCanceledException>()
            .With.Property(nameof(OperationCanceledException.CancellationToken)).EqualTo(caller.Token));
        await Llm.WaitForAbortsAsync(1);
    }

    [Test]
    public async Task GetResponseAsync_GoesOnWithABeginning_LeavesOutItsWhiteSpace()
    {
        Llm.Enqueue(LlmReplies.Json(Whole(" \n three")));

        var response = await Client().GetResponseAsync([new(ChatRole.User, "Count"), new(ChatRole.Assistant, "one two \n")]);

        Assert.That(response.Text, Is.EqualTo(" three"));
    }

    private static IEnumerable<string> UnreadableNames() => Unreadable.Select(u => u.Name);

    private static LlmReply Failure(int status, string type, string message) =>
        LlmReplies.Body(status, $$$"""{"type":"error","error":{"type":"{{{type}}}","message":"{{{message}}}"},"request_id":"req_1"}""", "application/json");
}
