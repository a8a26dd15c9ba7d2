using System.Text;
using System.Text.Json;

namespace AiChat.Tests.Support;

/// <summary>Why reading a stream stopped.</summary>
public enum StreamStop
{
    /// <summary>With the run's end event and the end of the body behind it.</summary>
    Ended,
    /// <summary>Because the reader wanted no more.</summary>
    Left,
    /// <summary>The body or the connection ended before the run did.</summary>
    Broken,
}

/// <summary>
/// What a good client makes of a run's events, over as many connections as it takes, and every breach of the protocol it noticed.
/// </summary>
public sealed class RunTranscript
{
    private readonly StringBuilder text = new();
    private readonly List<string> violations = [];
    private readonly List<SseEvent> events = [];
    private long lastSequence = -1;
    private SseConnection? current;
    private bool isConnectionFresh;

    public string Text => text.ToString();

    public int Length => text.Length;

    public string? RunId { get; private set; }

    /// <summary>Where a further connection has to go on; null before the first event.</summary>
    public string? LastEventId { get; private set; }

    /// <summary>The newest <c>run.started</c>.</summary>
    public SseEvent? Started { get; private set; }

    /// <summary>How the run ended; null before that.</summary>
    public SseEvent? End { get; private set; }

    /// <summary>The status the end event tells, such as <c>completed</c>; null before the end.</summary>
    public string? EndStatus => End?.Name["run.".Length..];

    public IReadOnlyList<SseEvent> Events => events;

    public IReadOnlyList<string> Violations => violations;

    /// <summary>
    /// Reads a connection's events until the run ends, the reader has enough or the connection breaks. A reader that has left can go on
    /// with the same connection.
    /// </summary>
    public async Task<StreamStop> ReadAsync(SseConnection connection, Func<RunTranscript, bool>? isEnough = null)
    {
        if (connection != current)
            (current, isConnectionFresh) = (connection, true);
        if (isEnough?.Invoke(this) == true)
            return StreamStop.Left;
        try
        {
            var hasEnded = false;
            while (await connection.ReadEventAsync() is { } item)
            {
                Add(item);
                hasEnded |= item.IsEnd;
                if (isEnough?.Invoke(this) == true)
                    return StreamStop.Left;
            }

            return hasEnded ? StreamStop.Ended : StreamStop.Broken;
        }
        catch (IOException)
        {
            return StreamStop.Broken;
        }
    }

    private void Add(SseEvent item)
    {
        CheckId(item);
        if (item.Json.ValueKind != JsonValueKind.Object || item.Data.Contains('\n', StringComparison.Ordinal))
            violations.Add($"{Name(item)} does not carry one line of JSON with an object.");
        else
            Apply(item);
        events.Add(item);
        LastEventId = item.Id ?? LastEventId;
        lastSequence = item.Sequence ?? lastSequence;
        isConnectionFresh = false;
    }

    private static string Name(SseEvent item) => $"{item.Name} ({item.Id ?? "without id"})";

    private void CheckId(SseEvent item)
    {
        if (item.Sequence is not { } sequence)
        {
            violations.Add($"{Name(item)} has no id of the form run:sequence.");
            return;
        }

        RunId ??= item.RunId;
        if (item.RunId != RunId)
            violations.Add($"{Name(item)} is of another run than {RunId}.");
        // A new connection may begin anew, or with the whole text in place of what it cannot tell any more.
        if (sequence <= lastSequence && !(isConnectionFresh && item.Name is "run.started" or "run.snapshot"))
            violations.Add($"{Name(item)} comes behind sequence {lastSequence}.");
    }

    private void Apply(SseEvent item)
    {
        if (End is not null && item.Name != "run.started")
            violations.Add($"{Name(item)} comes behind the end, {Name(End)}.");
        if (events.Count == 0 && item.Name is not ("run.started" or "run.snapshot"))
            violations.Add($"{Name(item)} comes first.");

        switch (item.Name)
        {
            case "run.started":
                text.Clear();
                Started = item;
                End = null;
                break;
            case "message.delta":
                ApplyDelta(item);
                break;
            case "run.snapshot":
                text.Clear().Append(GetText(item));
                break;
            case "run.continued":
                CheckOffset(item);
                break;
            default:
                ApplyEnd(item);
                break;
        }
    }

    private void ApplyDelta(SseEvent item)
    {
        CheckOffset(item);
        text.Append(GetText(item));
    }

    private void ApplyEnd(SseEvent item)
    {
        if (!item.IsEnd)
        {
            violations.Add($"{Name(item)} is no event of a run.");
            return;
        }

        End = item;
        if (item.Json.TryGetProperty("reply", out var reply) && reply.ValueKind == JsonValueKind.String && reply.GetString() != Text)
            violations.Add($"{Name(item)} tells another text than the events before it: {TextDifference.Describe(reply.GetString()!, Text)}.");
    }

    private string GetText(SseEvent item)
    {
        if (item.Json.TryGetProperty("text", out var piece) && piece.ValueKind == JsonValueKind.String)
            return piece.GetString()!;
        violations.Add($"{Name(item)} has no text.");
        return "";
    }

    private void CheckOffset(SseEvent item)
    {
        if (!item.Json.TryGetProperty("offset", out var offset) || !offset.TryGetInt32(out var value))
            violations.Add($"{Name(item)} has no offset.");
        else if (value != text.Length)
            violations.Add($"{Name(item)} has offset {value}, the text so far has length {text.Length}.");
    }
}
