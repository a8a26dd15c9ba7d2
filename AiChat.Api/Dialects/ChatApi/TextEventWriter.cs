using System.Buffers;
using System.IO.Pipelines;
using System.Text;
using AiChat.Api.Chats;
using AiChat.Api.Runs;
using AiChat.Core.Runs;

namespace AiChat.Api.Dialects.ChatApi;

/// <summary>
/// Writes a reply as unnamed server-sent events that are nothing but its text, into the response's own buffer. A client that joins their data
/// has the text exactly; only how a line break is written (CR LF, CR or LF) is lost, because the format has one line break.
/// </summary>
/// <param name="body">The response's buffer.</param>
/// <param name="runId">The run.</param>
/// <param name="hasText">Whether the client shows some text already, which what it is sent now goes on with.</param>
internal sealed class TextEventWriter(PipeWriter body, string runId, bool hasText) : IRunEventWriter
{
    public const string Snapshot = "snapshot";
    public const string End = "end";

    private static readonly SearchValues<char> LineBreaks = SearchValues.Create('\r', '\n');

    private readonly EventFields fields = new(body, runId);

    /// <summary>
    /// Position behind a CR at the end of what came, which is not sent yet; null when there is none. An LF may follow, and the two are one line
    /// break. Until then clients are told the position in front of the CR, so that whoever comes back gets both.
    /// </summary>
    private long? heldBreak;

    public void Write(RunEvent runEvent)
    {
        switch (runEvent)
        {
            case KeepAlive:
                fields.WriteKeepAlive();
                break;
            case MessageDelta delta:
                WriteText(delta.Text, delta.Sequence);
                break;
            // A client without text has nothing that it could take the place of.
            case RunSnapshot snapshot when !hasText:
                WriteSources(snapshot);
                WriteText(snapshot.Text, snapshot.Sequence);
                break;
            case RunSnapshot snapshot:
                WriteSources(snapshot);
                WriteSnapshot(snapshot.Text, snapshot.Sequence);
                break;
            case RunStarted when hasText:
                WriteSnapshot("", runEvent.Sequence);
                break;
            case SourceFound found:
                Write(RunEventWriter.Source, found.Source.ToResponse(), found.Sequence);
                break;
            case RunEnded end:
                Write(End, end.Result.ToChatApi(), end.Sequence);
                break;
            case RunStarted or RunContinued:
                // Nothing to show; the ids behind them cover their positions.
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(runEvent), runEvent, "Unknown kind of event.");
        }
    }

    /// <summary>Without ids: whoever hangs up here has not seen the text behind them.</summary>
    private void WriteSources(RunSnapshot snapshot)
    {
        foreach (var source in snapshot.Sources)
            fields.WriteJson(RunEventWriter.Source, source.ToResponse());
    }

    private void WriteSnapshot(string text, long sequence)
    {
        heldBreak = null;
        Write(Snapshot, new RunSnapshotEvent { RunId = runId, Text = text }, sequence);
    }

    private void Write<T>(string name, T data, long sequence)
    {
        if (heldBreak is { } position)
            WriteLines("\r", position);
        heldBreak = null;
        fields.WriteId(sequence);
        fields.WriteJson(name, data);
    }

    private void WriteText(string piece, long sequence)
    {
        var text = heldBreak is null ? piece : "\r" + piece;
        heldBreak = null;
        if (text.EndsWith('\r'))
        {
            heldBreak = sequence;
            text = text[..^1];
            sequence--;
        }

        if (text.Length > 0)
            WriteLines(text, sequence);
    }

    /// <summary>Clients take one space behind the colon away, and put a line break between two lines.</summary>
    private void WriteLines(ReadOnlySpan<char> text, long sequence)
    {
        fields.WriteId(sequence);
        while (text.IndexOfAny(LineBreaks) is >= 0 and var end)
        {
            WriteLine(text[..end]);
            var isPair = text[end] == '\r' && end + 1 < text.Length && text[end + 1] == '\n';
            text = text[(end + (isPair ? 2 : 1))..];
        }

        WriteLine(text);
        body.Write("\n"u8);
    }

    private void WriteLine(ReadOnlySpan<char> line)
    {
        body.Write("data: "u8);
        Encoding.UTF8.GetBytes(line, body);
        body.Write("\n"u8);
    }
}
