using System.Diagnostics;
using AiChat.Core.Memory;
using AiChat.Tests.Support;

namespace AiChat.Tests.Api.Runs;

/// <summary>Cancelling is a call of its own; hanging up is not.</summary>
public sealed class CancelTests : ApiTestBase
{
    private string chatId = "";

    [SetUp]
    public async Task Start()
    {
        StartApp();
        chatId = await App.CreateChatAsync();
    }

    [Test]
    public async Task Cancel_WhileStreaming_EndsTheStreamWithWhatThereIs()
    {
        Llm.Enqueue(LlmReplies.PausingStream("Once upon "));
        await using var stream = await App.StreamAsync(chatId, "A story");
        var seen = await stream.ReadTextAsync("Once upon ".Length);

        var cancelled = await App.CancelAsync(seen[0].RunId);

        var rest = await stream.ReadToEndAsync();
        Assert.Multiple(() =>
        {
            Assert.That(cancelled.Status, Is.EqualTo(200));
            Assert.That(cancelled.Json.Text("status"), Is.EqualTo("cancelled"));
            Assert.That(cancelled.Json.GetProperty("error").Text("code"), Is.EqualTo("run_cancelled"));
            Assert.That(rest.Select(e => e.Name), Is.EqualTo(new[] { "run.cancelled" }));
            Assert.That(rest[0].Data.Text("reply"), Is.EqualTo("Once upon "));
            Assert.That(rest[0].Data.GetProperty("error").Text("code"), Is.EqualTo("run_cancelled"));
        });
    }

    [Test]
    public async Task Cancel_WhileStreaming_HangsUpOnTheModel()
    {
        Llm.Enqueue(LlmReplies.PausingStream("Once upon "));
        await using var stream = await App.StreamAsync(chatId, "A story");
        var seen = await stream.ReadTextAsync("Once upon ".Length);

        var watch = Stopwatch.StartNew();
        await App.CancelAsync(seen[0].RunId);
        await Llm.WaitForAbortsAsync(1);

        // Shown, not judged: how busy the machine is must not fail a test. The goal is 250 ms.
        TestContext.Out.WriteLine($"The model's connection was closed {watch.Elapsed.TotalMilliseconds:F0} ms after the call.");
        Assert.That(Llm.Running, Is.Zero);
    }

    [Test]
    public async Task Cancel_BehindSomeText_KeepsTheTextAsTheReply()
    {
        var (_, runId) = await CancelBehindAsync("Once upon ");

        var messages = await App.GetMessagesAsync(chatId);
        Assert.Multiple(() =>
        {
            Assert.That(messages.Json.Texts("content"), Is.EqualTo(new[] { "A story", "Once upon " }));
            Assert.That(messages.Json.Texts("status"), Is.EqualTo(new[] { "completed", "cancelled" }));
            Assert.That(messages.Json[1].Text("run_id"), Is.EqualTo(runId));
            Assert.That(messages.Json[1].Text("model"), Is.EqualTo("openai/gpt-oss-20b"));
        });
    }

    [Test]
    public async Task Cancel_BehindSomeText_EstimatesTheUsage()
    {
        var (_, runId) = await CancelBehindAsync("123456");

        var run = await App.GetRunAsync(runId);

        var input = TokenEstimator.CountMessage("A story");
        Assert.That(run.Json.GetProperty("usage").GetRawText(), Is.EqualTo($$"""{"input_tokens":{{input}},"output_tokens":2,"estimated":true}"""));
    }

    [Test]
    public async Task Cancel_BehindSomeText_IsPartOfTheNextPrompt()
    {
        await CancelBehindAsync("Once upon ");

        await App.SendAsync(chatId, "Go on");

        Assert.That(Llm.Requests[^1].Messages, Is.EqualTo(new LlmMessage[]
        {
            new("user", "A story"), new("assistant", "Once upon "), new("user", "Go on"),
        }));
    }

    [Test]
    public async Task Cancel_BeforeAnyText_LeavesAnEmptyReply()
    {
        Llm.Enqueue(LlmReplies.Slow());
        await using var stream = await App.StreamAsync(chatId, "A story");
        await Llm.WaitForRequestsAsync(1);

        await App.CancelAsync((await stream.NextAsync()).RunId);

        await App.SendAsync(chatId, "Go on");
        var messages = await App.GetMessagesAsync(chatId);
        Assert.Multiple(() =>
        {
            Assert.That(messages.Json[1].Text("status"), Is.EqualTo("cancelled"));
            Assert.That(messages.Json[1].Text("content"), Is.Empty);
            Assert.That(Llm.Requests[^1].Messages.Select(m => m.Content), Is.EqualTo(new[] { "A story", ContextBuilder.MissingReply, "Go on" }));
        });
    }

    [Test]
    public async Task Cancel_SenderWithoutStream_IsToldWithAConflict()
    {
        Llm.Enqueue(LlmReplies.PausingStream("Once upon "));
        var sending = App.SendAsync(chatId, "A story");
        await Llm.WaitForRequestsAsync(1);
        var runId = await App.GetNewestRunAsync(chatId);

        await App.CancelAsync(runId);

        var sent = await sending;
        Assert.Multiple(() =>
        {
            Assert.That((sent.Status, sent.Code), Is.EqualTo((409, "run_cancelled")));
            Assert.That(sent.Json.Text("run_id"), Is.EqualTo(runId));
            Assert.That(sent.Json.Text("chat_id"), Is.EqualTo(chatId));
        });
    }

