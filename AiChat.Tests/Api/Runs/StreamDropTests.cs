using AiChat.Tests.Support;

namespace AiChat.Tests.Api.Runs;

/// <summary>A client that loses its connection loses nothing else: the reply is written on, once, and the rest can be had.</summary>
public sealed class StreamDropTests : ApiTestBase
{
    private const int Repetitions = 100;

    private static readonly string[] FirstHalf = [" Héllo", " wörld", "\r\n", "👩‍👩‍👧‍👦", " 😀"];
    private static readonly string[] SecondHalf = ["data: x\n\n", "日本語", "\n", " 𝒳", "end "];
    private static readonly int Middle = FirstHalf.Sum(p => p.Length);
    private static readonly string Whole = string.Concat(FirstHalf) + string.Concat(SecondHalf);

    private SseClient client = null!;

    /// <summary>Where the connection is lost.</summary>
    public enum Moment
    {
        /// <summary>The head of the answer is there, no event was read.</summary>
        BeforeTheFirstEvent,
        /// <summary>The client knows the run and has no text.</summary>
        BehindTheFirstEvent,
        /// <summary>The client has half of the text.</summary>
        InTheMiddle,
        /// <summary>The client has everything and the end.</summary>
        BehindTheLastEvent,
    }

    [SetUp]
    public void Start()
    {
        StartApp();
        client = new SseClient(App.Client.BaseAddress!);
    }

    [Test]
    public async Task Drop_AtThisMoment_LeavesOneUpstreamCallAndTheWholeText([Values] Moment moment)
    {
        for (var i = 0; i < Repetitions; i++)
        {
            Llm.Enqueue(TwoHalves());
            var transcript = new RunTranscript();

            await SendAndDropAsync(moment, $"key-{i}", transcript, requests: i + 1);
            await ResumeAsync($"key-{i}", transcript);

            var messages = await App.GetMessagesAsync(transcript.Started!.Json.Text("chat_id")!);
            Assert.Multiple(() =>
            {
                Assert.That(transcript.Text, Is.EqualTo(Whole));
                Assert.That(transcript.EndStatus, Is.EqualTo("completed"));
                Assert.That(transcript.Violations, Is.Empty);
                Assert.That(messages.Json.Texts("content"), Is.EqualTo(new[] { "Hello", Whole }));
                Assert.That(messages.Json[1].Text("status"), Is.EqualTo("completed"));
                Assert.That(Llm.Requests, Has.Count.EqualTo(i + 1));
                Assert.That(Llm.Aborted, Is.Zero);
            });
        }
    }

    [Test]
    public async Task Drop_NobodyComesBack_TheWholeReplyIsStored()
    {
        var chatId = await App.CreateChatAsync();
        Llm.Enqueue(TwoHalves());
        var connection = await client.SendAsync(new { chat_id = chatId, user_id = "alice", message = "Hello", stream = true });
        await Llm.WaitForRequestsAsync(1);

        connection.Drop();
        Llm.Release();

        await App.WaitForStatusAsync(chatId, "completed");
        Assert.That((await App.GetMessagesAsync(chatId)).Json[1].Text("content"), Is.EqualTo(Whole));
        Assert.That(Llm.Requests, Has.Count.EqualTo(1));
    }

    /// <summary>Says its second half only when it is released.</summary>
    private static LlmReply TwoHalves() => async call =>
    {
        call.Response.ContentType = "text/event-stream";
        foreach (var piece in FirstHalf)
            await call.SendAsync(LlmReplies.Event(LlmReplies.Chunk(call.Request.Model, piece)));
        await call.WaitForReleaseAsync();
        foreach (var piece in SecondHalf)
            await call.SendAsync(LlmReplies.Event(LlmReplies.Chunk(call.Request.Model, piece)));
        await call.SendAsync(LlmReplies.Event(LlmReplies.FinishChunk(call.Request.Model, "stop")) + LlmReplies.Done);
    };

    private static bool IsReached(Moment moment, RunTranscript transcript) => moment switch
    {
        Moment.BeforeTheFirstEvent => true,
        Moment.BehindTheFirstEvent => transcript.Started is not null,
        Moment.InTheMiddle => transcript.Length >= Middle,
        _ => transcript.End is not null,
    };

    private async Task SendAndDropAsync(Moment moment, string key, RunTranscript transcript, int requests)
    {
        var connection = await SendAsync(key);
        await Llm.WaitForRequestsAsync(requests);
        if (moment == Moment.BehindTheLastEvent)
            Llm.Release();
        Assert.That(await transcript.ReadAsync(connection, t => IsReached(moment, t)), Is.EqualTo(StreamStop.Left));

        connection.Drop();
        Llm.Release();
    }

    /// <summary>With the id of the last event, or with the key where the client does not know its run.</summary>
    private async Task ResumeAsync(string key, RunTranscript transcript)
    {
        using var connection = transcript.RunId is { } runId
            ? await client.FollowAsync(runId, "alice", transcript.LastEventId)
            : await SendAsync(key);
        if (transcript.End is null)
            Assert.That(await transcript.ReadAsync(connection), Is.EqualTo(StreamStop.Ended));
        else
            Assert.That(connection.Status, Is.EqualTo(204));
    }

    private Task<SseConnection> SendAsync(string key) => client.SendAsync(new { user_id = "alice", message = "Hello", stream = true }, key);
}
