using System.Net.Http.Json;
using System.Text;
using AiChat.Tests.Support;
using Microsoft.Extensions.DependencyInjection;

namespace AiChat.Tests.Api.Runs;

/// <summary>A request that comes again under its <c>Idempotency-Key</c> is stored and answered once.</summary>
public sealed class IdempotencyTests : ApiTestBase
{
    private readonly FakeTime time = new();

    [Test]
    public async Task Send_FiftyAtOnceUnderOneKey_AreOneMessage()
    {
        StartApp();

        var replies = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => SendAsync("a-key", new { user_id = "alice", message = "Hello" })));

        var list = await App.GetAsync("/chats?user_id=alice");
        var messages = await App.GetMessagesAsync(replies[0].Json.Text("chat_id")!);
        Assert.Multiple(() =>
        {
            Assert.That(replies.Select(r => r.Status), Is.All.EqualTo(200));
            Assert.That(replies.Select(r => r.Text).Distinct().Count(), Is.EqualTo(1));
            Assert.That(replies.Count(IsReplayed), Is.EqualTo(49));
            Assert.That(list.Json.Number("total"), Is.EqualTo(1));
            Assert.That(messages.Json.GetArrayLength(), Is.EqualTo(2));
            Assert.That(Llm.Requests, Has.Count.EqualTo(1));
        });
    }

    [Test]
    public async Task Send_ManyAtOnceWithAndWithoutStream_AreOneMessage()
    {
        StartApp();
        var chatId = await App.CreateChatAsync();
        Llm.Enqueue(LlmReplies.PausingStream("Once ", "upon ", "a time"));

        var plain = Enumerable.Range(0, 10).Select(_ => SendAsync("a-key", new { chat_id = chatId, user_id = "alice", message = "A story" })).ToList();
        var streamed = Enumerable.Range(0, 10).Select(_ => StreamAsync("a-key", chatId, "A story")).ToList();
        await Llm.WaitForRequestsAsync(1);
        var streams = await Task.WhenAll(streamed);
        Llm.Release();

        var events = await Task.WhenAll(streams.Select(s => s.ReadToEndAsync()));
        var replies = await Task.WhenAll(plain);
        Assert.Multiple(() =>
        {
            Assert.That(events.Select(e => StreamEvent.Join(e)), Is.All.EqualTo("Once upon a time"));
            Assert.That(events.Select(e => e[^1].Data.GetRawText()).Concat(replies.Select(r => r.Text)).Distinct().Count(), Is.EqualTo(1));
            Assert.That(replies.Count(IsReplayed) + streams.Count(s => s.Headers.Contains("Idempotency-Replayed")), Is.EqualTo(19));
            Assert.That(Llm.Requests, Has.Count.EqualTo(1));
        });
        await Task.WhenAll(streams.Select(s => s.DisposeAsync().AsTask()));
    }

    [Test]
    public async Task Send_AgainWhileItIsStreamed_IsShownAllOfItAndTheRest()
    {
        StartApp();
        var chatId = await App.CreateChatAsync();
        Llm.Enqueue(LlmReplies.PausingStream("Once ", "upon a time"));
        await using var first = await StreamAsync("a-key", chatId, "A story");
        var seen = await first.ReadTextAsync("Once ".Length);

        await using var again = await StreamAsync("a-key", chatId, "A story");

        var before = await again.ReadTextAsync("Once ".Length);
        Llm.Release();
        var after = await again.ReadToEndAsync();
        Assert.Multiple(() =>
        {
            Assert.That(again.Headers.GetValues("Idempotency-Replayed"), Is.EqualTo(new[] { "true" }));
            Assert.That(before[0].Data.GetRawText(), Is.EqualTo(seen[0].Data.GetRawText()));
            Assert.That(StreamEvent.Join([.. before, .. after]), Is.EqualTo("Once upon a time"));
        });
    }

    [Test]
    public async Task Send_AgainAfterItsEnd_IsTheSameAnswer()
    {
        StartApp();
        var first = await SendAsync("a-key", new { user_id = "alice", message = "Hello" });

        var again = await SendAsync("a-key", new { user_id = "alice", message = "Hello" });

        Assert.Multiple(() =>
        {
            Assert.That(IsReplayed(first), Is.False);
            Assert.That(IsReplayed(again), Is.True);
            Assert.That((again.Status, again.Text), Is.EqualTo((200, first.Text)));
        });
    }

    [Test]
    public async Task Send_AgainAsStreamAfterItsEnd_IsTheSameReply()
    {
        StartApp();
        var chatId = await App.CreateChatAsync();
        var first = await SendAsync("a-key", new { chat_id = chatId, user_id = "alice", message = "Hello" });

        await using var again = await StreamAsync("a-key", chatId, "Hello");

        var events = await again.ReadToEndAsync();
        Assert.That(events[^1].Data.GetRawText(), Is.EqualTo(first.Text));
    }

    [TestCase("""{"user_id":"alice","message":"Hello","stream":false}""")]
    [TestCase("""{"user_id":"alice","message":"Hello","on_busy":"queue","temperature":null}""")]
    [TestCase("""  {"message":"\u0048ello" , "user_id":"alice"}""")]
    public async Task Send_AgainInOtherWords_IsTheSameRequest(string body)
    {
        StartApp();
        var first = await SendAsync("a-key", new { user_id = "alice", message = "Hello" });

        var again = await SendJsonAsync("a-key", body);

        Assert.That((again.Status, again.Text), Is.EqualTo((200, first.Text)));
    }

    [TestCase("""{"user_id":"alice","message":"Hello!"}""")]
    [TestCase("""{"user_id":"alice","message":"Hello","temperature":0}""")]
    [TestCase("""{"user_id":"alice","message":"Hello","max_tokens":5}""")]
    [TestCase("""{"user_id":"alice","message":"Hello","model":"smart"}""")]
    [TestCase("""{"user_id":"alice","message":"Hello","on_busy":"reject"}""")]
    [TestCase("""{"user_id":"alice","message":"Hello","chat_id":"0199c0de-0000-7000-8000-000000000000"}""")]
    public async Task Send_AnotherBodyUnderTheKey_IsRefused(string body)
    {
        StartApp();
        await SendAsync("a-key", new { user_id = "alice", message = "Hello" });

        var refused = await SendJsonAsync("a-key", body);

        Assert.Multiple(() =>
        {
            Assert.That((refused.Status, refused.Code), Is.EqualTo((422, "idempotency_key_reused")));
            Assert.That(refused.ErrorFields, Is.EqualTo(new[] { "Idempotency-Key" }));
            Assert.That(Llm.Requests, Has.Count.EqualTo(1));
        });
    }

    [Test]
    public async Task Send_KeyOfACreatedChat_IsRefused()
    {
        StartApp();
        await CreateAsync("a-key", new { user_id = "alice" });

        var refused = await SendAsync("a-key", new { user_id = "alice", message = "Hello" });

        Assert.That((refused.Status, refused.Code), Is.EqualTo((422, "idempotency_key_reused")));
    }

    [Test]
    public async Task Send_SameKeyOfAnotherUser_IsAnotherKey()
    {
        StartApp();
        var alices = await SendAsync("a-key", new { user_id = "alice", message = "Hello" });

        var bobs = await SendAsync("a-key", new { user_id = "bob", message = "Hello" });

        Assert.Multiple(() =>
        {
            Assert.That(bobs.Status, Is.EqualTo(200));
            Assert.That(IsReplayed(bobs), Is.False);
            Assert.That(bobs.Json.Text("run_id"), Is.Not.EqualTo(alices.Json.Text("run_id")));
        });
    }

    [TestCase("a-key", "\"a-key\"")]
    [TestCase("\"a-key\"", "a-key")]
    [TestCase("a\\b", "\"a\\\\b\"")]
    public async Task Send_BareAndQuotedKey_AreTheSame(string one, string other)
    {
        StartApp();
        await SendAsync(one, new { user_id = "alice", message = "Hello" });

        var again = await SendAsync(other, new { user_id = "alice", message = "Hello" });

        Assert.That((again.Status, IsReplayed(again)), Is.EqualTo((200, true)));
    }

    [TestCase("x", "X")]
    [TestCase("a-key", "\"a\\\"key\"")]
    public async Task Send_KeysThatDiffer_AreDifferent(string one, string other)
    {
        StartApp();
        await SendAsync(one, new { user_id = "alice", message = "Hello" });

        var second = await SendAsync(other, new { user_id = "alice", message = "Hello" });

        Assert.That((second.Status, IsReplayed(second)), Is.EqualTo((200, false)));
    }

    private static IEnumerable<TestCaseData> MalformedKeys()
    {
        yield return new TestCaseData("").SetArgDisplayNames("empty");
        yield return new TestCaseData("\"\"").SetArgDisplayNames("empty in quotes");
        yield return new TestCaseData(new string('k', 256)).SetArgDisplayNames("too long");
        yield return new TestCaseData("\"" + new string('k', 256) + "\"").SetArgDisplayNames("too long in quotes");
        yield return new TestCaseData("\"a-key").SetArgDisplayNames("not closed");
        yield return new TestCaseData("a-key\"").SetArgDisplayNames("not opened");
        yield return new TestCaseData("\"").SetArgDisplayNames("one quote");
        yield return new TestCaseData("\"a\"b\"").SetArgDisplayNames("quote inside");
        yield return new TestCaseData("\"a\\\"").SetArgDisplayNames("escape at the end");
        yield return new TestCaseData("\"a\\b\"").SetArgDisplayNames("escape of nothing");
        yield return new TestCaseData("schlüssel").SetArgDisplayNames("not ASCII");
        yield return new TestCaseData("a\tkey").SetArgDisplayNames("tab");
    }

    [TestCaseSource(nameof(MalformedKeys))]
    public async Task Send_MalformedKey_IsABadRequest(string key)
    {
        StartApp();

        var refused = await SendRawAsync($"Idempotency-Key: {key}\r\n");

        Assert.Multiple(() =>
        {
            Assert.That(refused, Does.StartWith("HTTP/1.1 400 ").And.Contain("\"code\":\"invalid_idempotency_key\""));
            Assert.That(Llm.Requests, Is.Empty);
        });
    }

    [Test]
    public async Task Send_TwoKeys_AreABadRequest()
    {
        StartApp();

        var refused = await SendRawAsync("Idempotency-Key: one\r\nIdempotency-Key: two\r\n");

        Assert.That(refused, Does.StartWith("HTTP/1.1 400 ").And.Contain("\"code\":\"invalid_idempotency_key\""));
    }

    [Test]
    public async Task Send_LongestKey_IsTaken()
    {
        StartApp();
        var key = new string('k', 255);
        await SendAsync(key, new { user_id = "alice", message = "Hello" });

        var again = await SendAsync($"\"{key}\"", new { user_id = "alice", message = "Hello" });

        Assert.That((again.Status, IsReplayed(again)), Is.EqualTo((200, true)));
    }

    [TestCase("""{"user_id":"alice","message":""}""", 422)]
    [TestCase("""{"user_id":"alice","message":"Hello","model":"genius"}""", 422)]
    [TestCase("""{"user_id":"alice","message":"Hello","chat_id":"0199c0de-0000-7000-8000-000000000000"}""", 404)]
    public async Task Send_RefusedRequest_LeavesItsKeyFree(string body, int status)
    {
        StartApp();
        var refused = await SendJsonAsync("a-key", body);

        var sent = await SendAsync("a-key", new { user_id = "alice", message = "Hello" });

        Assert.That((refused.Status, sent.Status, IsReplayed(sent)), Is.EqualTo((status, 200, false)));
    }

    [Test]
    public async Task Send_MessageTooLong_LeavesItsKeyFree()
    {
        StartApp();
        var refused = await SendAsync("a-key", new { user_id = "alice", message = new string('x', 400_000) });

        var sent = await SendAsync("a-key", new { user_id = "alice", message = "Hello" });

        Assert.That((refused.Status, sent.Status, IsReplayed(sent)), Is.EqualTo((422, 200, false)));
    }

    [Test]
    public async Task Send_RefusedByABusyChat_LeavesItsKeyFree()
    {
        StartApp();
        var chatId = await App.CreateChatAsync();
        Llm.Enqueue(LlmReplies.Slow());
        await using var running = await App.StreamAsync(chatId, "First");
        await Llm.WaitForRequestsAsync(1);
        var refused = await SendAsync("a-key", new { chat_id = chatId, user_id = "alice", message = "Second", on_busy = "reject" });
        Llm.Release();
        await running.ReadToEndAsync();

        var sent = await SendAsync("a-key", new { chat_id = chatId, user_id = "alice", message = "Second", on_busy = "reject" });

        Assert.That((refused.Status, sent.Status, IsReplayed(sent)), Is.EqualTo((409, 200, false)));
    }

    [Test]
    public async Task Send_FailedBefore_GetsTheSameErrorAndAsksNobody()
    {
        StartApp();
        App.Log.Expect("Unavailable");
        Llm.Enqueue(LlmReplies.Status(500));
        var failed = await SendAsync("a-key", new { user_id = "alice", message = "Hello" });

        var again = await SendAsync("a-key", new { user_id = "alice", message = "Hello" });

        Assert.Multiple(() =>
        {
            Assert.That(again.Status, Is.EqualTo(502));
            Assert.That(again.Text.Replace(again.RequestId, failed.RequestId, StringComparison.Ordinal), Is.EqualTo(failed.Text));
            Assert.That(Llm.Requests, Has.Count.EqualTo(1));
        });
    }

    [Test]
    public async Task Send_FailedBefore_IsMarkedAsReplayed()
    {
        StartApp();
        App.Log.Expect("Unavailable");
        Llm.Enqueue(LlmReplies.Status(500));
        var failed = await SendAsync("a-key", new { user_id = "alice", message = "Hello" });

        var again = await SendAsync("a-key", new { user_id = "alice", message = "Hello" });

        Assert.That((IsReplayed(failed), IsReplayed(again)), Is.EqualTo((false, true)));
    }

    [Test]
    public async Task Send_FailedBeforeAndRetriedSince_GetsTheNewReply()
    {
        StartApp();
        App.Log.Expect("Unavailable");
        Llm.Enqueue(LlmReplies.Status(500));
        var failed = await SendAsync("a-key", new { user_id = "alice", message = "Hello" });
        var retried = await App.RetryAsync(failed.Json.Text("run_id")!);

        var again = await SendAsync("a-key", new { user_id = "alice", message = "Hello" });

        Assert.That((again.Status, again.Text), Is.EqualTo((200, retried.Text)));
    }

    [Test]
    public async Task Send_AgainWhenTheQueueIsFull_WaitsForItsReply()
    {
        StartApp(("Runs:QueueLimit", "0"));
        var chatId = await App.CreateChatAsync();
        Llm.Enqueue(LlmReplies.Slow());
        var first = SendAsync("a-key", new { chat_id = chatId, user_id = "alice", message = "Hello" });
        await Llm.WaitForRequestsAsync(1);

        await using var again = await StreamAsync("a-key", chatId, "Hello");

        Llm.Release();
        var events = await again.ReadToEndAsync();
        Assert.That(events[^1].Data.GetRawText(), Is.EqualTo((await first).Text));
    }

    [Test]
    public async Task Send_ChatDeletedSince_IsNotFound()
    {
        StartApp();
        var first = await SendAsync("a-key", new { user_id = "alice", message = "Hello" });
        await App.DeleteAsync($"/chats/{first.Json.Text("chat_id")}?user_id=alice");

        var again = await SendAsync("a-key", new { user_id = "alice", message = "Hello" });

        Assert.That((again.Status, again.Code), Is.EqualTo((404, "chat_not_found")));
    }

    [Test]
    public async Task Send_KeyOlderThanTheRetention_IsFreeAgain()
    {
        StartApp(services => services.AddSingleton<TimeProvider>(time), ("Runs:IdempotencyRetention", "01:00:00"));
        var first = await SendAsync("a-key", new { user_id = "alice", message = "Hello" });
        time.Advance(TimeSpan.FromMinutes(59));
        var known = await SendAsync("a-key", new { user_id = "alice", message = "Hello" });
        time.Advance(TimeSpan.FromMinutes(2));

        var sent = await SendAsync("a-key", new { user_id = "alice", message = "Something else" });

        Assert.Multiple(() =>
        {
            Assert.That(known.Text, Is.EqualTo(first.Text));
            Assert.That((sent.Status, IsReplayed(sent)), Is.EqualTo((200, false)));
        });
    }

    [Test]
    public async Task Create_AgainUnderItsKey_IsTheSameAnswerEvenAfterARename()
    {
        StartApp();
        var first = await CreateAsync("a-key", new { user_id = "alice", title = "Old", metadata = new { a = 1 } });
        await App.PatchAsync($"/chats/{first.Json.Text("id")}?user_id=alice", new { title = "New" });

        var again = await CreateAsync("a-key", new { user_id = "alice", title = "Old", metadata = new { a = 1 } });

        var list = await App.GetAsync("/chats?user_id=alice");
        Assert.Multiple(() =>
        {
            Assert.That((again.Status, again.Text), Is.EqualTo((201, first.Text)));
            Assert.That(again.GetHeader("Location"), Is.EqualTo(first.GetHeader("Location")));
            Assert.That((IsReplayed(first), IsReplayed(again)), Is.EqualTo((false, true)));
            Assert.That(list.Json.Number("total"), Is.EqualTo(1));
        });
    }

    [Test]
    public async Task Create_FiftyAtOnceUnderOneKey_AreOneChat()
    {
        StartApp();

        var replies = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => CreateAsync("a-key", new { user_id = "alice", title = "One" })));

        var list = await App.GetAsync("/chats?user_id=alice");
        Assert.Multiple(() =>
        {
            Assert.That(replies.Select(r => (r.Status, r.Text)).Distinct(), Is.EqualTo(new[] { (201, replies[0].Text) }));
            Assert.That(replies.Count(IsReplayed), Is.EqualTo(49));
            Assert.That(list.Json.Number("total"), Is.EqualTo(1));
        });
    }

    [Test]
    public async Task Create_AnotherBodyUnderTheKey_IsRefused()
    {
        StartApp();
        await CreateAsync("a-key", new { user_id = "alice", title = "One" });

        var refused = await CreateAsync("a-key", new { user_id = "alice", title = "Two" });

        Assert.That((refused.Status, refused.Code), Is.EqualTo((422, "idempotency_key_reused")));
    }

    [Test]
    public async Task Retry_ManyAtOnceUnderOneKey_AreOneAttempt()
    {
        StartApp();
        var runId = await FailAsync();

        var replies = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => RetryAsync("a-key", runId)));

        Assert.Multiple(() =>
        {
            Assert.That(replies.Select(r => (r.Status, r.Text)).Distinct(), Is.EqualTo(new[] { (200, replies[0].Text) }));
            Assert.That(replies.Count(IsReplayed), Is.EqualTo(19));
            Assert.That(Llm.Requests, Has.Count.EqualTo(2));
        });
    }

    [Test]
    public async Task Retry_AgainUnderItsKey_IsTheSameAnswerAndNoOtherAttempt()
    {
        StartApp();
        var runId = await FailAsync();
        var first = await RetryAsync("a-key", runId);

        var again = await RetryAsync("a-key", runId);

        var run = await App.GetRunAsync(runId);
        Assert.Multiple(() =>
        {
            Assert.That((again.Status, again.Text, IsReplayed(again)), Is.EqualTo((200, first.Text, true)));
            Assert.That(run.Json.GetProperty("attempts").GetArrayLength(), Is.EqualTo(2));
        });
    }

    [Test]
    public async Task Retry_FailedUnderItsKey_GetsTheSameErrorAndNoOtherAttempt()
    {
        StartApp();
        var runId = await FailAsync();
        Llm.Enqueue(LlmReplies.Status(500));
        await RetryAsync("a-key", runId);

        var again = await RetryAsync("a-key", runId);

        Assert.That((again.Status, again.Code, IsReplayed(again)), Is.EqualTo((502, "provider_unavailable", true)));
        Assert.That(Llm.Requests, Has.Count.EqualTo(2));
    }

    [Test]
    public async Task Retry_KeyOfTheMessage_IsRefused()
    {
        StartApp();
        App.Log.Expect("Unavailable");
        Llm.Enqueue(LlmReplies.Status(500));
        var failed = await SendAsync("a-key", new { user_id = "alice", message = "Hello" });

        var refused = await RetryAsync("a-key", failed.Json.Text("run_id")!);

        Assert.That((refused.Status, refused.Code), Is.EqualTo((422, "idempotency_key_reused")));
    }

    [Test]
    public async Task Retry_OfACompletedRun_LeavesItsKeyFree()
    {
        StartApp();
        var sent = await App.PostAsync("/chat", new { user_id = "alice", message = "Hello" });
        var refused = await RetryAsync("a-key", sent.Json.Text("run_id")!);

        var other = await SendAsync("a-key", new { user_id = "alice", message = "Hello" });

        Assert.That((refused.Status, other.Status, IsReplayed(other)), Is.EqualTo((409, 200, false)));
    }

    private static bool IsReplayed(ApiReply reply) => reply.GetHeader("Idempotency-Replayed") == "true";

    private Task<ApiReply> SendAsync(string key, object body) =>
        App.RequestAsync(HttpMethod.Post, "/chat", JsonContent.Create(body), ("Idempotency-Key", key));

    private Task<ApiReply> SendJsonAsync(string key, string json) =>
        App.RequestAsync(HttpMethod.Post, "/chat", new StringContent(json, Encoding.UTF8, "application/json"), ("Idempotency-Key", key));

    private Task<EventStream> StreamAsync(string key, string chatId, string message) => EventStream.PostAsync(
        App.Client, "/chat", new { chat_id = chatId, user_id = "alice", message, stream = true }, ("Idempotency-Key", key));

    private Task<ApiReply> CreateAsync(string key, object body) =>
        App.RequestAsync(HttpMethod.Post, "/chats", JsonContent.Create(body), ("Idempotency-Key", key));

    private Task<ApiReply> RetryAsync(string key, string runId) =>
        App.RequestAsync(HttpMethod.Post, $"/runs/{runId}/retry?user_id=alice", null, ("Idempotency-Key", key));

    private async Task<string> FailAsync()
    {
        App.Log.Expect("Unavailable");
        Llm.Enqueue(LlmReplies.Status(500));
        var failed = await App.PostAsync("/chat", new { user_id = "alice", message = "Hello" });
        return failed.Json.Text("run_id")!;
    }

    /// <summary>Sends with exactly these header lines, which a client library would refuse or tidy up, and returns the whole answer.</summary>
    private async Task<string> SendRawAsync(string headers)
    {
        const string body = """{"message":"Hello"}""";
        using var client = new System.Net.Sockets.TcpClient();
        await client.ConnectAsync(App.Client.BaseAddress!.Host, App.Client.BaseAddress.Port);
        await using var stream = client.GetStream();
        var request = $"POST /chat HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n{headers}\r\n{body}";
        await stream.WriteAsync(Encoding.UTF8.GetBytes(request));
        using var reader = new StreamReader(stream);
        return await reader.ReadToEndAsync();
    }
}
