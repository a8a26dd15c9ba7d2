using System.Net.Http.Json;
using System.Text;
using AiChat.Tests.Support;

namespace AiChat.Tests.Api.Runs;

/// <summary>A reply as events, while it is written.</summary>
public sealed class StreamTests : ApiTestBase
{
    private readonly SemaphoreSlim steps = new(0);
    private string chatId = "";

    [SetUp]
    public async Task Start()
    {
        StartApp();
        chatId = await App.CreateChatAsync();
        while (steps.Wait(0))
        {
            // What a test before has left over.
        }
    }

    [OneTimeTearDown]
    public void DisposeSteps() => steps.Dispose();

    [Test]
    public async Task Stream_WholeReply_IsFramedAsDocumented()
    {
        Llm.Enqueue(LlmReplies.SteppedStream(steps, "Hello, ", "\"world\"\n"));
        using var request = new HttpRequestMessage(HttpMethod.Post, "/chat")
        {
            Content = JsonContent.Create(new { chat_id = chatId, user_id = "alice", message = "Hi", stream = true }),
        };
        using var response = await App.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        await using var body = await response.Content.ReadAsStreamAsync();
        steps.Release();
        var text = await ReadToAsync(body, "", "\"offset\":0}\n\n");
        steps.Release();
        text = await ReadToAsync(body, text, "\"offset\":7}\n\n");
        steps.Release();

        text = await ReadToAsync(body, text, end: null);

        var runId = text[4..40];
        var reply = new ApiReply(200, response.Headers, response.Content.Headers, text);
        Assert.That(reply.Masked.Replace(runId, "<run>", StringComparison.Ordinal), Is.EqualTo(
            "id: <run>:1\n"
            + "event: run.started\n"
            + """data: {"run_id":"<uuid>","chat_id":"<uuid>","user_message_id":"<uuid>","message_id":"<uuid>","model":"openai/gpt-oss-20b","provider":"groq","attempt":1}""" + "\n"
            + "\n"
            + "id: <run>:8\n"
            + "event: message.delta\n"
            + """data: {"text":"Hello, ","offset":0}""" + "\n"
            + "\n"
            + "id: <run>:16\n"
            + "event: message.delta\n"
            + """data: {"text":"\"world\"\n","offset":7}""" + "\n"
            + "\n"
            + "id: <run>:17\n"
            + "event: run.completed\n"
            + """data: {"reply":"Hello, \"world\"\n","chat_id":"<uuid>","message_id":"<uuid>","user_message_id":"<uuid>","run_id":"<uuid>","model":"openai/gpt-oss-20b","provider":"groq","usage":{"input_tokens":11,"output_tokens":7,"estimated":false},"finish_reason":"stop","created_at":"<instant>"}""" + "\n"
            + "\n"));
    }

