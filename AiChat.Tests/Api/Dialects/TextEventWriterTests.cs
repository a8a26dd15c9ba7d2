using System.Globalization;
using System.IO.Pipelines;
using System.Net.ServerSentEvents;
using System.Text;
using AiChat.Api.Dialects.ChatApi;
using AiChat.Core.Runs;
using AiChat.Core.WebSearch;
using FsCheck;
using FsCheck.Fluent;

namespace AiChat.Tests.Api.Dialects;

/// <summary>What goes over the wire, byte by byte, and what a client has of it in the end.</summary>
[TestFixture]
public sealed class TextEventWriterTests
{
    private static readonly RunStarted Started = new(Sequence: 1)
    {
        RunId = "r",
        ChatId = "c",
        UserMessageId = "u",
        AssistantMessageId = "a",
        Provider = "groq",
        Model = "m",
        Attempt = 1,
    };

    private static readonly RunResult Completed = new()
    {
        RunId = "r",
        ChatId = "c",
        UserId = "alice",
        Alias = "fast",
        UserMessageId = "u",
        AssistantMessageId = "a",
        AssistantSequence = 2,
        Status = RunStatus.Completed,
        Provider = "groq",
        Model = "m",
        CompletedAt = DateTimeOffset.UnixEpoch,
    };

    [TestCase("Hello", "id: r:6\ndata: Hello\n\n")]
    [TestCase("  two spaces", "id: r:13\ndata:   two spaces\n\n")]
    [TestCase("a\nb", "id: r:4\ndata: a\ndata: b\n\n")]
    [TestCase("a\r\nb", "id: r:5\ndata: a\ndata: b\n\n")]
    [TestCase("a\rb", "id: r:4\ndata: a\ndata: b\n\n")]
    [TestCase("\n", "id: r:2\ndata: \ndata: \n\n")]
    [TestCase("\n\r\n\r\r", "id: r:5\ndata: \ndata: \ndata: \ndata: \n\n")]
    [TestCase("Grüße 😀", "id: r:9\ndata: Grüße 😀\n\n")]
    [TestCase("data: x\n\nevent: end", "id: r:20\ndata: data: x\ndata: \ndata: event: end\n\n")]
    public void Write_Text_IsOneUnnamedEvent(string text, string expected)
    {
        Assert.That(Write(hasText: false, Delta(text)), Is.EqualTo(expected));
    }

    [Test]
    public void Write_LineBreakSplitOverTwoPieces_IsOneLineBreak()
    {
        var written = Write(hasText: false, Delta("a\r"), Delta("\nb", offset: 2));

        Assert.That(written, Is.EqualTo("id: r:2\ndata: a\n\nid: r:5\ndata: \ndata: b\n\n"));
    }

    [Test]
    public void Write_CarriageReturnsInPiecesOfTheirOwn_AreLineBreaks()
    {
        var written = Write(hasText: false, Delta("\r"), Delta("\r", offset: 1), Delta("b", offset: 2));

        Assert.That(written, Is.EqualTo("id: r:2\ndata: \ndata: \n\nid: r:4\ndata: \ndata: b\n\n"));
    }

    [Test]
    public void Write_EndBehindACarriageReturn_SendsTheLineBreakFirst()
    {
        var written = Write(hasText: false, Delta("a\r"), new RunEnded(4, Completed));

        Assert.That(written, Is.EqualTo(
            "id: r:2\ndata: a\n\nid: r:3\ndata: \ndata: \n\nid: r:4\nevent: end\ndata: {\"id\":\"a\",\"status\":\"completed\"}\n\n"));
    }

    [Test]
    public void Write_KeepAlive_IsAComment() =>
        Assert.That(Write(hasText: false, KeepAlive.Instance), Is.EqualTo(": keep-alive\n\n"));

    [Test]
    public void Write_StartAndSeam_AreNotShown() =>
        Assert.That(Write(hasText: false, Started, new RunContinued(2, 0, 2)), Is.Empty);

    [Test]
    public void Write_Source_IsAnEventOfItsOwn()
    {
        var source = new Source { Number = 1, Url = "https://example.org/", Title = "A \"page\"", Excerpt = "x\ny" };

        Assert.That(Write(hasText: false, new SourceFound(2, 0, source)), Is.EqualTo(
            "id: r:2\nevent: source\n" + """data: {"number":1,"url":"https://example.org/","title":"A \"page\"","excerpt":"x\ny"}""" + "\n\n"));
    }

    [TestCase(RunStatus.Failed, "failed")]
    [TestCase(RunStatus.Cancelled, "cancelled")]
    [TestCase(RunStatus.Incomplete, "incomplete")]
    public void Write_EndOfAReplyThatIsNotWhole_SaysWhy(RunStatus status, string name)
    {
        var end = new RunEnded(4, Completed with { Status = status, Error = new RunError("some_code", "What to do.") });

        Assert.That(Write(hasText: false, end), Is.EqualTo(
            "id: r:4\nevent: end\n" + $$"""data: {"id":"a","status":"{{name}}","code":"some_code","detail":"What to do."}""" + "\n\n"));
    }

