using AiChat.Core.Chats;

namespace AiChat.Core.Memory;

/// <summary>
/// Which tool's message answers which call. Models take a call only with its one result behind it, and a result only behind its call; what
/// clients store is often less tidy.
/// </summary>
internal sealed class ToolPairing
{
    private readonly Dictionary<int, List<Call>> calls = [];
    private readonly Dictionary<int, ToolCall> own = [];

    /// <summary>By id those without a result yet, on top the first of the newest message.</summary>
    private readonly Dictionary<string, Stack<Call>> open = new(StringComparer.Ordinal);

    /// <summary>By id the newest.</summary>
    private readonly Dictionary<string, ToolCall> newest = new(StringComparer.Ordinal);

    /// <param name="messages">Of one turn, oldest first.</param>
    public ToolPairing(IReadOnlyList<HistoryMessage> messages)
    {
        // Calls nobody answers are left out, so they need not be understood.
        if (!messages.Any(m => m.Role == MessageRole.Tool))
            return;

        List<Call> latest = [];
        var unpaired = new List<Result>();
        foreach (var message in messages)
        {
            if (message.Role == MessageRole.Assistant)
                latest = AddCalls(message) ?? latest;
            else if (message.Role == MessageRole.Tool && !PairById(message, out var known))
                unpaired.Add(new Result(message, known, known?.Id is { } id ? newest.GetValueOrDefault(id) : null, latest));
        }

        // All ids first: a result without one must not take the call of another that comes later.
        unpaired.ForEach(PairByPlace);
    }

    /// <summary>The calls of the assistant's message that have a result, in order, each with its result.</summary>
    public IEnumerable<(ToolCall Call, HistoryMessage Result)> GetAnswered(HistoryMessage message)
    {
        foreach (var call in calls.GetValueOrDefault(message.Sequence, []))
        {
            if (call.Result is { } result)
                yield return (call.Description, result);
        }
    }

    /// <summary>The call to put before a tool's message that answers none of the stored ones; null for one that does, or says nothing.</summary>
    public ToolCall? GetOwn(HistoryMessage message) => own.GetValueOrDefault(message.Sequence);

    /// <summary>Null when it makes none.</summary>
    private List<Call>? AddCalls(HistoryMessage message)
    {
        var added = ToolCallReader.ReadCalls(message.ToolCalls).Select(c => new Call(c)).ToList();
        if (added.Count == 0)
            return null;

        calls[message.Sequence] = added;
        foreach (var call in Enumerable.Reverse(added))
        {
            if (call.Description.Id is not { } id)
                continue;
            if (!open.TryGetValue(id, out var same))
                open[id] = same = [];
            same.Push(call);
        }

        foreach (var call in added)
        {
            if (call.Description.Id is { } id)
                newest[id] = call.Description;
        }

        return added;
    }

    private bool PairById(HistoryMessage message, out ToolCall? known)
    {
        known = ToolCallReader.ReadAnswered(message.ToolCalls);
        if (known?.Id is not { } id || !open.TryGetValue(id, out var same) || !same.TryPop(out var call))
            return false;
        call.Result = message;
        return true;
    }

    private void PairByPlace(Result result)
    {
        var (message, known, answered, latest) = result;
        // A second result of one call.
        if (answered is not null)
        {
            own[message.Sequence] = answered;
            return;
        }

        var first = latest.Find(c => c.Result is null && (known?.Name ?? c.Description.Name) == c.Description.Name);
        if (first is not null)
            first.Result = message;
        else if (known is not null || !string.IsNullOrWhiteSpace(message.Content))
            own[message.Sequence] = (known ?? new ToolCall()) with { Name = known?.Name ?? ToolCall.UnknownName };
    }

    private sealed class Call(ToolCall description)
    {
        public ToolCall Description { get; } = description;
        public HistoryMessage? Result { get; set; }
    }

    /// <param name="Message">The tool's.</param>
    /// <param name="Known">What it tells of its call.</param>
    /// <param name="Answered">The call with its id, which another result has.</param>
    /// <param name="Latest">The calls of the newest message before it that makes any.</param>
    private sealed record Result(HistoryMessage Message, ToolCall? Known, ToolCall? Answered, List<Call> Latest);
}
