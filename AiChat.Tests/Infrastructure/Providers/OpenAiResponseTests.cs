using System.Text.Json;
using AiChat.Core.Models;
using AiChat.Tests.Support;
using Microsoft.Extensions.AI;

namespace AiChat.Tests.Infrastructure.Providers;

/// <summary>What the adapter makes of whole answers and of failures.</summary>
public sealed class OpenAiResponseTests : OpenAiTestBase
{
    [TestCase("groq-completion.json", "Hello! How can I help?", "openai/gpt-oss-20b", "stop", 72, 38)]
    [TestCase("openai-completion.json", "Grüezi 👋🏽 \"there\"\n", "gpt-5-mini-2025-08-07", "length", 19, 10)]
    [TestCase("llama-server-completion.json", "ok", "qwen2.5-0.5b.gguf", "stop", null, null)]
    public async Task GetResponseAsync_AnswerOfAVendor_IsRead(
        string file, string text, string model, string finishReason, int? inputTokens, int? outputTokens)
    {
        Llm.Enqueue(LlmReplies.Json(await ReadFileAsync(file)));

        var response = await Client().GetResponseAsync("Hello");

        Assert.Multiple(() =>
        {
            Assert.That(response.Text, Is.EqualTo(text));
            Assert.That(response.ModelId, Is.EqualTo(model));
            Assert.That(response.FinishReason?.Value, Is.EqualTo(finishReason));
            Assert.That(response.Usage?.InputTokenCount, Is.EqualTo(inputTokens));
            Assert.That(response.Usage?.OutputTokenCount, Is.EqualTo(outputTokens));
        });
    }

    [TestCase("""{"choices":[{"message":{"content":"hi"}}]}""", "hi", null)]
    [TestCase("""{"choices":[{"message":{"content":"hi"},"finish_reason":null}],"model":null,"usage":null,"error":null}""", "hi", null)]
    [TestCase("""{"choices":[{"message":{"content":"hi"},"finish_reason":"eos_token"}],"usage":"none","extra":{"deep":[{}]}}""", "hi", "eos_token")]
    [TestCase("""{"choices":[{"message":{"content":null},"finish_reason":"stop"}]}""", "", "stop")]
    [TestCase("""{"choices":[{"message":{},"finish_reason":"stop"}]}""", "", "stop")]
    [TestCase("""{"choices":[{"message":null,"finish_reason":"stop"}]}""", "", "stop")]
    [TestCase("""{"choices":[{"message":{"content":"one"}},{"message":{"content":"two"}}],"usage":{"prompt_tokens":-1,"completion_tokens":1.5}}""", "one", null)]
    public async Task GetResponseAsync_UnusualAnswer_IsReadTolerantly(string body, string text, string? finishReason)
    {
        Llm.Enqueue(LlmReplies.Json(body));

        var response = await Client().GetResponseAsync("Hello");

        Assert.Multiple(() =>
        {
            Assert.That(response.Text, Is.EqualTo(text));
            Assert.That(response.FinishReason?.Value, Is.EqualTo(finishReason));
            Assert.That(response.ModelId, Is.EqualTo(Model));
            Assert.That(response.Usage, Is.Null);
        });
    }

    [Test]
    public async Task GetResponseAsync_LongAnswer_IsWhole()
    {
        var text = string.Concat(Enumerable.Repeat("Größe 漢字 😀 \"quoted\"\n", 20_000));
        Llm.Enqueue(LlmReplies.Answer(text));

        var response = await Client().GetResponseAsync("Hello");

        Assert.That(response.Text, Is.EqualTo(text));
    }

    [TestCase(401, ProviderError.Unauthorized)]
    [TestCase(403, ProviderError.Unauthorized)]
    [TestCase(429, ProviderError.RateLimited)]
    [TestCase(408, ProviderError.Timeout)]
    [TestCase(500, ProviderError.Unavailable)]
    [TestCase(503, ProviderError.Unavailable)]
    [TestCase(529, ProviderError.Unavailable)]
    [TestCase(400, ProviderError.Rejected)]
    [TestCase(404, ProviderError.UnknownModel)]
    [TestCase(409, ProviderError.Unavailable)]
    [TestCase(413, ProviderError.PromptTooLong)]
    [TestCase(422, ProviderError.Rejected)]
    [TestCase(301, ProviderError.InvalidResponse)]
    public async Task GetResponseAsync_Status_IsMapped(int status, ProviderError expected)
    {
        Llm.Enqueue(LlmReplies.Status(status, "Words of the vendor."));

        var failure = await FailAsync();

        Assert.Multiple(() =>
        {
            Assert.That(failure.Error, Is.EqualTo(expected));
            Assert.That(failure.Provider, Is.EqualTo("groq"));
            Assert.That(failure.Message, Does.StartWith($"groq answered {status} for {Model}: Words of the vendor."));
            Assert.That(failure.RetryAfter, Is.Null);
            Assert.That(Llm.Requests, Has.Count.EqualTo(1), "nothing is retried");
        });
    }