    [Test]
    public void Write_SnapshotToAClientWithoutText_IsText() =>
        Assert.That(Write(hasText: false, Started, new RunSnapshot(4, "a\nb")), Is.EqualTo("id: r:4\ndata: a\ndata: b\n\n"));

    [TestCase(false)]
    [TestCase(true)]
    public void Write_SnapshotOfAReplyFromTheWeb_NamesItsSourcesFirst(bool hasText)
    {
        var source = new Source { Number = 1, Url = "https://rome.example/", Title = "Rome", Excerpt = "Text." };

        var written = Write(hasText, new RunSnapshot(4, "a") { Sources = [source] });

        Assert.That(written, Does.StartWith(
            "event: source\ndata: {\"number\":1,\"url\":\"https://rome.example/\",\"title\":\"Rome\",\"excerpt\":\"Text.\"}\n\nid: r:4\n"));
    }

    [Test]
    public void Write_SnapshotToAClientWithText_TakesItsPlace() =>
        Assert.That(
            Write(hasText: true, new RunSnapshot(4, "a\nb")), Is.EqualTo("id: r:4\nevent: snapshot\ndata: {\"run_id\":\"r\",\"text\":\"a\\nb\"}\n\n"));

    [Test]
    public void Write_StartToAClientWithText_EmptiesIt() =>
        Assert.That(Write(hasText: true, Started), Is.EqualTo("id: r:1\nevent: snapshot\ndata: {\"run_id\":\"r\",\"text\":\"\"}\n\n"));

    [Test]
    public void Write_AnyTextSplitAnywhere_GivesTheTextToAClient() =>
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(1000), Prop.ForAll(Arb.From(Pieces()), pieces =>
        {
            var events = Split(pieces);

            var read = Read(Write(hasText: false, [.. events, new RunEnded(events[^1].Sequence + 1, Completed)]));

            Assert.That(Join(read), Is.EqualTo(Normalize(string.Concat(pieces))));
            Assert.That(read[^1].EventType, Is.EqualTo("end"));
        }));

    /// <summary>Whichever event was the last one a client saw: it gets the rest, once.</summary>
    [Test]
    public void Write_AnyTextSplitAnywhereAndReadInTwoParts_GivesTheTextToAClient() =>
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(300), Prop.ForAll(Arb.From(Pieces()), pieces =>
        {
            var events = Split(pieces);
            var whole = string.Concat(pieces);
            var read = Read(Write(hasText: false, [.. events, new RunEnded(whole.Length + 2, Completed)]));

            for (var seen = 1; seen < read.Count; seen++)
            {
                var offset = (int)long.Parse(read[seen - 1].EventId!["r:".Length..], CultureInfo.InvariantCulture) - 1;
                var rest = whole.Length > offset ? Write(hasText: true, Delta(whole[offset..], offset), new RunEnded(whole.Length + 2, Completed)) : "";

                Assert.That(Join([.. read.Take(seen), .. Read(rest)]), Is.EqualTo(Normalize(whole)), $"behind event {seen}");
            }
        }));

    /// <summary>Of whole characters, as a run's pieces are.</summary>
    private static Gen<string[]> Pieces()
    {
        var part = Gen.Elements("a", "Hello", " ", "  ", "\r", "\n", "\r\n", "é", "漢字", "😀", "👩‍👩‍👧", "data: x", "id: 1", ": ", "\u2028", "\u0085", "\ufeff", "\t");
        return part.NonEmptyListOf().Select(parts => string.Concat(parts)).NonEmptyListOf().SelectMany(
            texts => Gen.Choose(0, 3).ListOf(texts.Count).Select(cuts => texts.Zip(cuts, Cut).SelectMany(p => p).ToArray()));
    }

    /// <summary>In the middle of what belongs together, but not of a character.</summary>
    private static IEnumerable<string> Cut(string text, int cuts)
    {
        var length = Math.Max(1, text.Length / (cuts + 1));
        for (var start = 0; start < text.Length;)
        {
            var end = Math.Min(text.Length, start + length);
            if (char.IsHighSurrogate(text[end - 1]))
                end++;
            yield return text[start..end];
            start = end;
        }
    }

    private static List<RunEvent> Split(string[] pieces)
    {
        var events = new List<RunEvent>();
        var offset = 0;
        foreach (var piece in pieces)
        {
            events.Add(Delta(piece, offset));
            offset += piece.Length;
        }

        return events;
    }

    /// <summary>What the format cannot tell apart, in one way.</summary>
    private static string Normalize(string text) => text.Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n');

    private static string Join(IEnumerable<SseItem<string>> events) =>
        string.Concat(events.Where(e => e.EventType == SseParser.EventTypeDefault).Select(e => e.Data));

    private static List<SseItem<string>> Read(string written) =>
        [.. SseParser.Create(new MemoryStream(Encoding.UTF8.GetBytes(written))).Enumerate()];

    private static MessageDelta Delta(string text, int offset = 0) => new(1 + offset + text.Length, offset, text);

    private static string Write(bool hasText, params RunEvent[] events)
    {
        var bytes = new MemoryStream();
        var body = PipeWriter.Create(bytes);
        var writer = new TextEventWriter(body, "r", hasText);
        foreach (var next in events)
            writer.Write(next);
        body.Complete();
        return Encoding.UTF8.GetString(bytes.ToArray());
    }
}
