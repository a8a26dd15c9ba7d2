using System.Net.Http.Json;
using System.Text;
using AiChat.Core.Runs;
using AiChat.Tests.Support;
using Microsoft.Extensions.DependencyInjection;

namespace AiChat.Tests.Api.Dialects;

/// <summary>Clients of the document <c>seed-004-chatai-api.md</c>.</summary>
public sealed class ChatAiTests : ApiTestBase
{
    private const string Unknown = "0199c0de-0000-7000-8000-000000000000";

    private readonly SemaphoreSlim steps = new(0);
    private string id = "";

    [OneTimeTearDown]
    public void DisposeSteps() => steps.Dispose();

    [Test]
    public async Task Everything_InARow_IsAnsweredAsRecorded()
    {
        StartApp();
        // In one piece: a reader that is late gets two of them as one event.
        Llm.Handler = r => r.IsStream ? LlmReplies.Stream([$"echo: {r.LastUserMessage}"]) : LlmReplies.Answer($"echo: {r.LastUserMessage}");

        await Transcript.AssertAsync(App.Client, "Dialects/chatai.http");
    }

    [TestCase(null)]
    [TestCase("{}")]
    [TestCase("""{"title":"Ignored"}""")]
    [TestCase("no JSON at all")]
    public async Task Create_WithAnyBody_IsAnEmptyConversation(string? body)
    {
        StartApp();
        using var content = body is null ? null : new StringContent(body, Encoding.UTF8, "text/plain");

        var created = await App.RequestAsync(HttpMethod.Post, "/conversation", content);

        var chat = await App.GetAsync($"/chats/{created.Json.Text("id")}");
        Assert.Multiple(() =>
        {
            Assert.That(created.Status, Is.EqualTo(200));
            Assert.That(created.Masked, Is.EqualTo("""{"id":"<uuid>","messages":[],"created_at":"<instant>"}"""));
            Assert.That(chat.Json.Text("user_id"), Is.EqualTo("default"));
        });
    }

    [Test]
    public async Task Create_AgainUnderItsKey_IsTheSameConversation()
    {
        StartApp();
        var first = await App.RequestAsync(HttpMethod.Post, "/conversation", null, ("Idempotency-Key", "a-key"));

        var again = await App.RequestAsync(HttpMethod.Post, "/conversation", null, ("Idempotency-Key", "a-key"));

        Assert.That((again.Text, again.GetHeader("Idempotency-Replayed")), Is.EqualTo((first.Text, "true")));
    }

    [TestCase("false", null)]
    [TestCase("\"false\"", null)]
    [TestCase("null", null)]
    [TestCase(null, "*/*")]
    [TestCase("false", "text/event-stream")]
    public async Task Complete_NoStream_IsTheMessageThatIsStored(string? stream, string? accept)
    {
        await StartAsync();

        var reply = await CompleteAsync("Hi", stream, accept);

        var stored = (await App.GetMessagesAsync(id, "default")).Json[1];
        Assert.Multiple(() =>
        {
            Assert.That((reply.Status, reply.ContentType), Is.EqualTo((200, "application/json")));
            Assert.That(reply.Text, Is.EqualTo(
                $$"""{"id":"{{stored.Text("id")}}","author":"assistant","content":"echo: Hi","created_at":"{{stored.Text("updated_at")}}"}"""));
            Assert.That((reply.GetHeader("X-Message-Id"), reply.GetHeader("X-Run-Id")), Is.EqualTo((stored.Text("id"), stored.Text("run_id"))));
            Assert.That(reply.GetHeader("X-Chat-Id"), Is.EqualTo(id));
        });
    }

    [TestCase("true", null)]
    [TestCase("\"true\"", "*/*")]
    [TestCase("\"true\"", "text/plain, text/event-stream;q=0.5")]
    [TestCase("true", "application/json")]
    public async Task Complete_Stream_IsPlainText(string stream, string? accept)
    {
        await StartAsync();

        var reply = await CompleteAsync("Hi", stream, accept);

        var stored = (await App.GetMessagesAsync(id, "default")).Json[1];
        Assert.Multiple(() =>
        {
            Assert.That(reply.Status, Is.EqualTo(200));
            Assert.That(reply.ContentHeaders.GetValues("Content-Type"), Is.EqualTo(new[] { "text/plain; charset=utf-8" }));
            Assert.That(reply.Headers.NonValidated["Cache-Control"].ToString(), Is.EqualTo("no-cache, no-transform"));
            Assert.That(reply.GetHeader("X-Accel-Buffering"), Is.EqualTo("no"));
            Assert.That(reply.ContentHeaders.Contains("Content-Length"), Is.False);
            Assert.That(reply.Text, Is.EqualTo("echo: Hi"));
            Assert.That((reply.GetHeader("X-Message-Id"), reply.GetHeader("X-Run-Id")), Is.EqualTo((stored.Text("id"), stored.Text("run_id"))));
            Assert.That(reply.GetHeader("X-Chat-Id"), Is.EqualTo(id));
        });
    }

