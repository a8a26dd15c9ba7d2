using AiChat.Core.Chats;
using Microsoft.Extensions.AI;

namespace AiChat.Core.Memory;

/// <summary>
/// What a prompt has of a chat beside the message to answer: takes stored messages newest first, as long as they fit, and gives them in
/// the form every model takes. A user's message and what follows it go in together or not at all, so that a prompt begins with a user's
/// message; only messages of the system may stand before it.
/// </summary>
/// <param name="sequence">That of the message to answer.</param>
/// <param name="budget">Most tokens of all this, estimated.</param>
internal sealed class PromptHistory(int sequence, int budget)
{
    private readonly ToolCallIds ids = new();

    /// <summary>Of the turn that is being read, newest first.</summary>
    private readonly List<HistoryMessage> open = [];

    /// <summary>Newest first.</summary>
    private readonly List<Turn> turns = [];

    /// <summary>What stands behind the message to answer; null until all of it is read.</summary>
    private Turn? later;

    private int left = budget;
    private int openTokens;

    public IEnumerable<ChatMessage> Earlier => Enumerable.Reverse(turns).SelectMany(t => t.Messages);

    public IEnumerable<ChatMessage> Later => later?.Messages ?? [];

    public int Tokens => (later?.Tokens ?? 0) + turns.Sum(t => t.Tokens);

    public int StoredMessages => (later?.StoredMessages ?? 0) + turns.Sum(t => t.StoredMessages);

    /// <summary>The sequence of the oldest message that went in; that of the message to answer when it is the oldest.</summary>
    public int FirstSequence => turns.Count == 0 ? sequence : turns[^1].FirstSequence ?? sequence;

    /// <summary>False when it is full: older messages need not be read, only <see cref="Complete"/> is left to call.</summary>
    public bool Add(HistoryMessage message)
    {
        if (message.Sequence <= sequence)
            CloseLater(isWhole: true);
        if (message.Sequence == sequence || (message.Sequence > sequence && message.Role == MessageRole.User))
            return true;

        openTokens += CountLeast(message);
        if (openTokens > left)
        {
            CloseLater(isWhole: false);
            return false;
        }

        open.Add(message);
        return message.Role != MessageRole.User || string.IsNullOrWhiteSpace(message.Content) || CloseTurn();
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

    /// <summary>
    /// What is sure before its turn is put together, where texts of the assistant may become one message. One that says nothing costs a
    /// little too, or any number of them would be read.
    /// </summary>
    private static int CountLeast(HistoryMessage message)
    {
        if (string.IsNullOrWhiteSpace(message.Content))
            return TokenEstimator.PerMessage;
        return message.Role == MessageRole.Assistant ? TokenEstimator.Count(message.Content) : TokenEstimator.CountMessage(message.Content);
    }

    private IEnumerable<HistoryMessage> Oldest() => Enumerable.Reverse(open);

    private bool CloseTurn()
    {
        var turn = new Turn([.. Oldest()], isWhole: true, ids);
        turn.CloseWithReply();
        if (turn.Tokens > left)
            return false;
        turns.Add(turn);
        Take(turn);
        return true;
    }

    private void CloseLater(bool isWhole)
    {
        if (later is not null)
            return;
        later = new Turn([.. Oldest()], isWhole, ids);
        later.OpenForReply();
        later.ShrinkTo(left);
        Take(later);
    }

    private void Take(Turn turn)
    {
        left -= turn.Tokens;
        open.Clear();
        openTokens = 0;
    }
}