    [TestCase(400, "model_decommissioned", "Gone.", ProviderError.UnknownModel)]
    [TestCase(400, "model_not_found", "Words.", ProviderError.UnknownModel)]
    [TestCase(403, "model_not_found", "Project p has no access to model m.", ProviderError.UnknownModel)]
    [TestCase(400, null, "The model `m` does not exist or you do not have access to it.", ProviderError.UnknownModel)]
    [TestCase(400, null, "m is not a valid model ID", ProviderError.UnknownModel)]
    [TestCase(400, null, "The tool does not exist.", ProviderError.Rejected)]
    [TestCase(400, "context_length_exceeded", "Words.", ProviderError.PromptTooLong)]
    [TestCase(400, null, "This model's maximum context length is 8192 tokens.", ProviderError.PromptTooLong)]
    [TestCase(400, null, "the request exceeds the available context size", ProviderError.PromptTooLong)]
    [TestCase(422, null, "Please reduce the length of the messages.", ProviderError.PromptTooLong)]
    [TestCase(400, null, "prompt is too long: 210000 tokens > 200000 maximum", ProviderError.PromptTooLong)]
    [TestCase(400, "tool_use_failed", "Tool choice is none, but model called a tool", ProviderError.InvalidResponse)]
    [TestCase(401, "model_not_found", "Words.", ProviderError.Unauthorized)]
    [TestCase(429, "context_length_exceeded", "Words.", ProviderError.RateLimited)]
    public async Task GetResponseAsync_WordsOfTheError_AreUnderstood(int status, string? code, string message, ProviderError expected)
    {
        Llm.Enqueue(LlmReplies.Body(status, JsonSerializer.Serialize(new { error = new { message, type = "t", code } }), "application/json"));

        var failure = await FailAsync();

        Assert.That(failure.Error, Is.EqualTo(expected), failure.Message);
    }

    [Test]
    public async Task GetResponseAsync_ModelCalledATool_DoesNotBlameTheSettings()
    {
        Llm.Enqueue(LlmReplies.Body(400, """{"error":{"message":"Model called a tool.","code":"tool_use_failed"}}""", "application/json"));

        var failure = await FailAsync();

        Assert.That(failure.Message, Does.EndWith(": Model called a tool."));
    }

    [Test]
    public async Task GetResponseAsync_UnknownModel_TellsWhatToCorrect()
    {
        Llm.Enqueue(LlmReplies.Status(404, "No such model."));

        var failure = await FailAsync();

        Assert.That(failure.Message, Does.EndWith("No such model. Correct the model's id in Models, or Providers:groq:BaseUrl."));
    }

    [Test]
    public async Task GetResponseAsync_DetailsOfUsage_AreRead()
    {
        Llm.Enqueue(LlmReplies.Json("""
            {"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":30,"completion_tokens":12,
            "prompt_tokens_details":{"audio_tokens":0,"cached_tokens":20},"completion_tokens_details":{"reasoning_tokens":8}}}
            """));

        var usage = (await Client().GetResponseAsync("Hello")).Usage!;

        Assert.That((usage.InputTokenCount, usage.OutputTokenCount, usage.CachedInputTokenCount, usage.ReasoningTokenCount), Is.EqualTo((30, 12, 20, 8)));
    }

    [TestCase("null", "null")]
    [TestCase("[]", "\"many\"")]
    [TestCase("""{"cached_tokens":null}""", """{"reasoning_tokens":-1}""")]
    public async Task GetResponseAsync_UnusualDetailsOfUsage_AreLeftOut(string prompt, string completion)
    {
        Llm.Enqueue(LlmReplies.Json(
            $$$"""{"choices":[{"message":{"content":"hi"}}],"usage":{"prompt_tokens":3,"completion_tokens":2,"prompt_tokens_details":{{{prompt}}},"completion_tokens_details":{{{completion}}}}}"""));

        var usage = (await Client().GetResponseAsync("Hello")).Usage!;

        Assert.That((usage.InputTokenCount, usage.OutputTokenCount, usage.CachedInputTokenCount, usage.ReasoningTokenCount),
            Is.EqualTo((3, 2, (long?)null, (long?)null)));
    }