    [Test]
    public async Task Cancel_QueuedRun_NeverAsksTheModelAndTheOthersGoOn()
    {
        Llm.Enqueue(LlmReplies.Slow());
        var first = App.SendAsync(chatId, "First");
        await Llm.WaitForRequestsAsync(1);
        await using var second = await App.StreamAsync(chatId, "Second");
        await using var third = await App.StreamAsync(chatId, "Third");

        var cancelled = await App.CancelAsync((await second.NextAsync()).RunId);

        var end = await second.NextAsync();
        Llm.Release();
        await first;
        var thirds = await third.ReadToEndAsync();
        Assert.Multiple(() =>
        {
            Assert.That(cancelled.Json.Text("status"), Is.EqualTo("cancelled"));
            Assert.That(cancelled.Json.IsNull("started_at"), Is.True);
            Assert.That(end.Name, Is.EqualTo("run.cancelled"));
            Assert.That(thirds[^1].Data.Text("reply"), Is.EqualTo("echo: Third"));
            Assert.That(Llm.Requests.Select(r => r.LastUserMessage), Is.EqualTo(new[] { "First", "Third" }));
        });
    }

    [Test]
    public async Task Cancel_RunningOne_LetsTheQueuedOnesRun()
    {
        Llm.Enqueue(LlmReplies.PausingStream("Once upon "));
        await using var first = await App.StreamAsync(chatId, "First");
        var seen = await first.ReadTextAsync("Once upon ".Length);
        await using var second = await App.StreamAsync(chatId, "Second");

        await App.CancelAsync(seen[0].RunId);

        var events = await second.ReadToEndAsync();
        Assert.That(events[^1].Data.Text("reply"), Is.EqualTo("echo: Second"));
    }

    [Test]
    public async Task Cancel_FinishedRun_ChangesNothing()
    {
        var sent = await App.SendAsync(chatId, "Hi");
        var before = await App.GetRunAsync(sent.Json.Text("run_id")!);

        var cancelled = await App.CancelAsync(sent.Json.Text("run_id")!);

        var messages = await App.GetMessagesAsync(chatId);
        Assert.Multiple(() =>
        {
            Assert.That(cancelled.Status, Is.EqualTo(200));
            Assert.That(cancelled.Text, Is.EqualTo(before.Text));
            Assert.That(cancelled.Json.Text("status"), Is.EqualTo("completed"));
            Assert.That(messages.Json.Texts("status"), Is.All.EqualTo("completed"));
        });
    }

    [Test]
    public async Task Cancel_Twice_IsTheSameTwice()
    {
        var (first, runId) = await CancelBehindAsync("Once upon ");

        var second = await App.CancelAsync(runId);

        Assert.That((second.Status, second.Text), Is.EqualTo((200, first.Text)));
    }

    [Test]
    public async Task Cancel_ManyAtOnce_AllSeeItCancelled()
    {
        Llm.Enqueue(LlmReplies.PausingStream("Once upon "));
        await using var stream = await App.StreamAsync(chatId, "A story");
        var seen = await stream.ReadTextAsync("Once upon ".Length);

        var cancelled = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => App.CancelAsync(seen[0].RunId)));

        Assert.That(cancelled.Select(c => (c.Status, c.Json.Text("status"))), Is.All.EqualTo((200, "cancelled")));
    }

    [Test]
    public async Task Cancel_AnotherUser_FindsNoSuchRunAndStopsNothing()
    {
        Llm.Enqueue(LlmReplies.PausingStream("Once upon ", "a time"));
        await using var stream = await App.StreamAsync(chatId, "A story");
        var seen = await stream.ReadTextAsync("Once upon ".Length);

        var reply = await App.CancelAsync(seen[0].RunId, userId: "bob");

        Llm.Release();
        var rest = await stream.ReadToEndAsync();
        Assert.Multiple(() =>
        {
            Assert.That((reply.Status, reply.Code), Is.EqualTo((404, "run_not_found")));
            Assert.That(rest[^1].Data.Text("reply"), Is.EqualTo("Once upon a time"));
        });
    }

    [TestCase("0199c0de-0000-7000-8000-000000000000", 404, "run_not_found")]
    [TestCase("nonsense", 400, "invalid_id")]
    public async Task Cancel_NoSuchRun_IsTold(string runId, int status, string code)
    {
        var reply = await App.CancelAsync(runId);

        Assert.That((reply.Status, reply.Code), Is.EqualTo((status, code)));
    }

    [Test]
    public async Task Disconnect_WhileStreaming_DoesNotCancel()
    {
        Llm.Enqueue(LlmReplies.PausingStream("Once upon ", "a time"));
        await using (var stream = await App.StreamAsync(chatId, "A story"))
            await stream.ReadTextAsync("Once upon ".Length);
        await App.Log.WaitForAsync("POST /chat ");

        Llm.Release();

        await App.WaitForStatusAsync(chatId, "completed");
        var messages = await App.GetMessagesAsync(chatId);
        Assert.Multiple(() =>
        {
            Assert.That(messages.Json[1].Text("content"), Is.EqualTo("Once upon a time"));
            Assert.That(Llm.Aborted, Is.Zero);
        });
    }

    private async Task<(ApiReply Cancelled, string RunId)> CancelBehindAsync(string text)
    {
        Llm.Enqueue(LlmReplies.PausingStream(text));
        await using var stream = await App.StreamAsync(chatId, "A story");
        var seen = await stream.ReadTextAsync(text.Length);
        return (await App.CancelAsync(seen[0].RunId), seen[0].RunId);
    }
}
