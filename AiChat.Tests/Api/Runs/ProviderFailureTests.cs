using System.Globalization;
using AiChat.Core.Memory;
using AiChat.Tests.Support;

namespace AiChat.Tests.Api.Runs;

/// <summary>A model that fails: an honest answer, the message kept, and a chat that goes on.</summary>
public sealed class ProviderFailureTests : ApiTestBase
{
    private const string VendorText = "Words of the vendor about org-4711 and " + AiChatApplication.GroqKey;

    private static IEnumerable<TestCaseData> Failures()
    {
        yield return Case("429", LlmReplies.Status(429, VendorText), 503, "provider_rate_limited", "RateLimited");
        yield return Case("408", LlmReplies.Status(408, VendorText), 504, "provider_timeout", "Timeout");
        yield return Case("500", LlmReplies.Status(500, VendorText), 502, "provider_unavailable", "Unavailable");
        yield return Case("503", LlmReplies.Status(503, VendorText), 502, "provider_unavailable", "Unavailable");
        yield return Case("400", LlmReplies.Status(400, VendorText), 422, "provider_rejected", "Rejected");
        yield return Case("413", LlmReplies.Body(413, $"<html>{VendorText}</html>", "text/html"), 422, "provider_prompt_too_long", "PromptTooLong");
        yield return Case("Cut", LlmReplies.Cut(), 502, "provider_invalid_response", "broke off");
        yield return Case("HangUp", LlmReplies.HangUp(), 502, "provider_invalid_response", "broke off");
        yield return Case("Empty", LlmReplies.Empty(), 502, "provider_invalid_response", "no text");
        yield return Case("NullContent", LlmReplies.NullContent(), 502, "provider_invalid_response", "no text");
        yield return Case("ToolCalls", LlmReplies.ToolCalls(), 502, "provider_invalid_response", "no text");
        yield return Case("UndeclaredTool", LlmReplies.Body(400, $$$"""{"error":{"message":"{{{VendorText}}}","code":"tool_use_failed"}}""", "application/json"),
            502, "provider_invalid_response", "InvalidResponse");
        yield return Case("NoChoices", LlmReplies.NoChoices(), 502, "provider_invalid_response", "cannot be used");
        yield return Case("Garbage", LlmReplies.Garbage(), 502, "provider_invalid_response", "cannot be read");
        yield return Case("ReportedError", LlmReplies.Json($$$"""{"error":{"message":"{{{VendorText}}}"}}"""), 502, "provider_invalid_response", "reported an error");
    }

    [TestCaseSource(nameof(Failures))]
    public async Task Send_ProviderFails_IsAProblemAndTheChatGoesOn(LlmReply failure, int status, string code, string logged)
    {
        StartApp();
        App.Log.Expect(logged);
        Llm.Enqueue(LlmReplies.Answer("One"), failure);
        var chatId = await App.CreateChatAsync();
        await App.SendAsync(chatId, "First");

        var failed = await App.SendAsync(chatId, "Second");

        var messages = await App.GetMessagesAsync(chatId);
        var next = await App.SendAsync(chatId, "Third");
        Assert.Multiple(() =>
        {
            AssertProblem(failed, status, code);
            Assert.That(failed.Json.Text("chat_id"), Is.EqualTo(chatId));
            Assert.That(failed.Json.Text("user_message_id"), Is.EqualTo(messages.Json[2].Text("id")));
            Assert.That(messages.Json.Texts("content"), Is.EqualTo(new[] { "First", "One", "Second", "" }));
            Assert.That(messages.Json.Texts("status"), Is.EqualTo(new[] { "completed", "completed", "completed", "failed" }));
            Assert.That(messages.Json[3].IsNull("model"), Is.True);
            Assert.That(next.Status, Is.EqualTo(200));
            Assert.That(Llm.Requests[^1].Messages, Is.EqualTo(new LlmMessage[]
            {
                new("user", "First"), new("assistant", "One"), new("user", "Second"), new("assistant", ContextBuilder.MissingReply), new("user", "Third"),
            }));
            AssertKeyIsNotLogged();
        });
    }