    [Test]
    public void GetResponseAsync_ServerRepeatsASecretHeader_IsHidden()
    {
        var settings = Settings();
        settings.Headers["X-Gateway-Secret"] = "s3cret-of-the-gateway";
        Llm.Enqueue(LlmReplies.Status(403, "Wrong secret s3cret-of-the-gateway."));

        var failure = Assert.ThrowsAsync<ProviderException>(() => Client(settings).GetResponseAsync("Hello"));

        Assert.That(failure.Message, Does.Contain("Wrong secret ***."));
    }

    [Test]
    public async Task GetResponseAsync_Unauthorized_NamesTheSettingAndNeverTheKey()
    {
        Llm.Enqueue(LlmReplies.Status(401, $"Incorrect API key provided: {Key}."));

        var failure = await FailAsync();

        Assert.That(failure.ToString(), Does.Contain("Incorrect API key provided: ***. Correct GROQ_API_KEY.").And.Not.Contain(Key));
    }

    [TestCase("7", 7)]
    [TestCase("1.5", 1.5)]
    [TestCase("99999999999999999999", 86_400)]
    [TestCase("Thu, 01 Jan 2026 00:00:00 GMT", 0)]
    [TestCase("soon", null)]
    [TestCase("-3", null)]
    public async Task GetResponseAsync_RetryAfter_IsRead(string header, double? seconds)
    {
        Llm.Enqueue(LlmReplies.Status(429, "Slow down.", ("Retry-After", header)));

        var failure = await FailAsync();

        Assert.That(failure.RetryAfter?.TotalSeconds, Is.EqualTo(seconds));
    }

    [Test]
    public async Task GetResponseAsync_RetryAfterDate_IsTheTimeUntilThen()
    {
        var date = DateTimeOffset.UtcNow.AddMinutes(10).ToString("r");
        Llm.Enqueue(LlmReplies.Status(503, "Slow down.", ("Retry-After", date)));

        var failure = await FailAsync();

        Assert.That(failure.RetryAfter, Is.EqualTo(TimeSpan.FromMinutes(10)).Within(TimeSpan.FromMinutes(1)));
    }

    [Test]
    public async Task GetResponseAsync_LongVendorMessage_IsCutToOneLine()
    {
        Llm.Enqueue(LlmReplies.Status(400, "line\none " + new string('x', 10_000)));

        var failure = await FailAsync();

        Assert.Multiple(() =>
        {
            Assert.That(failure.Message, Does.Contain("line one xxx").And.EndWith("x…"));
            Assert.That(failure.Message, Has.Length.LessThan(600));
        });
    }

    [TestCase("<html>Bad Gateway</html>", "<html>Bad Gateway</html>")]
    [TestCase("""{"error":"plain words"}""", "plain words")]
    [TestCase("""{"detail":"Not Found"}""", """{"detail":"Not Found"}""")]
    [TestCase("", "(no body)")]
    public async Task GetResponseAsync_FailureWithAnyBody_QuotesIt(string body, string expected)
    {
        Llm.Enqueue(LlmReplies.Body(502, body, "text/html"));

        var failure = await FailAsync();

        Assert.That(failure.Message, Is.EqualTo($"groq answered 502 for {Model}: {expected}"));
    }

    private static readonly (string Name, LlmReply Reply)[] Unreadable =
    [
        ("cut", LlmReplies.Cut()),
        ("hang-up", LlmReplies.HangUp()),
        ("garbage", LlmReplies.Garbage()),
        ("no choices", LlmReplies.NoChoices()),
        ("nothing", LlmReplies.Json("")),
        ("not an object", LlmReplies.Json("[]")),
        ("half an object", LlmReplies.Json("""{"choices":[{"message":{"content":"hi"}}""")),
        ("two objects", LlmReplies.Json("""{"choices":[{"message":{"content":"hi"}}]}{}""")),
        ("half a character", LlmReplies.Json("""{"choices":[{"message":{"content":"\ud83d"}}]}""")),
        ("an error with status 200", LlmReplies.Body(200, """{"error":{"message":"overloaded"}}""", "application/json")),
    ];