    [TestCase("true", "text/event-stream")]
    [TestCase("\"true\"", "text/event-stream, text/plain")]
    [TestCase(null, "text/event-stream")]
    public async Task Complete_AcceptAsksForEvents_IsTheOrdinaryEvents(string? stream, string accept)
    {
        await StartAsync();

        var reply = await CompleteAsync("Hi", stream, accept);

        var names = reply.Text.Split('\n').Where(l => l.StartsWith("event: ", StringComparison.Ordinal)).Select(l => l["event: ".Length..]).ToList();
        Assert.That(reply.ContentType, Is.EqualTo("text/event-stream"));
        Assert.That((names[0], names[1], names[^1]), Is.EqualTo(("run.started", "message.delta", "run.completed")));
    }

    [TestCase("1")]
    [TestCase("\"yes\"")]
    [TestCase("[]")]
    public async Task Complete_StreamIsNoBoolean_IsRefused(string stream)
    {
        await StartAsync();

        var refused = await CompleteAsync("Hi", stream);

        Assert.That((refused.Status, refused.Text), Is.EqualTo(
            (422, """{"detail":[{"type":"value_error","loc":["body","stream"],"msg":"must be true or false"}]}""")));
    }

    [Test]
    public async Task Complete_MessageIsMissing_IsRefused()
    {
        await StartAsync();

        var refused = await App.PostJsonAsync($"/conversation/completion/{id}", "{}");

        Assert.That((refused.Status, refused.Text), Is.EqualTo(
            (422, """{"detail":[{"type":"value_error","loc":["body","message"],"msg":"must not be empty"}]}""")));
    }

    [Test]
    public async Task Stream_Piece_IsThereBeforeTheModelSendsTheNext()
    {
        await StartAsync();
        Llm.Enqueue(LlmReplies.SteppedStream(steps, "Once ", " upon\n", "\ud83d\ude00"));
        steps.Release();
        using var response = await OpenAsync("A story");
        await using var body = await response.Content.ReadAsStreamAsync();
        var texts = new List<string> { await ReadAsync(body, "Once ".Length) };

        foreach (var piece in new[] { " upon\n", "\ud83d\ude00" })
        {
            steps.Release();
            texts.Add(await ReadAsync(body, Encoding.UTF8.GetByteCount(piece)));
        }

        Assert.That(texts, Is.EqualTo(new[] { "Once ", " upon\n", "\ud83d\ude00" }));
        Assert.That(Llm.Running, Is.EqualTo(1));
        steps.Release();
        Assert.That(await body.ReadAsync(new byte[1]), Is.Zero);
    }

    [Test]
    public async Task Stream_CutInTheMiddle_FindsTheWholeReplyStored()
    {
        await StartAsync();
        Llm.Enqueue(LlmReplies.PausingStream("Once ", "upon a time"));
        string messageId;
        using (var response = await OpenAsync("A story"))
        {
            messageId = response.Headers.GetValues("X-Message-Id").Single();
            await ReadAsync(await response.Content.ReadAsStreamAsync(), "Once ".Length);
        }

        await App.Log.WaitForAsync("POST /conversation/completion/{id} ");
        Llm.Release();
        await App.WaitForStatusAsync(id, "completed", "default");

        var conversations = await App.GetAsync("/conversation");
        var reply = conversations.Json[0].GetProperty("messages")[1];
        Assert.That((reply.Text("id"), reply.Text("content")), Is.EqualTo((messageId, "Once upon a time")));
        Assert.That(Llm.Aborted, Is.Zero);
    }