    [Test]
    public async Task Send_TheVeryFirstFails_KeepsTheNewChat()
    {
        StartApp();
        App.Log.Expect("Unavailable");
        Llm.Enqueue(LlmReplies.Status(500));

        var failed = await App.PostAsync("/chat", new { user_id = "alice", message = "Hello" });

        var chatId = failed.Json.Text("chat_id")!;
        var list = await App.GetAsync("/chats?user_id=alice");
        var next = await App.SendAsync(chatId, "Again");
        Assert.Multiple(() =>
        {
            Assert.That(list.Json.GetProperty("chats").Texts("id"), Is.EqualTo(new[] { chatId }));
            Assert.That(list.Json.GetProperty("chats")[0].Number("message_count"), Is.EqualTo(2));
            Assert.That(next.Json.Text("reply"), Is.EqualTo("echo: Again"));
        });
    }

    [Test]
    public async Task Send_SeveralFailInARow_TheNextPromptStillAlternates()
    {
        StartApp();
        App.Log.Expect("Unavailable");
        Llm.Enqueue(LlmReplies.Status(500), LlmReplies.Status(500), LlmReplies.Status(500));
        var chatId = await App.CreateChatAsync(systemPrompt: "Be brief.");
        await App.SendAsync(chatId, "First");
        await App.SendAsync(chatId, "Second");
        await App.SendAsync(chatId, "Third");

        await App.SendAsync(chatId, "Fourth");

        Assert.That(Llm.Requests[^1].Messages.Select(m => m.Role),
            Is.EqualTo(new[] { "system", "user", "assistant", "user", "assistant", "user", "assistant", "user" }));
    }

    [TestCase(401, 503, "provider_unauthorized", "Correct GROQ_API_KEY")]
    [TestCase(403, 503, "provider_unauthorized", "Correct GROQ_API_KEY")]
    [TestCase(404, 502, "provider_unknown_model", "UnknownModel")]
    public async Task Send_KeyOrModelIsRefused_IsAProblemAndTheProviderIsLeftAlone(int refusal, int status, string code, string logged)
    {
        StartApp();
        App.Log.Expect(logged);
        App.Log.Expect("left alone because it has failed before");
        Llm.Enqueue(LlmReplies.Status(refusal, VendorText));
        var chatId = await App.CreateChatAsync();

        var refused = await App.SendAsync(chatId, "First");
        var next = await App.SendAsync(chatId, "Second");

        Assert.Multiple(() =>
        {
            AssertProblem(refused, status, code);
            AssertProblem(next, status, code);
            Assert.That(int.Parse(next.GetHeader("Retry-After")!, CultureInfo.InvariantCulture), Is.InRange(1, 60));
            Assert.That(Llm.Requests, Has.Count.EqualTo(1));
            AssertKeyIsNotLogged();
        });
    }

    [TestCase("7", "7")]
    [TestCase("0.2", "1")]
    [TestCase("120", "120")]
    [TestCase("soon", "10")]
    public async Task Send_ProvidersLimitReached_PassesOnWhenToComeBack(string given, string expected)
    {
        StartApp();
        App.Log.Expect("RateLimited");
        Llm.Enqueue(LlmReplies.Status(429, VendorText, ("Retry-After", given)));

        var failed = await App.PostAsync("/chat", new { message = "Hello" });

        Assert.That(failed.GetHeader("Retry-After"), Is.EqualTo(expected));
    }

    [Test]
    public async Task Send_ProvidersLimitReachedWithoutATime_NamesOne()
    {
        StartApp();
        App.Log.Expect("RateLimited");
        Llm.Enqueue(LlmReplies.Status(429));

        var failed = await App.PostAsync("/chat", new { message = "Hello" });

        Assert.That(failed.GetHeader("Retry-After"), Is.EqualTo("10"));
    }

