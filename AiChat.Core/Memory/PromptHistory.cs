using AiChat.Core.Chats;
using Microsoft.Extensions.AI;

namespace AiChat.Core.Memory;

/// <summary>
/// What a prompt has of a chat beside the message to answer: takes stored messages newest first, as long as they fit, and gives them in
/// the form every model takes. A user's message and what follows it go in together or not at all, so that a prompt begins with a user's
/// message; only messages of the system may stand before it. Where a turn does not fit, it goes in without its calls of tools.
/// </summary>
/// <param name="sequence">That of the message to answer.</param>
/// <param name="budget">Most tokens of all this, estimated.</param>
/// <param name="earlierTokens">Most tokens of what stands before the message to answer, estimated.</param>
internal sealed class PromptHistory(int sequence, int budget, int earlierTokens)
{
    /// <summary>Most messages that are read though they are not sure to go in.</summary>
    private const int MostInVain = 256;

    private readonly ToolCallIds ids = new();

    /// <summary>Of the turn that is being read, newest first.</summary>
    private readonly List<HistoryMessage> open = [];

    /// <summary>Newest first.</summary>
    private readonly List<Turn> turns = [];

    /// <summary>What stands behind the message to answer; null until all of it is read.</summary>
    private Turn? later;

    private int left = budget;
    private int openTokens;
    private int readInVain;

    /// <summary>Whether the turn that is being read does not fit with its calls and results.</summary>
    private bool isWithoutTools;

    /// <summary>Sequence of the newest message behind the one to answer; null when there is none.</summary>
    private int? newestLater;

    /// <summary>Whether a tool's message and one that makes calls were read of what stands behind the message to answer.</summary>
    private bool hasResult, hasExchange;

    public IEnumerable<ChatMessage> Earlier => Enumerable.Reverse(turns).SelectMany(t => t.Messages);

    public IEnumerable<ChatMessage> Later => later?.Messages ?? [];

    public int Tokens => (later?.Tokens ?? 0) + turns.Sum(t => t.Tokens);

    public int StoredMessages => (later?.StoredMessages ?? 0) + turns.Sum(t => t.StoredMessages);

    /// <summary>The sequence of the oldest message that went in; that of the message to answer when it is the oldest.</summary>
    public int FirstSequence => turns.Count == 0 ? sequence : turns[^1].FirstSequence ?? sequence;

    /// <summary>Messages behind the one to answer that stayed out because the budget was full: all that are older than those that went in.</summary>
    public int DroppedLater { get; private set; }

    /// <summary>False when it is full: older messages need not be read, only <see cref="Complete"/> is left to call.</summary>
    public bool Add(HistoryMessage message)
    {
        if (message.Sequence <= sequence)
            CloseLater(isWhole: true);
        if (message.Sequence == sequence || (message.Sequence > sequence && message.Role == MessageRole.User))
            return true;

        return later is null ? AddLater(message) : AddEarlier(message);
    }

    /// <summary>To be called once, behind the last message.</summary>
    public void Complete()
    {
        CloseLater(isWhole: true);
        // Their user's message did not fit, or there is none.
        var instructions = new Turn([.. Oldest().Where(m => m.Role == MessageRole.System)], isWhole: false, ids);
        if (instructions.FirstSequence is not null)
            turns.Add(instructions);
    }

    /// <summary>The newest calls and their results are read even where the budget is full: the results can be cut.</summary>
    private bool AddLater(HistoryMessage message)
    {
        newestLater ??= message.Sequence;
        hasResult |= message.Role == MessageRole.Tool;
        openTokens += CountRead(message);
        if (openTokens > left && (!hasResult || hasExchange || readInVain++ == MostInVain))
        {
            CloseLater(isWhole: false);
            return false;
        }

        open.Add(message);
        hasExchange |= hasResult && message.Role == MessageRole.Assistant && ToolCallReader.ReadCalls(message.ToolCalls).Count > 0;
        return true;
    }

    private bool AddEarlier(HistoryMessage message)
    {
        if (left <= 0)
            return false;
        if (isWithoutTools && SaysNothingWithoutTools(message))
            return readInVain++ < MostInVain;

        openTokens += isWithoutTools ? CountContent(message) : CountRead(message);
        open.Add(message);
        if (openTokens > left && !TryWithoutTools())
        {
            open.RemoveAll(m => m.Sequence == message.Sequence);
            return false;
        }

        return message.Role != MessageRole.User || string.IsNullOrWhiteSpace(message.Content) || CloseTurn();
    }

    /// <summary>Leaves out the calls and results of the turn that is being read: one large result must not end what a chat remembers.</summary>
    private bool TryWithoutTools()
    {
        isWithoutTools = true;
        readInVain += open.RemoveAll(SaysNothingWithoutTools);
        openTokens = open.Sum(CountContent);
        return openTokens <= left && readInVain <= MostInVain;
    }

    private static bool SaysNothingWithoutTools(HistoryMessage message) =>
        message.Role == MessageRole.Tool || string.IsNullOrWhiteSpace(message.Content);

    /// <summary>
    /// What is sure before its turn is put together, where texts of the assistant may become one message, and all the text that calls are
    /// stored in: it is read to its end, even where little of it goes in. One that says nothing costs a little too, or any number of them
    /// would be read.
    /// </summary>
    private static int CountRead(HistoryMessage message)
    {
        var calls = message is { Role: MessageRole.Assistant or MessageRole.Tool, ToolCalls: { } json } ? TokenEstimator.Count(json) : 0;
        return calls + CountContent(message);
    }

    private static int CountContent(HistoryMessage message)
    {
        if (string.IsNullOrWhiteSpace(message.Content))
            return TokenEstimator.PerMessage;
        return message.Role == MessageRole.Assistant ? TokenEstimator.Count(message.Content) : TokenEstimator.CountMessage(message.Content);
    }

    private IEnumerable<HistoryMessage> Oldest() => Enumerable.Reverse(open);

    private bool CloseTurn()
    {
        var turn = ToTurn();
        if (turn.Tokens > left && TryWithoutTools())
            turn = ToTurn();
        if (turn.Tokens > left)
            return false;
        turns.Add(turn);
        Take(turn);
        return true;
    }

    /// <summary>Calls without a result stay out by themselves.</summary>
    private Turn ToTurn()
    {
        var turn = new Turn([.. Oldest()], isWhole: true, ids);
        turn.CloseWithReply();
        return turn;
    }

    private void CloseLater(bool isWhole)
    {
        if (later is not null)
            return;
        later = new Turn([.. Oldest()], isWhole, ids);
        later.OpenForReply();
        var isShort = later.ShrinkTo(left) || !isWhole;
        DroppedLater = isShort ? (later.FirstSequence ?? (newestLater ?? sequence) + 1) - sequence - 1 : 0;
        Take(later);
        left = Math.Min(left, earlierTokens);
    }

    private void Take(Turn turn)
    {
        left -= turn.Tokens;
        open.Clear();
        openTokens = 0;
        isWithoutTools = false;
    }
}