    [Test]
    public async Task Stream_ModelBreaksOffInTheMiddle_IsBrokenOffAndNotEnded()
    {
        await StartAsync(("Runs:ContinueOnBreak", "false"));
        App.Log.Expect("broke off");
        Llm.Enqueue(LlmReplies.SteppedCut(steps, "Once "));
        using var response = await OpenAsync("A story");
        await using var body = await response.Content.ReadAsStreamAsync();
        var text = await ReadAsync(body, "Once ".Length);

        steps.Release();

        Assert.That(async () => await body.ReadAsync(new byte[1]), Throws.InstanceOf<IOException>());
        var run = await App.GetRunAsync(response.Headers.GetValues("X-Run-Id").Single(), "default");
        Assert.That((text, run.Json.Text("status")), Is.EqualTo(("Once ", "incomplete")));
    }

    [Test]
    public async Task Stream_SlowModel_GetsTheHeadersBeforeTheText()
    {
        using var response = await OpenSlowAsync(LlmReplies.Slow());

        Llm.Release();

        Assert.That(((int)response.StatusCode, response.Headers.Contains("X-Run-Id")), Is.EqualTo((200, true)));
        Assert.That(await response.Content.ReadAsStringAsync(), Is.EqualTo("late"));
    }

    [TestCase(false)]
    [TestCase(true)]
    public async Task Stream_HeadersSentAndNoTextComes_IsBrokenOff(bool isCancelled)
    {
        using var response = await OpenSlowAsync(LlmReplies.Slow(LlmReplies.Status(500)));
        await using var body = await response.Content.ReadAsStreamAsync();

        if (isCancelled)
        {
            await App.CancelAsync(response.Headers.GetValues("X-Run-Id").Single(), "default");
        }
        else
        {
            App.Log.Expect("Unavailable");
            Llm.Release();
        }

        Assert.That(async () => await body.ReadAsync(new byte[1]), Throws.InstanceOf<IOException>());
    }

    [Test]
    public async Task Stream_NextModelGoesOn_IsOneTextWithoutASeam()
    {
        await using var second = await FakeLlm.StartAsync();
        await StartAsync(("OPENAI_API_KEY", "sk-test"), ("Providers:openai:BaseUrl", second.BaseUrl));
        Llm.Enqueue(LlmReplies.CutStream("Once ", "upon "));
        second.Enqueue(LlmReplies.Stream(["a ", "time."]));

        var reply = await CompleteAsync("A story", "true");

        Assert.That((reply.Status, reply.Text), Is.EqualTo((200, "Once upon a time.")));
    }

    [Test]
    public async Task Stream_Cancelled_EndsWhereItWas()
    {
        await StartAsync();
        Llm.Enqueue(LlmReplies.PausingStream("Once ", "upon a time"));
        using var response = await OpenAsync("A story");
        await using var body = await response.Content.ReadAsStreamAsync();
        var text = await ReadAsync(body, "Once ".Length);

        await App.CancelAsync(response.Headers.GetValues("X-Run-Id").Single(), "default");

        Assert.That(await body.ReadAsync(new byte[1]), Is.Zero);
        var conversations = await App.GetAsync("/conversation");
        Assert.That((text, conversations.Json[0].GetProperty("messages")[1].Text("content")), Is.EqualTo(("Once ", "Once ")));
    }

    [TestCase("false")]
    [TestCase("true")]
    public async Task Complete_ModelFailsBeforeItsFirstWord_IsAnOrdinaryErrorThatNamesTheRun(string stream)
    {
        await StartAsync();
        App.Log.Expect("Unavailable");
        Llm.Enqueue(LlmReplies.Status(500));

        var failed = await CompleteAsync("Hello", stream);

        var shown = await App.GetAsync("/conversation");
        var run = await App.GetRunAsync(failed.GetHeader("X-Run-Id")!, "default");
        Assert.Multiple(() =>
        {
            Assert.That((failed.Status, failed.ContentType), Is.EqualTo((502, "application/json")));
            Assert.That(failed.Json.EnumerateObject().Single().Name, Is.EqualTo("detail"));
            Assert.That(run.Json.Text("message_id"), Is.EqualTo(failed.GetHeader("X-Message-Id")));
            Assert.That(failed.GetHeader("X-Chat-Id"), Is.EqualTo(id));
            Assert.That(shown.Json[0].GetProperty("messages").Texts("content"), Is.EqualTo(new[] { "Hello" }));
        });
    }

