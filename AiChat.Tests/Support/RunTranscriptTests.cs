using System.Text;

namespace AiChat.Tests.Support;

/// <summary>What tests rely on when they call a stream correct: each breach of the protocol is noticed.</summary>
public sealed class RunTranscriptTests
{
    private const string Started = "id: r:1\nevent: run.started\ndata: {\"chat_id\":\"c\"}\n\n";
    private const string Hello = "id: r:2\nevent: message.delta\ndata: {\"text\":\"Hé😀\",\"offset\":0}\n\n";
    private const string More = "id: r:7\nevent: message.delta\ndata: {\"text\":\"\\r\\n x\",\"offset\":4}\n\n";
    private const string Completed = "id: r:9\nevent: run.completed\ndata: {\"reply\":\"Hé😀\\r\\n x\"}\n\n";

    private FakeLlm server = null!;
    private SseClient client = null!;

    [SetUp]
    public async Task SetUp()
    {
        server = await FakeLlm.StartAsync();
        client = new SseClient(new Uri(server.BaseUrl));
    }

    [TearDown]
    public async Task TearDown() => await server.DisposeAsync();

    [Test]
    public async Task Read_WholeStreamWithComments_GivesTheTextAndNoViolation()
    {
        var transcript = await ReadAsync(": keep-alive\n\n" + Started + Hello + ": keep-alive\n\n: keep-alive\n\n" + More + Completed);

        Assert.Multiple(() =>
        {
            Assert.That(transcript.Text, Is.EqualTo("Hé😀\r\n x"));
            Assert.That(transcript.EndStatus, Is.EqualTo("completed"));
            Assert.That(transcript.RunId, Is.EqualTo("r"));
            Assert.That(transcript.LastEventId, Is.EqualTo("r:9"));
            Assert.That(transcript.Events, Has.Count.EqualTo(4));
            Assert.That(transcript.Violations, Is.Empty);
        });
    }

    [TestCase("event: message.delta\ndata: {\"text\":\"x\",\"offset\":0}\n\n", "has no id", TestName = "Read_NoId_IsAViolation")]
    [TestCase("id: 3\nevent: message.delta\ndata: {\"text\":\"x\",\"offset\":0}\n\n", "has no id of the form", TestName = "Read_IdWithoutRun_IsAViolation")]
    [TestCase("id: q:3\nevent: message.delta\ndata: {\"text\":\"x\",\"offset\":0}\n\n", "of another run", TestName = "Read_IdOfAnotherRun_IsAViolation")]
    [TestCase("id: r:1\nevent: message.delta\ndata: {\"text\":\"x\",\"offset\":0}\n\n", "comes behind sequence 1", TestName = "Read_IdThatDoesNotGrow_IsAViolation")]
    [TestCase(Hello + "id: r:3\nevent: message.delta\ndata: {\"text\":\"x\",\"offset\":3}\n\n", "has offset 3", TestName = "Read_OffsetInsideTheText_IsAViolation")]
    [TestCase(Hello + "id: r:3\nevent: message.delta\ndata: {\"text\":\"x\",\"offset\":5}\n\n", "has offset 5", TestName = "Read_OffsetBehindTheText_IsAViolation")]
    [TestCase("id: r:3\nevent: message.delta\ndata: {\"text\":\"x\"}\n\n", "has no offset", TestName = "Read_NoOffset_IsAViolation")]
    [TestCase("id: r:3\nevent: message.delta\ndata: {\"offset\":0}\n\n", "has no text", TestName = "Read_NoText_IsAViolation")]
    [TestCase("id: r:3\nevent: message.delta\ndata: {\"text\":\ndata: \"x\",\"offset\":0}\n\n", "one line of JSON", TestName = "Read_DataOfTwoLines_IsAViolation")]
    [TestCase("id: r:3\nevent: message.delta\ndata: x\n\n", "one line of JSON", TestName = "Read_DataThatIsNoJson_IsAViolation")]
    [TestCase("id: r:3\nevent: something\ndata: {}\n\n", "no event of a run", TestName = "Read_UnknownEvent_IsAViolation")]
    [TestCase("id: r:3\nevent: run.failed\ndata: {}\n\nid: r:4\nevent: run.failed\ndata: {}\n\n", "comes behind the end", TestName = "Read_TwoEnds_IsAViolation")]
    [TestCase(Hello + More + Completed + "id: r:10\nevent: message.delta\ndata: {\"text\":\"x\",\"offset\":8}\n\n", "comes behind the end", TestName = "Read_TextBehindTheEnd_IsAViolation")]
    [TestCase(Hello + Completed, "another text", TestName = "Read_ReplyOfTheEndIsAnotherText_IsAViolation")]
    public async Task Read_BreachOfTheProtocol_IsAViolation(string events, string violation)
    {
        var transcript = await ReadAsync(Started + events);

        Assert.That(transcript.Violations, Has.Count.EqualTo(1).And.All.Contains(violation));
    }

    [Test]
    public async Task Read_NoStart_IsAViolation()
    {
        var transcript = await ReadAsync(Hello);

        Assert.That(transcript.Violations, Has.Count.EqualTo(1).And.All.Contains("comes first"));
    }

