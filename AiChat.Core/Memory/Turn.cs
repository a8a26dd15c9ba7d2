using AiChat.Core.Chats;
using AiChat.Core.Models;
using Microsoft.Extensions.AI;

namespace AiChat.Core.Memory;

/// <summary>
/// A user's message and what follows it up to the next one, in the form that every model takes: blank messages say nothing and are gone,
/// texts of the assistant in a row are one message, and every call of a tool has its one result right behind it.
/// </summary>
internal sealed class Turn
{
    /// <summary>The end of a result that was cut.</summary>
    public const string RestLeftOut = "\n(The rest of this result was left out: it is too long.)";

    private readonly List<Piece> pieces = [];
    private readonly ToolCallIds ids;

    /// <param name="messages">Oldest first; only the first may be the user's.</param>
    /// <param name="isWhole">False when older ones of the turn are missing: results without a call stay out then, theirs may be among them.</param>
    /// <param name="ids">Those of the prompt.</param>
    public Turn(IReadOnlyList<HistoryMessage> messages, bool isWhole, ToolCallIds ids)
    {
        this.ids = ids;
        // Most turns have no tools: they pay nothing for them.
        var pairing = messages.Any(m => m.Role == MessageRole.Tool) ? new ToolPairing(messages) : null;
        var said = new List<HistoryMessage>();
        foreach (var message in messages)
        {
            if (message.Role == MessageRole.Assistant)
                AddAssistant(message, pairing is null ? [] : [.. pairing.GetAnswered(message)], said);
            else if (message.Role != MessageRole.Tool)
                AddText(message, said);
            else if (isWhole && pairing?.GetOwn(message) is { } own)
                AddCalls(message.Sequence, stored: 0, [(own, message)], said);
        }

        AddSaid(said);
    }

    public IEnumerable<ChatMessage> Messages => pieces.Select(p => p.Message);

    public int Tokens { get; private set; }

    /// <summary>How many stored messages are in it.</summary>
    public int StoredMessages => pieces.Sum(p => p.Stored);

    /// <summary>The sequence of the oldest of them; null when there is none.</summary>
    public int? FirstSequence => pieces.Count == 0 ? null : pieces[0].Sequence;

    /// <summary>Makes a user's message possible behind it: some models refuse one that follows another, or a tool's result.</summary>
    public void CloseWithReply()
    {
        if (FindEnd() is { } end && pieces[end].Message.Role != ChatRole.Assistant)
            Add(new Piece(new ChatMessage(ChatRole.Assistant, ContextBuilder.MissingReply), 0, pieces[end].Sequence));
    }

    /// <summary>Makes a reply possible behind it: a text of the assistant at the end would be continued by some models.</summary>
    public void OpenForReply()
    {
        while (FindEnd() is { } end && pieces[end].Message.Role == ChatRole.Assistant)
            RemoveAt(end);
    }

    /// <summary>
    /// Leaves the oldest out until the rest fits; calls go with their results. Before the newest of them go, their longest results are cut.
    /// </summary>
    /// <returns>Whether a message was left out.</returns>
    public bool ShrinkTo(int tokens)
    {
        var all = pieces.Count;
        var exchange = pieces.FindLastIndex(p => p.Message.Contents.Any(c => c is FunctionCallContent));
        LeaveOut(tokens, exchange < 0 ? all : exchange);
        if (Tokens > tokens && exchange >= 0)
            CutResults(tokens);
        LeaveOut(tokens, pieces.Count);
        return pieces.Count < all;
    }

    /// <param name="tokens">Most tokens of the rest.</param>
    /// <param name="most">Most messages to leave out.</param>
    private void LeaveOut(int tokens, int most)
    {
        var count = 0;
        while (count < most && (Tokens > tokens || (count > 0 && pieces[count].Message.Role == ChatRole.Tool)))
            Tokens -= pieces[count++].Tokens;
        pieces.RemoveRange(0, count);
    }