    [Test]
    public async Task Stream_Headers_KeepEverybodyOnTheWayFromBuffering()
    {
        var reply = await App.PostAsync("/chat", new { chat_id = chatId, user_id = "alice", message = "Hi", stream = true });

        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(200));
            Assert.That(reply.ContentHeaders.GetValues("Content-Type"), Is.EqualTo(new[] { "text/event-stream" }));
            Assert.That(reply.ContentHeaders.Contains("Content-Length"), Is.False);
            Assert.That(reply.Headers.NonValidated["Cache-Control"].ToString(), Is.EqualTo("no-cache, no-transform"));
            Assert.That(reply.GetHeader("X-Accel-Buffering"), Is.EqualTo("no"));
            Assert.That(reply.RequestId, Is.Not.Empty);
        });
    }

    [TestCase("true", null)]
    [TestCase("\"true\"", null)]
    [TestCase("true", "application/json")]
    [TestCase(null, "text/event-stream")]
    [TestCase("null", "application/json, text/event-stream")]
    public async Task Stream_AskedFor_IsAnsweredAsStream(string? stream, string? accept)
    {
        var reply = await SendAsync(stream, accept);

        Assert.That((reply.Status, reply.ContentType), Is.EqualTo((200, "text/event-stream")));
    }

    [TestCase(null, "application/json, text/event-stream;q=0")]
    [TestCase(null, "application/json, text/event-stream;q=0.5")]
    [TestCase("false", "text/event-stream")]
    [TestCase("\"false\"", "text/event-stream")]
    [TestCase("false", null)]
    [TestCase(null, "*/*")]
    public async Task Stream_NotAskedFor_IsAnsweredAsJson(string? stream, string? accept)
    {
        var reply = await SendAsync(stream, accept);

        Assert.Multiple(() =>
        {
            Assert.That((reply.Status, reply.ContentType), Is.EqualTo((200, "application/json")));
            Assert.That(reply.Json.Text("reply"), Is.EqualTo("echo: Hi"));
        });
    }

    [Test]
    public async Task Stream_LastEvent_SaysWhatAnAnswerWithoutStreamSays()
    {
        await using var stream = await App.StreamAsync(chatId, "Hi");

        var events = await stream.ReadToEndAsync();

        var messages = await App.GetMessagesAsync(chatId);
        var plain = await App.SendAsync(chatId, "Hi");
        Assert.Multiple(() =>
        {
            Assert.That(events[^1].Data.EnumerateObject().Select(p => p.Name), Is.EqualTo(plain.Json.EnumerateObject().Select(p => p.Name)));
            Assert.That(events[^1].Data.Text("reply"), Is.EqualTo("echo: Hi"));
            Assert.That(events[^1].Data.Text("message_id"), Is.EqualTo(messages.Json[1].Text("id")));
            Assert.That(messages.Json.Texts("content"), Is.EqualTo(new[] { "Hi", "echo: Hi" }));
        });
    }

    [Test]
    public async Task Stream_Piece_IsThereBeforeTheModelSendsTheNext()
    {
        Llm.Enqueue(LlmReplies.SteppedStream(steps, "One ", "two ", "three"));
        await using var stream = await App.StreamAsync(chatId, "Count");
        var started = await stream.NextAsync();
        var texts = new List<string?>();

        for (var i = 0; i < 3; i++)
        {
            steps.Release();
            texts.Add((await stream.NextAsync()).Data.Text("text"));
        }

        Assert.Multiple(() =>
        {
            Assert.That(started.Name, Is.EqualTo("run.started"));
            Assert.That(texts, Is.EqualTo(new[] { "One ", "two ", "three" }));
            Assert.That(Llm.Running, Is.EqualTo(1));
        });
        steps.Release();
        Assert.That((await stream.NextAsync()).Name, Is.EqualTo("run.completed"));
        Assert.That(await stream.TryNextAsync(), Is.Null);
    }

    [TestCase("Grüße, 漢字, עברית 👩‍👩‍👧‍👦 \"quoted\" \\ <b>&amp;</b> \t\r\n\u2028")]
    [TestCase("  leading and trailing  ")]
    [TestCase("\n\ndata: not an event\n\nid: 7\r\r\n")]
    [TestCase("\r")]
    [TestCase("\ufeff")]
    public async Task Stream_AnyText_ComesAsItIs(string text)
    {
        Llm.Enqueue(LlmReplies.Stream([.. text.EnumerateRunes().Select(r => r.ToString())]));
        await using var stream = await App.StreamAsync(chatId, "Say it");

        var events = await stream.ReadToEndAsync();

        Assert.Multiple(() =>
        {
            Assert.That(StreamEvent.Join(events), Is.EqualTo(text));
            Assert.That(events[^1].Data.Text("reply"), Is.EqualTo(text));
        });
    }

    [Test]
    public async Task Stream_CharactersCutIntoBytes_ComeWhole()
    {
        var bytes = Encoding.UTF8.GetBytes(
            LlmReplies.Event(LlmReplies.Chunk("m", "X")).Replace("X", "ü漢😀", StringComparison.Ordinal)
            + LlmReplies.Event(LlmReplies.FinishChunk("m", "stop")) + LlmReplies.Done);
        Llm.Enqueue(LlmReplies.RawStream([.. bytes.Select(b => new[] { b })]));
        await using var stream = await App.StreamAsync(chatId, "Say it");

        var events = await stream.ReadToEndAsync();

        Assert.That(StreamEvent.Join(events), Is.EqualTo("ü漢😀"));
    }

    [Test]
    public async Task Stream_LongReply_ComesInPiecesThatFitTogether()
    {
        var text = string.Concat(Enumerable.Range(0, 20_000).Select(i => $"{i} 😀"));
        Llm.Enqueue(LlmReplies.Answer(text));
        await using var stream = await App.StreamAsync(chatId, "Count");

        var events = await stream.ReadToEndAsync();

        Assert.Multiple(() =>
        {
            Assert.That(StreamEvent.Join(events), Is.EqualTo(text));
            Assert.That(events.Select(e => e.Sequence), Is.Ordered.And.Unique);
            Assert.That(events.Select(e => e.RunId).Distinct().Count(), Is.EqualTo(1));
        });
    }

    [Test]
    public async Task Stream_UnknownChat_IsNotFound()
    {
        var reply = await App.PostAsync("/chat", new { chat_id = Guid.CreateVersion7(), user_id = "alice", message = "Hi", stream = true });

        AssertProblem(reply, 404, "chat_not_found");
    }

    [Test]
    public async Task Stream_WrongFields_AreToldAsAlways()
    {
        var reply = await App.PostAsync("/chat", new { message = "", stream = true });

        AssertProblem(reply, 422, "validation_failed");
    }

    [Test]
    public async Task Stream_MalformedJson_IsABadRequest()
    {
        var reply = await App.PostJsonAsync("/chat", """{"stream":true,"message":""");

        AssertProblem(reply, 400, "malformed_json");
    }

    [TestCase("1")]
    [TestCase("\"yes\"")]
    [TestCase("[true]")]
    public async Task Stream_NoBoolean_IsRefused(string stream)
    {
        var reply = await SendAsync(stream, accept: null);

        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(422));
            Assert.That(reply.ErrorFields, Is.EqualTo(new[] { "stream" }));
        });
    }

    [Test]
    public async Task Stream_BusyChat_IsAConflictWhereAskedFor()
    {
        Llm.Enqueue(LlmReplies.Slow());
        await using var running = await App.StreamAsync(chatId, "First");

        var reply = await App.PostAsync("/chat", new { chat_id = chatId, user_id = "alice", message = "Second", stream = true, on_busy = "reject" });

        AssertProblem(reply, 409, "chat_busy");
        Llm.Release();
    }

    [Test]
    public async Task Stream_ModelFailsBeforeItsFirstText_EndsWithTheProblem()
    {
        App.Log.Expect("Unavailable");
        Llm.Enqueue(LlmReplies.Status(500, "Words of the vendor"));
        await using var stream = await App.StreamAsync(chatId, "Hi");

        var events = await stream.ReadToEndAsync();

        var failed = events[^1].Data;
        var messages = await App.GetMessagesAsync(chatId);
        Assert.Multiple(() =>
        {
            Assert.That(events.Select(e => e.Name), Is.EqualTo(new[] { "run.started", "run.failed" }));
            Assert.That(failed.EnumerateObject().Select(p => p.Name),
                Is.EqualTo(new[] { "type", "title", "status", "detail", "code", "chat_id", "user_message_id", "run_id", "trace_id" }));
            Assert.That(failed.Text("code"), Is.EqualTo("provider_unavailable"));
            Assert.That(failed.Number("status"), Is.EqualTo(502));
            Assert.That(failed.Text("run_id"), Is.EqualTo(events[0].RunId));
            Assert.That(failed.Text("trace_id"), Is.EqualTo(string.Concat(stream.Headers.GetValues("x-request-id"))));
            Assert.That(failed.GetRawText(), Does.Not.Contain("vendor"));
            Assert.That(messages.Json.Texts("status"), Is.EqualTo(new[] { "completed", "failed" }));
        });
    }

    [TestCase("Cut")]
    [TestCase("Error")]
    public async Task Stream_ModelFailsBehindSomeText_KeepsTheText(string failure)
    {
        App.Log.Expect("InvalidResponse");
        Llm.Enqueue(failure == "Cut" ? LlmReplies.CutStream("Once upon ", "a ti") : LlmReplies.FailingStream("Words of the vendor", "Once upon ", "a ti"));
        await using var stream = await App.StreamAsync(chatId, "A story");

        var events = await stream.ReadToEndAsync();

        var end = events[^1];
        var messages = await App.GetMessagesAsync(chatId);
        Assert.Multiple(() =>
        {
            Assert.That(StreamEvent.Join(events), Is.EqualTo("Once upon a ti"));
            Assert.That(end.Name, Is.EqualTo("run.incomplete"));
            Assert.That(end.Data.Text("reply"), Is.EqualTo("Once upon a ti"));
            Assert.That(end.Data.GetProperty("error").Text("code"), Is.EqualTo("provider_invalid_response"));
            Assert.That(end.Data.GetRawText(), Does.Not.Contain("vendor"));
            Assert.That(end.Data.GetProperty("usage").GetProperty("estimated").GetBoolean(), Is.True);
            Assert.That(messages.Json[1].Text("content"), Is.EqualTo("Once upon a ti"));
            Assert.That(messages.Json[1].Text("status"), Is.EqualTo("incomplete"));
        });
    }

    [Test]
    public async Task Stream_ModelThatDoesNotStream_IsOneDelta()
    {
        Llm.Enqueue(LlmReplies.Json("""{"choices":[{"message":{"role":"assistant","content":"All at once."},"finish_reason":"stop"}]}"""));
        await using var stream = await App.StreamAsync(chatId, "Hi");

        var events = await stream.ReadToEndAsync();

        Assert.Multiple(() =>
        {
            Assert.That(events.Select(e => e.Name), Is.EqualTo(new[] { "run.started", "message.delta", "run.completed" }));
            Assert.That(events[^1].Data.Text("reply"), Is.EqualTo("All at once."));
        });
    }

    [Test]
    public async Task Stream_QueuedMessage_StartsAtOnceAndSpeaksWhenItsTurnComes()
    {
        Llm.Enqueue(LlmReplies.Slow());
        await using var first = await App.StreamAsync(chatId, "First");
        await Llm.WaitForRequestsAsync(1);

        await using var second = await App.StreamAsync(chatId, "Second");

        Assert.That((await second.NextAsync()).Name, Is.EqualTo("run.started"));
        Assert.That(Llm.Requests, Has.Count.EqualTo(1));
        Llm.Release();
        var events = await second.ReadToEndAsync();
        Assert.That(events[^1].Data.Text("reply"), Is.EqualTo("echo: Second"));
    }

    [Test]
    public async Task Stream_ChatIsDeleted_EndsAsCancelled()
    {
        Llm.Enqueue(LlmReplies.PausingStream("Once upon "));
        await using var stream = await App.StreamAsync(chatId, "A story");
        await stream.ReadTextAsync("Once upon ".Length);

        await App.DeleteAsync($"/chats/{chatId}?user_id=alice");

        var end = await stream.NextAsync();
        Assert.Multiple(() =>
        {
            Assert.That(end.Name, Is.EqualTo("run.cancelled"));
            Assert.That(end.Data.GetProperty("error").Text("code"), Is.EqualTo("chat_deleted"));
        });
    }

    private Task<ApiReply> SendAsync(string? stream, string? accept)
    {
        var body = $$"""{"chat_id":"{{chatId}}","user_id":"alice","message":"Hi"{{(stream is null ? "" : ",\"stream\":" + stream)}}}""";
        return App.RequestAsync(
            HttpMethod.Post, "/chat", new StringContent(body, Encoding.UTF8, "application/json"), accept is null ? [] : [("Accept", accept)]);
    }

    private static void AssertProblem(ApiReply reply, int status, string code)
    {
        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(status));
            Assert.That(reply.ContentType, Is.EqualTo("application/problem+json"));
            Assert.That(reply.Code, Is.EqualTo(code));
        });
    }

    /// <summary>Reads on until the text ends like this, or up to the end of the answer.</summary>
    private static async Task<string> ReadToAsync(Stream body, string text, string? end)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        var buffer = new byte[4096];
        while ((end is null || !text.EndsWith(end, StringComparison.Ordinal)) && await body.ReadAsync(buffer, patience.Token) is > 0 and var count)
            text += Encoding.UTF8.GetString(buffer, 0, count);
        return text;
    }
}