    [Test]
    public async Task Read_SnapshotAndStartAgain_ReplaceAndEmptyTheText()
    {
        var connections = new[]
        {
            Started + Hello + More,
            "id: r:4\nevent: run.snapshot\ndata: {\"run_id\":\"r\",\"text\":\"Hé\"}\n\nid: r:5\nevent: run.incomplete\ndata: {\"reply\":\"Hé\"}\n\n",
            "id: r:6\nevent: run.started\ndata: {}\n\nid: r:7\nevent: message.delta\ndata: {\"text\":\"x\",\"offset\":0}\n\n",
        };
        var transcript = new RunTranscript();

        var texts = new List<string>();
        foreach (var events in connections)
        {
            await ReadAsync(events, transcript);
            texts.Add(transcript.Text);
        }

        Assert.That(texts, Is.EqualTo(new[] { "Hé😀\r\n x", "Hé", "x" }));
        Assert.That(transcript.Violations, Is.Empty);
        Assert.That(transcript.End, Is.Null);
    }

    [Test]
    public async Task Read_EventOnAnotherConnectionThatWasThere_IsAViolation()
    {
        var transcript = await ReadAsync(Started + Hello);

        await ReadAsync(Hello + More + Completed, transcript);

        Assert.That(transcript.Violations, Has.Some.Contains("comes behind sequence 2"));
    }

    [Test]
    public async Task Read_ConnectionCutInsideAnEvent_IsBrokenAndTheEventIsNotThere()
    {
        var transcript = new RunTranscript();
        server.Enqueue(LlmReplies.RawStream(Started + Hello + Completed[..^1]));
        using var connection = await OpenAsync();

        var stop = await transcript.ReadAsync(connection);

        Assert.That(stop, Is.EqualTo(StreamStop.Broken));
        Assert.That(transcript.Text, Is.EqualTo("Hé😀"));
        Assert.That(transcript.End, Is.Null);
    }

    [Test]
    public async Task Read_LeftAndTakenUpAgain_GoesOnWhereItWas()
    {
        var transcript = new RunTranscript();
        server.Enqueue(LlmReplies.RawStream(Started + Hello + More + Completed));
        using var connection = await OpenAsync();

        var first = await transcript.ReadAsync(connection, t => t.Length >= 2);
        var textThen = transcript.Text;
        var second = await transcript.ReadAsync(connection);

        Assert.That((first, textThen), Is.EqualTo((StreamStop.Left, "Hé😀")));
        Assert.That((second, transcript.Text), Is.EqualTo((StreamStop.Ended, "Hé😀\r\n x")));
        Assert.That(transcript.Violations, Is.Empty);
    }

    [Test]
    public async Task Drop_WhileTheServerWrites_IsNoticedThere()
    {
        server.Enqueue(LlmReplies.PausingStream("one", "two"));
        var connection = await OpenAsync();

        connection.Drop();

        await server.WaitForAbortsAsync(1);
    }

    [Test]
    public async Task Proxy_AnyMode_PassesTheBytesAsTheyAre(
        [Values("bytes", "pieces", "merged")] string mode)
    {
        var parts = Encoding.UTF8.GetBytes(Started + Hello + More + Completed).Chunk(7).ToArray();
        server.Enqueue(LlmReplies.RawStream(parts));
        await using var proxy = SplittingProxy.Start(new Uri(server.BaseUrl), mode switch
        {
            "bytes" => SplitMode.Bytes(),
            "pieces" => SplitMode.Pieces(1, 40),
            _ => SplitMode.Merged(TimeSpan.FromMilliseconds(20)),
        });
        var transcript = new RunTranscript();
        using var connection = await new SseClient(proxy.Address).SendAsync(new { model = "m", messages = Array.Empty<object>() });

        var stop = await transcript.ReadAsync(connection);

        Assert.That((stop, transcript.Text), Is.EqualTo((StreamStop.Ended, "Hé😀\r\n x")));
        Assert.That(transcript.Violations, Is.Empty);
    }

    [Test]
    public async Task Proxy_Cut_EndsTheConnectionThere()
    {
        var head = "HTTP/1.1 200 OK\r\n".Length;
        server.Handler = _ => LlmReplies.RawStream(Started + Hello + Completed);
        await using var proxy = SplittingProxy.Start(new Uri(server.BaseUrl), SplitMode.Cut(n => n == 0 ? head : n == 1 ? 260 : null));
        var throughProxy = new SseClient(proxy.Address);
        var body = new { model = "m", messages = Array.Empty<object>() };
        var transcript = new RunTranscript();

        Assert.That(async () => await throughProxy.SendAsync(body), Throws.InstanceOf<HttpRequestException>());
        using var cut = await throughProxy.SendAsync(body);
        var stop = await transcript.ReadAsync(cut);
        using var whole = await throughProxy.SendAsync(body);
        var stopOfWhole = await new RunTranscript().ReadAsync(whole);

        Assert.That((stop, stopOfWhole), Is.EqualTo((StreamStop.Broken, StreamStop.Ended)));
    }

    private async Task<RunTranscript> ReadAsync(string events, RunTranscript? transcript = null)
    {
        server.Enqueue(LlmReplies.RawStream(events));
        transcript ??= new RunTranscript();
        using var connection = await OpenAsync();
        await transcript.ReadAsync(connection);
        return transcript;
    }

    private Task<SseConnection> OpenAsync() => client.SendAsync(new { model = "m", messages = Array.Empty<object>() });
}
