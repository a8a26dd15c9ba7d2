using System.Buffers;
using System.IO.Pipelines;
using AiChat.Api.Chats;
using AiChat.Api.Errors;
using AiChat.Core.Runs;

namespace AiChat.Api.Runs;

/// <summary>Writes a run's events in the format of server-sent events, into the response's own buffer.</summary>
internal sealed class RunEventWriter(PipeWriter body, string runId, string traceId) : IRunEventWriter
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

    private readonly EventFields fields = new(body, runId);

    public void Write(RunEvent runEvent)
    {
        if (runEvent is KeepAlive)
        {
            fields.WriteKeepAlive();
            return;
        }

        fields.WriteId(runEvent.Sequence);
        switch (runEvent)
        {
            case MessageDelta delta:
                WriteDelta(delta);
                break;
            case RunStarted started:
                fields.WriteJson(Started, started.ToResponse());
                break;
            case SourceFound found:
                fields.WriteJson(Source, found.Source.ToResponse());
                break;
            case RunContinued seam:
                fields.WriteJson(Continued, new RunContinuedEvent { Attempt = seam.Attempt, Offset = seam.Offset });
                break;
            case RunSnapshot snapshot:
                fields.WriteJson(Snapshot, snapshot.ToResponse(runId));
                break;
            case RunEnded { Result: var result }:
                WriteEnd(result);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(runEvent), runEvent, "Unknown kind of event.");
        }
    }

    private void WriteEnd(RunResult result)
    {
        switch (result.Status)
        {
            case RunStatus.Completed:
                fields.WriteJson(Completed, result.ToResponse());
                break;
            case RunStatus.Failed:
                fields.WriteJson(Failed, Problem.OfRun(result, result.Error!) with { TraceId = traceId });
                break;
            case RunStatus.Cancelled:
                fields.WriteJson(Cancelled, result.ToBrokenOff());
                break;
            default:
                fields.WriteJson(Incomplete, result.ToBrokenOff());
                break;
        }
    }

    /// <summary>By hand: most events are deltas.</summary>
    private void WriteDelta(MessageDelta delta)
    {
        body.Write("event: message.delta\ndata: "u8);
        var json = fields.RentJson();
        json.WriteStartObject();
        json.WriteString("text"u8, delta.Text);
        json.WriteNumber("offset"u8, delta.Offset);
        json.WriteEndObject();
        EventFields.Return(json);
        fields.WriteEnd();
    }
}