    [Test]
    public async Task Stream_AgainUnderItsKey_IsTheSameReply()
    {
        await StartAsync();
        var first = await CompleteAsync("Hi", "true", key: "a-key");

        var again = await CompleteAsync("Hi", "\"true\"", key: "a-key");
        var whole = await CompleteAsync("Hi", "false", key: "a-key");

        Assert.Multiple(() =>
        {
            Assert.That((again.Status, again.Text), Is.EqualTo((200, first.Text)));
            Assert.That(whole.Json.Text("content"), Is.EqualTo(first.Text));
            Assert.That((first.GetHeader("Idempotency-Replayed"), again.GetHeader("Idempotency-Replayed")), Is.EqualTo((default(string), "true")));
            Assert.That(again.GetHeader("X-Message-Id"), Is.EqualTo(first.GetHeader("X-Message-Id")));
            Assert.That(Llm.Requests, Has.Count.EqualTo(1));
        });
    }

    [Test]
    public async Task Stream_OfARunThatBrokeOffBefore_IsAnErrorAtOnce()
    {
        await StartAsync(("Runs:ContinueOnBreak", "false"));
        App.Log.Expect("broke off");
        Llm.Enqueue(LlmReplies.CutStream("Once "));
        await CompleteAsync("A story", "true", "text/event-stream", "a-key");

        var again = await CompleteAsync("A story", "true", key: "a-key");

        Assert.That((again.Status, again.ContentType), Is.EqualTo((502, "application/json")));
    }

    [Test]
    public async Task Complete_BusyConversation_WaitsForItsTurn()
    {
        await StartAsync();
        Llm.Enqueue(LlmReplies.Slow());
        var first = CompleteAsync("First", "true");
        await Llm.WaitForRequestsAsync(1);
        var second = CompleteAsync("Second", "true");
        await App.WaitForMessagesAsync(id, 4, "default");

        Llm.Release();

        Assert.That(((await first).Text, (await second).Text), Is.EqualTo(("late", "echo: Second")));
    }

    [Test]
    public async Task Complete_QueueIsFull_IsAConflict()
    {
        await StartAsync(("Runs:QueueLimit", "0"));
        Llm.Enqueue(LlmReplies.Slow());
        var first = CompleteAsync("First", "true");
        await Llm.WaitForRequestsAsync(1);

        var refused = await CompleteAsync("Second", "true");

        Llm.Release();
        await first;
        Assert.That((refused.Status, refused.Json.EnumerateObject().Single().Name), Is.EqualTo((409, "detail")));
        Assert.That(refused.GetHeader("Retry-After"), Is.Not.Null);
    }

    [TestCase(Unknown)]
    [TestCase("of another user")]
    public async Task Complete_ConversationThatIsNotThere_IsNotFound(string target)
    {
        await StartAsync();
        if (target != Unknown)
            target = await App.CreateChatAsync("bob");

        var reply = await App.PostAsync($"/conversation/completion/{target}", new { message = "Hi" });

        Assert.That((reply.Status, reply.Text), Is.EqualTo((404, """{"detail":"Conversation not found"}""")));
    }

    [Test]
    public async Task List_OfAUser_IsTheirsAlone()
    {
        await StartAsync();
        var bobs = await App.CreateChatAsync("bob");

        var list = await App.GetAsync("/conversation?user_id=bob");

        Assert.That(list.Json.Texts("id"), Is.EqualTo(new[] { bobs }));
    }

    [Test]
    public async Task List_ReplyIsBeingWritten_ShowsAsMuchAsThereIs()
    {
        await StartAsync();
        Llm.Enqueue(LlmReplies.PausingStream("Once ", "upon a time"));
        using var response = await OpenAsync("A story");
        await ReadAsync(await response.Content.ReadAsStreamAsync(), "Once ".Length);

        var list = await App.GetAsync("/conversation");

        Assert.That(list.Json[0].GetProperty("messages").Texts("content"), Is.EqualTo(new[] { "A story", "Once " }));
        Llm.Release();
    }