    [TestCaseSource(nameof(UnreadableNames))]
    public async Task GetResponseAsync_UnreadableAnswer_IsInvalid(string name)
    {
        Llm.Enqueue(Unreadable.Single(u => u.Name == name).Reply);

        var failure = await FailAsync();

        Assert.That(failure.Error, Is.EqualTo(ProviderError.InvalidResponse), failure.Message);
    }

    [Test]
    public void GetResponseAsync_NobodyListens_IsUnavailable()
    {
        var settings = Settings();
        settings.BaseUrl = "http://127.0.0.1:1/v1";

        var failure = Assert.ThrowsAsync<ProviderException>(() => Client(settings).GetResponseAsync("Hello"));

        Assert.That(failure.Error, Is.EqualTo(ProviderError.Unavailable));
    }

    [Test]
    public void GetResponseAsync_UnknownHost_IsUnavailable()
    {
        var settings = Settings();
        settings.BaseUrl = "http://no-such-host.invalid/v1";

        var failure = Assert.ThrowsAsync<ProviderException>(() => Client(settings).GetResponseAsync("Hello"));

        Assert.That(failure.Error, Is.EqualTo(ProviderError.Unavailable));
    }

    [Test]
    public void GetResponseAsync_TlsFails_IsUnavailable()
    {
        var settings = Settings();
        settings.BaseUrl = Llm.BaseUrl.Replace("http:", "https:", StringComparison.Ordinal);

        var failure = Assert.ThrowsAsync<ProviderException>(() => Client(settings).GetResponseAsync("Hello"));

        Assert.That(failure.Error, Is.EqualTo(ProviderError.Unavailable));
    }

    [Test]
    public void GetResponseAsync_SlowerThanTimeout_IsTimeoutAndHangsUp()
    {
        var settings = Settings();
        settings.Timeout = TimeSpan.FromMilliseconds(100);
        Llm.Enqueue(LlmReplies.Slow());

        var failure = Assert.ThrowsAsync<ProviderException>(() => Client(settings).GetResponseAsync("Hello"));

        Assert.That(failure.Error, Is.EqualTo(ProviderError.Timeout));
        Assert.That(failure.Message, Does.Contain("Providers:groq:Timeout"));
        Assert.DoesNotThrowAsync(() => Llm.WaitForAbortsAsync(1));
    }

    [Test]
    public void GetResponseAsync_BodyDripsLongerThanTimeout_IsTimeout()
    {
        var settings = Settings();
        settings.Timeout = TimeSpan.FromMilliseconds(200);
        Llm.Enqueue(async call =>
        {
            while (true)
            {
                await call.SendAsync(" ");
                await Task.Delay(20, call.Aborted);
            }
        });

        var failure = Assert.ThrowsAsync<ProviderException>(() => Client(settings).GetResponseAsync("Hello"));

        Assert.That(failure.Error, Is.EqualTo(ProviderError.Timeout));
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
    public void GetResponseAsync_AlreadyCancelled_SendsNothing()
    {
        var client = Client();

        Assert.That(() => client.GetResponseAsync("Hello", cancellationToken: new CancellationToken(canceled: true)),
            Throws.InstanceOf<OperationCanceledException>());
        Assert.That(Llm.Requests, Is.Empty);
    }

    [Test]
    public async Task GetResponseAsync_ManyAtOnce_RunAtOnce()
    {
        var client = Client();
        Llm.Handler = request => LlmReplies.Slow(LlmReplies.Answer(request.LastUserMessage));

        var answers = Enumerable.Range(0, 50).Select(i => client.GetResponseAsync($"{i}")).ToList();
        await Llm.WaitForRequestsAsync(50);
        Llm.Release();
        var responses = await Task.WhenAll(answers);

        Assert.Multiple(() =>
        {
            Assert.That(responses.Select(r => r.Text), Is.EqualTo(Enumerable.Range(0, 50).Select(i => $"{i}")));
            Assert.That(Llm.PeakRunning, Is.EqualTo(50));
        });
    }

    private static IEnumerable<string> UnreadableNames() => Unreadable.Select(u => u.Name);

    private static Task<string> ReadFileAsync(string name) =>
        File.ReadAllTextAsync(Path.Combine(TestContext.CurrentContext.TestDirectory, "TestData", "Providers", name));

    private async Task<ProviderException> FailAsync()
    {
        try
        {
            await Client().GetResponseAsync("Hello");
        }
        catch (ProviderException failure)
        {
            return failure;
        }

        throw new AssertionException("The call was expected to fail.");
    }
}