    /// <summary>Cuts the longest to one length; none where even the note would not fit.</summary>
    private void CutResults(int tokens)
    {
        var results = Enumerable.Range(0, pieces.Count).Where(i => pieces[i].Message.Role == ChatRole.Tool).OrderBy(i => pieces[i].Tokens).ToList();
        var room = tokens - Tokens + results.Sum(i => pieces[i].Tokens);
        var whole = 0;
        while (whole < results.Count && pieces[results[whole]].Tokens <= room / (results.Count - whole))
            room -= pieces[results[whole++]].Tokens;
        if (whole == results.Count || room / (results.Count - whole) < TokenEstimator.CountMessage(RestLeftOut))
            return;

        var length = room / (results.Count - whole) - TokenEstimator.CountMessage(RestLeftOut);
        foreach (var i in results.Skip(whole))
            Replace(i, Cut(pieces[i], length));
    }

    private static Piece Cut(Piece piece, int tokens)
    {
        var result = piece.Message.Contents.OfType<FunctionResultContent>().Single();
        var text = TokenEstimator.Cut(result.GetResultText(), tokens) + RestLeftOut;
        return new Piece(new ChatMessage(ChatRole.Tool, [new FunctionResultContent(result.CallId, text)]), piece.Stored, piece.Sequence);
    }

    private void Replace(int index, Piece piece)
    {
        Tokens += piece.Tokens - pieces[index].Tokens;
        pieces[index] = piece;
    }

    private void AddText(HistoryMessage message, List<HistoryMessage> said)
    {
        if (string.IsNullOrWhiteSpace(message.Content))
            return;
        AddSaid(said);
        Add(new Piece(new ChatMessage(message.Role == MessageRole.User ? ChatRole.User : ChatRole.System, message.Content), 1, message.Sequence));
    }

    /// <summary>Its text is joined to those before it; its calls end them, because their results stand behind.</summary>
    private void AddAssistant(HistoryMessage message, IReadOnlyList<(ToolCall Call, HistoryMessage Result)> answered, List<HistoryMessage> said)
    {
        var isBlank = string.IsNullOrWhiteSpace(message.Content);
        if (!isBlank)
            said.Add(message);
        if (answered.Count > 0)
            AddCalls(message.Sequence, stored: isBlank ? 1 : 0, answered, said);
    }

    /// <param name="sequence">That of the stored message.</param>
    /// <param name="stored">1 where that has calls and no text; 0 where it has text, or only the result was stored.</param>
    /// <param name="answered">The calls and their results.</param>
    /// <param name="said">The texts in front of them, which are one message with them.</param>
    private void AddCalls(int sequence, int stored, IReadOnlyList<(ToolCall Call, HistoryMessage Result)> answered, List<HistoryMessage> said)
    {
        var contents = new List<AIContent>();
        var first = said.Count > 0 ? said[0].Sequence : sequence;
        stored += said.Count;
        if (said.Count > 0)
            contents.Add(Join(said));

        var results = new List<Piece>();
        foreach (var (call, result) in answered)
        {
            var id = ids.Take(call.Id, sequence, results.Count + 1);
            contents.Add(new FunctionCallContent(id, call.Name!, call.Arguments));
            results.Add(new Piece(new ChatMessage(ChatRole.Tool, [new FunctionResultContent(id, result.Content)]), 1, result.Sequence));
        }

        Add(new Piece(new ChatMessage(ChatRole.Assistant, contents), stored, first));
        results.ForEach(Add);
    }

    private void AddSaid(List<HistoryMessage> said)
    {
        if (said.Count == 0)
            return;
        var (stored, first) = (said.Count, said[0].Sequence);
        Add(new Piece(new ChatMessage(ChatRole.Assistant, [Join(said)]), stored, first));
    }

    private static TextContent Join(List<HistoryMessage> said)
    {
        var text = new TextContent(said.Count == 1 ? said[0].Content : string.Join("\n\n", said.Select(s => s.Content)));
        said.Clear();
        return text;
    }

    private int? FindEnd()
    {
        var end = pieces.FindLastIndex(p => p.Message.Role != ChatRole.System);
        return end < 0 ? null : end;
    }

    private void Add(Piece piece)
    {
        pieces.Add(piece);
        Tokens += piece.Tokens;
    }

    private void RemoveAt(int index)
    {
        Tokens -= pieces[index].Tokens;
        pieces.RemoveAt(index);
    }

    /// <param name="Message">As it is sent.</param>
    /// <param name="Stored">How many stored messages it was made from; 0 for one that was not stored.</param>
    /// <param name="Sequence">That of the first of them.</param>
    private sealed record Piece(ChatMessage Message, int Stored, int Sequence)
    {
        public int Tokens { get; } = TokenEstimator.CountMessage(Message);
    }
}
