using AiChat.Tests.Support;

namespace AiChat.Tests.Api.Runs;

/// <summary>What networks and slow readers do to a stream changes nothing of what a client has in the end.</summary>
public sealed class StreamSplitTests : ApiTestBase
{
    private const int Millions = 2_000_000;

    private static readonly string[] Pieces = [" Héllo", " wörld", "\r\n", "👩‍👩‍👧‍👦", " 😀", "data: x\n\n", "日本語", "\n", " 𝒳", "end "];
    private static readonly string Whole = string.Concat(Pieces);

    private Uri server = null!;

    [SetUp]
    public void Start()
    {
        StartApp(("Runs:MaxReplyTokens", "4000000"));
        server = App.Client.BaseAddress!;
        Llm.Handler = _ => LlmReplies.Stream(Pieces);
    }

    [TestCase(1, 1, TestName = "Stream_EveryByteAlone_GivesTheWholeText")]
    [TestCase(2, 5, TestName = "Stream_AFewBytesAtATime_GivesTheWholeText")]
    [TestCase(1, 2000, TestName = "Stream_WritesOfAnySize_GivesTheWholeText")]
    public async Task Stream_Split_GivesTheWholeText(int fewest, int most)
    {
        await using var proxy = SplittingProxy.Start(server, SplitMode.Pieces(fewest, most));

        var transcript = await SendAndReadAsync(proxy);

        AssertWhole(transcript);
    }

    [Test]
    public async Task Stream_WritesMerged_GivesTheWholeText()
    {
        await using var proxy = SplittingProxy.Start(server, SplitMode.Merged(TimeSpan.FromMilliseconds(30)));

        var transcript = await SendAndReadAsync(proxy);

        AssertWhole(transcript);
    }

    [Test]
    public async Task Follow_CutBehindEveryByte_IsWholeAfterOneResume()
    {
        var run = await SendAndReadAsync(server);
        var length = await MeasureAsync(run.RunId!);

        var incomplete = new List<int>();
        for (var cut = 1; cut < length; cut++)
        {
            await using var proxy = SplittingProxy.Start(server, SplitMode.Cut(n => n == 0 ? cut : null));
            var transcript = await FollowToEndAsync(new SseClient(proxy.Address), run.RunId!, new RunTranscript(), mostConnections: 2);
            if (transcript.Text != Whole || transcript.EndStatus != "completed" || transcript.Violations.Count > 0)
                incomplete.Add(cut);
        }

        Assert.That(incomplete, Is.Empty, $"cuts of an answer of {length} bytes after which the text is not whole");
    }

    [Test]
    public async Task Stream_CutAgainAndAgainWhileItIsWritten_IsWholeInTheEnd([Range(1, 5)] int seed)
    {
        var random = new Random(seed);
        // Longer with time: what has been written meanwhile comes in one event, and an event has to come whole.
        await using var proxy = SplittingProxy.Start(server, SplitMode.Cut(n => random.Next(300, 900) + (50 * n)), seed);
        var client = new SseClient(proxy.Address);
        var pieces = Enumerable.Range(0, 100).Select(i => $"{Pieces[i % Pieces.Length]}{i}").ToArray();
        var whole = string.Concat(pieces);
        Llm.Handler = _ => SlowStream(pieces);
        var run = await StartRunAsync();

        var transcript = await FollowToEndAsync(client, run.RunId!, run, mostConnections: 1000);

        Assert.Multiple(() =>
        {
            Assert.That(transcript.Text, Is.EqualTo(whole));
            Assert.That(transcript.EndStatus, Is.EqualTo("completed"));
            Assert.That(transcript.Violations, Is.Empty);
            Assert.That(Llm.Requests, Has.Count.EqualTo(1));
        });
    }

