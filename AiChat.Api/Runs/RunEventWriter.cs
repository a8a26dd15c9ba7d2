using System.Buffers;
using System.Buffers.Text;
using System.IO.Pipelines;
using System.Text;
using System.Text.Json;
using AiChat.Api.Chats;
using AiChat.Api.Errors;
using AiChat.Api.Json;
using AiChat.Core.Runs;

namespace AiChat.Api.Runs;

/// <summary>Writes a run's events in the format of server-sent events, into the response's own buffer.</summary>
internal sealed class RunEventWriter(PipeWriter body, string runId, string traceId)
{
    public const string Started = "run.started";
    public const string Source = "source";
    public const string Delta = "message.delta";
    public const string Continued = "run.continued";
    public const string Snapshot = "run.snapshot";
    public const string Completed = "run.completed";
    public const string Failed = "run.failed";
    public const string Cancelled = "run.cancelled";
    public const string Incomplete = "run.incomplete";

    private const int LongestNumber = 20;

    private static readonly JsonWriterOptions JsonOptions = new() { Encoder = JsonSetup.Options.Encoder, SkipValidation = true };

    /// <summary>Where an idle writer points to: it must not keep a connection that is gone.</summary>
    private static readonly ArrayBufferWriter<byte> Nowhere = new();

    [ThreadStatic]
    private static Utf8JsonWriter? idleJson;

    private readonly byte[] idPrefix = Encoding.ASCII.GetBytes($"id: {runId}:");

    public void Write(RunEvent runEvent)
    {
        if (runEvent is KeepAlive)
        {
            body.Write(": keep-alive\n\n"u8);
            return;
        }

        WriteId(runEvent.Sequence);
        switch (runEvent)
        {
            case MessageDelta delta:
                body.Write("\nevent: message.delta\ndata: "u8);
                WriteDelta(delta);
                break;
            case RunStarted started:
                WriteData(Started, started.ToResponse());
                break;
            case SourceFound found:
                WriteData(Source, found.Source.ToResponse());
                break;
            case RunContinued seam:
                WriteData(Continued, new RunContinuedEvent { Attempt = seam.Attempt, Offset = seam.Offset });
                break;
            case RunSnapshot snapshot:
                WriteData(Snapshot, new RunSnapshotEvent { RunId = runId, Text = snapshot.Text });
                break;
            case RunEnded { Result: var result }:
                WriteEnd(result);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(runEvent), runEvent, "Unknown kind of event.");
        }

        body.Write("\n\n"u8);
    }

    private void WriteEnd(RunResult result)
    {
        switch (result.Status)
        {
            case RunStatus.Completed:
                WriteData(Completed, result.ToResponse());
                break;
            case RunStatus.Failed:
                WriteData(Failed, Problem.OfRun(result, result.Error!) with { TraceId = traceId });
                break;
            case RunStatus.Cancelled:
                WriteData(Cancelled, result.ToBrokenOff());
                break;
            default:
                WriteData(Incomplete, result.ToBrokenOff());
                break;
        }
    }

    private void WriteId(long sequence)
    {
        body.Write(idPrefix);
        Utf8Formatter.TryFormat(sequence, body.GetSpan(LongestNumber), out var length);
        body.Advance(length);
    }

    private void WriteDelta(MessageDelta delta)
    {
        var json = RentJson();
        json.WriteStartObject();
        json.WriteString("text"u8, delta.Text);
        json.WriteNumber("offset"u8, delta.Offset);
        json.WriteEndObject();
        Return(json);
    }

    private void WriteData<T>(string name, T data)
    {
        body.Write("\nevent: "u8);
        Encoding.ASCII.GetBytes(name, body);
        body.Write("\ndata: "u8);
        var json = RentJson();
        JsonSerializer.Serialize(json, data, JsonSetup.Options);
        Return(json);
    }

    private Utf8JsonWriter RentJson()
    {
        var json = idleJson ?? new Utf8JsonWriter(body, JsonOptions);
        idleJson = null;
        json.Reset(body);
        return json;
    }

    private static void Return(Utf8JsonWriter json)
    {
        json.Flush();
        json.Reset(Nowhere);
        idleJson = json;
    }
}