    [Test]
    public async Task Send_ProviderIsSilent_TimesOutAndHangsUp()
    {
        StartApp(("Providers:groq:Timeout", "00:00:00.3"));
        App.Log.Expect("Providers:groq:Timeout");
        Llm.Enqueue(LlmReplies.Slow());
        var chatId = await App.CreateChatAsync();

        var failed = await App.SendAsync(chatId, "Hello");

        await Llm.WaitForAbortsAsync(1);
        var next = await App.SendAsync(chatId, "Again");
        Assert.Multiple(() =>
        {
            AssertProblem(failed, 504, "provider_timeout");
            Assert.That(next.Status, Is.EqualTo(200));
        });
    }

    [Test]
    public async Task Send_NobodyListensAtTheProvider_IsUnavailable()
    {
        StartApp(("Providers:groq:BaseUrl", $"http://127.0.0.1:{FreePort.Find()}/v1"));
        App.Log.Expect("cannot be reached");
        var chatId = await App.CreateChatAsync();

        var failed = await App.SendAsync(chatId, "Hello");

        var messages = await App.GetMessagesAsync(chatId);
        Assert.Multiple(() =>
        {
            AssertProblem(failed, 502, "provider_unavailable");
            Assert.That(messages.Json.Texts("content"), Is.EqualTo(new[] { "Hello", "" }));
        });
    }

    [Test]
    public async Task Send_OfflineBackendToldToFail_FailsLikeAnyOther()
    {
        StartOfflineApp();
        App.Log.Expect("told to fail with 429");

        var failed = await App.PostAsync("/chat", new { message = "#fail 429" });

        AssertProblem(failed, 503, "provider_rate_limited");
    }

    [Test]
    public async Task Send_FailedRunInFront_DoesNotHoldUpTheNextOne()
    {
        StartApp();
        App.Log.Expect("Unavailable");
        Llm.Enqueue(LlmReplies.Slow(LlmReplies.Status(500)));
        var chatId = await App.CreateChatAsync();
        var first = App.SendAsync(chatId, "First");
        await Llm.WaitForRequestsAsync(1);
        var second = App.SendAsync(chatId, "Second");
        await App.WaitForMessagesAsync(chatId, 4);
        Llm.Release();

        var replies = await Task.WhenAll(first, second);

        Assert.Multiple(() =>
        {
            Assert.That(replies.Select(r => r.Status), Is.EqualTo(new[] { 502, 200 }));
            Assert.That(Llm.Requests[^1].Messages, Is.EqualTo(new LlmMessage[]
            {
                new("user", "First"), new("assistant", ContextBuilder.MissingReply), new("user", "Second"),
            }));
        });
    }

    private static TestCaseData Case(string name, LlmReply failure, int status, string code, string logged) =>
        new TestCaseData(failure, status, code, logged).SetArgDisplayNames(name);

    /// <summary>All a client may see, and nothing of the vendor.</summary>
    private static void AssertProblem(ApiReply reply, int status, string code)
    {
        Assert.That(reply.Status, Is.EqualTo(status));
        Assert.That(reply.ContentType, Is.EqualTo("application/problem+json"));
        Assert.That(reply.Json.EnumerateObject().Select(p => p.Name),
            Is.EqualTo(new[] { "type", "title", "status", "detail", "code", "chat_id", "user_message_id", "run_id", "trace_id" }));
        Assert.That(reply.Json.Text("type"), Is.EqualTo("urn:aichat:problem:" + code));
        Assert.That(reply.Json.Number("status"), Is.EqualTo(status));
        Assert.That(reply.Code, Is.EqualTo(code));
        Assert.That(reply.Json.Text("trace_id"), Is.EqualTo(reply.RequestId));
        Assert.That(reply.Masked, Does.Contain("\"run_id\":\"<uuid>\""));
        Assert.That(reply.Text, Does.Not.Contain("vendor").And.Not.Contain("4711").And.Not.Contain(AiChatApplication.GroqKey).And.Not.Contain("127.0.0.1"));
    }

    private void AssertKeyIsNotLogged() =>
        Assert.That(App.Log.Entries.Select(e => e.Message + e.Exception), Has.None.Contains(AiChatApplication.GroqKey));
}