    [Test]
    public async Task Stream_ReaderThatStopsReading_HoldsUpNeitherTheModelNorOtherReaders()
    {
        // Far more than the buffers between server and reader hold.
        var pieces = Enumerable.Range(0, Millions / 1000).Select(i => $"{i:D6} 😀 ".PadRight(1000, 'x')).ToArray();
        var whole = string.Concat(pieces);
        var hasAnswered = false;
        Llm.Handler = _ => async call =>
        {
            await LlmReplies.Stream(pieces)(call);
            hasAnswered = true;
        };
        var client = new SseClient(server);
        var slow = new RunTranscript();
        using var unread = await client.SendAsync(ToBody(), "a key", receiveBuffer: 4096);
        await slow.ReadAsync(unread, t => t.Started is not null);

        using var followed = await client.FollowAsync(slow.RunId!, "alice");
        var quick = new RunTranscript();
        var quickStop = await quick.ReadAsync(followed);
        var hasAnsweredBeforeSlowRead = hasAnswered;
        var slowLengthThen = slow.Length;
        var slowStop = await slow.ReadAsync(unread);

        Assert.Multiple(() =>
        {
            Assert.That((quickStop, quick.Text.Length), Is.EqualTo((StreamStop.Ended, whole.Length)));
            Assert.That(quick.Text == whole, TextDifference.Describe(whole, quick.Text));
            Assert.That(hasAnsweredBeforeSlowRead, "the model had said everything while the slow reader had read nothing");
            Assert.That(slowLengthThen, Is.Zero);
            Assert.That(slowStop, Is.EqualTo(StreamStop.Ended));
            Assert.That(slow.Text == whole, TextDifference.Describe(whole, slow.Text));
            Assert.That(quick.Violations.Concat(slow.Violations), Is.Empty);
        });
    }

    private static LlmReply SlowStream(string[] pieces) => async call =>
    {
        call.Response.ContentType = "text/event-stream";
        foreach (var piece in pieces)
        {
            await call.SendAsync(LlmReplies.Event(LlmReplies.Chunk(call.Request.Model, piece)));
            await Task.Delay(1, call.Aborted);
        }

        await call.SendAsync(LlmReplies.Event(LlmReplies.FinishChunk(call.Request.Model, "stop")) + LlmReplies.Done);
    };

    private static object ToBody() => new { user_id = "alice", message = "Hello", stream = true };

    private static void AssertWhole(RunTranscript transcript) => Assert.Multiple(() =>
    {
        Assert.That(transcript.Text, Is.EqualTo(Whole));
        Assert.That(transcript.EndStatus, Is.EqualTo("completed"));
        Assert.That(transcript.Violations, Is.Empty);
    });

    /// <summary>Follows until the end, with a new connection whenever one breaks.</summary>
    private static async Task<RunTranscript> FollowToEndAsync(SseClient client, string runId, RunTranscript transcript, int mostConnections)
    {
        for (var i = 0; i < mostConnections && transcript.End is null; i++)
        {
            try
            {
                using var connection = await client.FollowAsync(runId, "alice", transcript.LastEventId);
                await transcript.ReadAsync(connection);
            }
            catch (HttpRequestException)
            {
                // Cut inside the head of the answer.
            }
        }

        return transcript;
    }

    private static Task<RunTranscript> SendAndReadAsync(SplittingProxy proxy) => SendAndReadAsync(proxy.Address);

    private static async Task<RunTranscript> SendAndReadAsync(Uri address)
    {
        var transcript = new RunTranscript();
        using var connection = await new SseClient(address).SendAsync(ToBody());
        Assert.That(await transcript.ReadAsync(connection), Is.EqualTo(StreamStop.Ended));
        return transcript;
    }

    /// <summary>Sends and leaves as soon as the run is known.</summary>
    private async Task<RunTranscript> StartRunAsync()
    {
        var transcript = new RunTranscript();
        using var connection = await new SseClient(server).SendAsync(ToBody());
        await transcript.ReadAsync(connection, t => t.Started is not null);
        return transcript;
    }

    /// <summary>How many bytes the answer with all events of a run takes.</summary>
    private async Task<long> MeasureAsync(string runId)
    {
        await using var proxy = SplittingProxy.Start(server, SplitMode.Cut(_ => null));
        await FollowToEndAsync(new SseClient(proxy.Address), runId, new RunTranscript(), mostConnections: 1);
        return proxy.Passed;
    }
}
