using AiChat.Core.Chats;

namespace AiChat.Core.Memory;

/// <summary>
/// Which tool's message answers which call. Models take a call only with its one result behind it, and a result only behind its call; what
/// clients store is often less tidy.
/// </summary>
internal sealed class ToolPairing
{
    private readonly List<Call> calls = [];
    private readonly Dictionary<int, ToolCall> own = [];

    /// <param name="messages">Of one turn, oldest first.</param>
    public ToolPairing(IReadOnlyList<HistoryMessage> messages)
    {
        // Calls nobody answers are left out, so they need not be understood.
        if (!messages.Any(m => m.Role == MessageRole.Tool))
            return;

        var results = new List<Result>();
        foreach (var message in messages)
        {
            if (message.Role == MessageRole.Assistant)
                calls.AddRange(ToolCallReader.ReadCalls(message.ToolCalls).Select(c => new Call(message.Sequence, c)));
            else if (message.Role == MessageRole.Tool)
                results.Add(new Result(message, ToolCallReader.ReadAnswered(message.ToolCalls)));
        }

        // All ids first: a result without one must not take the call of another that comes later.
        foreach (var result in results.Where(r => !PairById(r)).ToList())
            PairByPlace(result);
    }

    /// <summary>The calls of the assistant's message that have a result, in order, each with its result.</summary>
    public IEnumerable<(ToolCall Call, HistoryMessage Result)> GetAnswered(HistoryMessage message)
    {
        foreach (var call in calls)
        {
            if (call.Sequence == message.Sequence && call.Result is { } result)
                yield return (call.Description, result);
        }
    }

    /// <summary>The call to put before a tool's message that answers none of the stored ones; null for one that does, or says nothing.</summary>
    public ToolCall? GetOwn(HistoryMessage message) => own.GetValueOrDefault(message.Sequence);

    private bool PairById(Result result)
    {
        if (result.Known?.Id is not { } id)
            return false;

        Call? latest = null;
        foreach (var call in calls)
        {
            var isOpen = call.Result is null && call.Description.Id == id && call.Sequence < result.Message.Sequence;
            if (isOpen && (latest is null || call.Sequence > latest.Sequence))
                latest = call;
        }

        if (latest is null)
            return false;
        latest.Result = result.Message;
        return true;
    }

    private void PairByPlace(Result result)
    {
        var (message, known) = result;
        var before = calls.FindAll(c => c.Sequence < message.Sequence);
        // A second result of one call.
        if (known?.Id is { } id && before.FindLast(c => c.Description.Id == id) is { } answered)
        {
            own[message.Sequence] = answered.Description;
            return;
        }

        var open = before.Find(c => c.Sequence == before[^1].Sequence && c.Result is null && (known?.Name ?? c.Description.Name) == c.Description.Name);
        if (open is not null)
            open.Result = message;
        else if (known is not null || !string.IsNullOrWhiteSpace(message.Content))
            own[message.Sequence] = (known ?? new ToolCall()) with { Name = known?.Name ?? ToolCall.UnknownName };
    }

    private sealed class Call(int sequence, ToolCall description)
    {
        public int Sequence { get; } = sequence;
        public ToolCall Description { get; } = description;
        public HistoryMessage? Result { get; set; }
    }

    private sealed record Result(HistoryMessage Message, ToolCall? Known);
}