    [Test]
    public async Task List_MoreThanAPage_LeadsThroughAllOfThem()
    {
        StartApp();
        var ids = new List<string>();
        for (var i = 0; i < 103; i++)
            ids.Add(await App.CreateChatAsync("default"));

        var first = await App.GetAsync("/conversation");
        var second = await App.GetAsync(first.GetLink("next")!);

        Assert.Multiple(() =>
        {
            Assert.That((first.Json.GetArrayLength(), second.Json.GetArrayLength()), Is.EqualTo((100, 3)));
            Assert.That(first.Json.Texts("id").Concat(second.Json.Texts("id")), Is.EquivalentTo(ids));
            Assert.That(second.GetHeader("Link"), Is.Null);
            Assert.That(first.Json.Items().Select(c => c.GetProperty("messages").GetRawText()), Is.All.EqualTo("[]"));
        });
    }

    [TestCase("limit=0", "limit")]
    [TestCase("limit=101", "limit")]
    [TestCase("cursor=x", "cursor")]
    public async Task List_InvalidQuery_IsRefused(string query, string field)
    {
        StartApp();

        var refused = await App.GetAsync("/conversation?" + query);

        Assert.That(refused.Status, Is.EqualTo(422));
        Assert.That(refused.Json.GetProperty("detail")[0].GetProperty("loc").EnumerateArray().Select(n => n.GetString()), Is.EqualTo(new[] { "query", field }));
    }

    [Test]
    public async Task List_FullPageOfLongConversations_IsWholeAndInOrder()
    {
        StartApp();
        var turns = Enumerable.Range(0, 30).Select(i => ($"Question {i}", $"Answer {i}")).ToArray();
        for (var i = 0; i < 100; i++)
            await App.FillAsync(await App.CreateChatAsync("default"), turns, "default");
        var chats = await App.GetAsync("/chats?limit=100");

        var list = await App.GetAsync("/conversation");

        var expected = turns.SelectMany(t => new[] { t.Item1, t.Item2 }).ToArray();
        Assert.Multiple(() =>
        {
            Assert.That(list.Json.Texts("id"), Is.EqualTo(chats.Json.GetProperty("chats").Texts("id")));
            Assert.That(list.Json.Items().Select(c => c.GetProperty("messages").Texts("content")), Is.All.EqualTo(expected));
            Assert.That(list.Json.Items().SelectMany(c => c.GetProperty("messages").Texts("id")), Is.Unique);
        });
    }

    private static async Task<string> ReadAsync(Stream body, int bytes)
    {
        var buffer = new byte[bytes];
        await body.ReadExactlyAsync(buffer);
        return Encoding.UTF8.GetString(buffer);
    }

    private async Task StartAsync(params (string Key, string Value)[] settings)
    {
        StartApp(settings);
        while (steps.Wait(0))
        {
            // What a test before has left over.
        }

        id = (await App.RequestAsync(HttpMethod.Post, "/conversation")).Json.Text("id")!;
    }

    private async Task<ApiReply> CompleteAsync(string message, string? stream, string? accept = null, string? key = null)
    {
        var body = stream is null ? $$"""{"message":"{{message}}"}""" : $$"""{"message":"{{message}}","stream":{{stream}}}""";
        using var content = new StringContent(body, Encoding.UTF8, "application/json");
        (string, string)[] headers = [.. accept is null ? [] : new[] { ("Accept", accept) }, .. key is null ? [] : new[] { ("Idempotency-Key", key) }];
        return await App.RequestAsync(HttpMethod.Post, $"/conversation/completion/{id}", content, headers);
    }

    /// <summary>Sends a message that the model leaves waiting, and returns with the headers, which come before the text.</summary>
    private async Task<HttpResponseMessage> OpenSlowAsync(LlmReply reply)
    {
        var time = new FakeTime();
        StartApp(services => services.AddSingleton<TimeProvider>(time));
        id = (await App.RequestAsync(HttpMethod.Post, "/conversation")).Json.Text("id")!;
        Llm.Enqueue(reply);
        var opening = OpenAsync("A story");
        await Llm.WaitForRequestsAsync(1);
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        // The clock goes on until the server has found that the client waits.
        while (!opening.IsCompleted)
        {
            time.Advance(RunLog.KeepAliveInterval);
            await Task.WhenAny(opening, Task.Delay(50, limit.Token));
            limit.Token.ThrowIfCancellationRequested();
        }

        return await opening;
    }

    /// <summary>Sends a message and returns with the headers of the text that answers it.</summary>
    private async Task<HttpResponseMessage> OpenAsync(string message)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, $"/conversation/completion/{id}")
        {
            Content = JsonContent.Create(new { message, stream = true }),
        };
        return await App.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
    }
}
