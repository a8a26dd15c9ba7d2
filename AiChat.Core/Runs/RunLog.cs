using System.Runtime.CompilerServices;
using System.Text;
using AiChat.Core.WebSearch;

namespace AiChat.Core.Runs;

/// <summary>
/// The events of one run: its text, with a few marks in it. Nobody is handed an event any other way. Followers read it from wherever they
/// are, as fast as they can, and a slow one gets more text at once instead of a queue of its own. Safe to use from many threads; one of
/// them writes.
/// </summary>
public sealed class RunLog
{
    /// <summary>
    /// Positions that are left out where a process died: beyond what was stored it may have shown text that is lost, and a position of
    /// that text must not mean something else now. More than any reply is long.
    /// </summary>
    public const long CrashGap = 1L << 24;

    /// <summary>How often a follower is told that nothing happens; the silence is never longer than twice this.</summary>
    public static readonly TimeSpan KeepAliveInterval = TimeSpan.FromSeconds(7);

    /// <summary>UTF-16 code units of one delta: what a slow follower can make the server hold.</summary>
    private const int LongestDelta = 32 * 1024;

    private readonly Lock gate = new();
    private readonly RunStarted started;
    private readonly TimeProvider time;
    private readonly StringBuilder text = new();
    private readonly List<RunMark> marks = [];
    private Follower[] followers = [];
    private RunEnded? end;
    private char? halfCharacter;
    private int flushed;
    private int flushedMarks;
    private bool isFlushing;
    private List<RunText> unconfirmed = [];
    private bool isClosed;
    private bool isBroken;
    private bool isCondensed;
    private bool isMirror;

    public RunLog(RunStarted started, TimeProvider time) => (this.started, this.time) = (started, time);

    /// <inheritdoc cref="RunStarted.AssistantMessageId"/>
    public string MessageId => started.AssistantMessageId;

    /// <summary>Number of the attempt that begins, or goes on, when nothing was asked of a model yet.</summary>
    public int Attempt
    {
        get
        {
            lock (gate)
                return marks.OfType<RunContinued>().LastOrDefault()?.Attempt ?? started.Attempt;
        }
    }

    /// <summary>UTF-16 code units of the reply so far.</summary>
    public int Length
    {
        get
        {
            lock (gate)
                return text.Length;
        }
    }

    /// <summary>Whether some of the text is in the database already, or on its way there.</summary>
    public bool HasFlushed
    {
        get
        {
            lock (gate)
                return isFlushing || flushed > 0;
        }
    }

    /// <summary>The log of a run as the database has it.</summary>
    /// <param name="started">How the log begins.</param>
    /// <param name="time">The clock.</param>
    /// <param name="text">The reply as far as it was stored.</param>
    /// <param name="marks">What happened in between, in order.</param>
    /// <param name="result">The end; null for a run that is about to go on.</param>
    /// <param name="isCondensed">Whether only the whole text is left of it, and not its steps.</param>
    public static RunLog Restore(
        RunStarted started, TimeProvider time, string text, IEnumerable<RunMark> marks, RunResult? result, bool isCondensed = false)
    {
        var log = new RunLog(started, time) { flushed = text.Length, isCondensed = isCondensed };
        log.text.Append(text);
        log.marks.AddRange(marks);
        log.flushedMarks = log.marks.Count;
        if (result is not null)
            log.end = new RunEnded(result.LastSequence ?? log.GetSequence(text.Length) + 1, result);
        return log;
    }

    /// <summary>
    /// The log of a run that another process writes, as far as it is stored; <see cref="Take"/> adds what comes. A follower may have seen more
    /// of it than is here: its position is waited for.
    /// </summary>
    public static RunLog Mirror(RunStarted started, TimeProvider time, string text, IEnumerable<RunMark> marks)
    {
        var log = Restore(started, time, text, marks, result: null);
        log.isMirror = true;
        return log;
    }

    public string GetText()
    {
        lock (gate)
            return text.ToString();
    }

    /// <summary>Adds text; followers see it with the next <see cref="Publish"/> or when they look.</summary>
    public void Append(string piece)
    {
        lock (gate)
        {
            if (halfCharacter is null && piece.AsSpan().IndexOfAnyInRange('\ud800', '\udfff') < 0 && !piece.Contains('\0'))
                text.Append(piece);
            else
                AppendCleaned(piece);
        }
    }

    /// <summary>From here on another attempt writes the text.</summary>
    public void Continue(int attempt)
    {
        lock (gate)
        {
            EndCharacter();
            marks.Add(new RunContinued(GetSequence(text.Length) + 1, text.Length, attempt));
        }
    }

    /// <summary>Notes what the reply will be based on; followers see it with the next <see cref="Publish"/> or when they look.</summary>
    public void Add(Source source)
    {
        lock (gate)
            marks.Add(new SourceFound(GetSequence(text.Length) + 1, text.Length, source));
    }

    public IReadOnlyList<RunMark> GetMarks()
    {
        lock (gate)
            return [.. marks];
    }

    /// <summary>The marks the database may not have yet.</summary>
    public IReadOnlyList<RunMark> GetUnflushedMarks()
    {
        lock (gate)
            return marks.GetRange(flushedMarks, marks.Count - flushedMarks);
    }

    public IReadOnlyList<Source> GetSources()
    {
        lock (gate)
            return [.. marks.OfType<SourceFound>().Select(m => m.Source)];
    }

    /// <summary>The position behind everything there is.</summary>
    public long Position
    {
        get
        {
            lock (gate)
                return GetSequence(text.Length);
        }
    }

    /// <summary>Adds what another process has stored of its reply, as far as it follows on what is here, and wakes the followers.</summary>
    public void Take(IReadOnlyList<RunText> stored)
    {
        lock (gate)
        {
            foreach (var next in stored)
            {
                if (next.Offset != text.Length)
                    break;
                if (next.Mark is null)
                    text.Append(next.Text);
                else
                    marks.Add(next.Mark);
            }
        }

        Publish();
    }

    /// <summary>Adds what is missing of a reply that has ended in another process, which is the end of it.</summary>
    public void TakeRest(string reply, IReadOnlyList<RunMark> allMarks)
    {
        lock (gate)
        {
            marks.AddRange(allMarks.Skip(marks.Count));
            if (reply.Length > text.Length)
                text.Append(reply, text.Length, reply.Length - text.Length);
            isClosed = true;
        }
    }

    /// <summary>Wakes the followers.</summary>
    public void Publish()
    {
        var current = Volatile.Read(ref followers);
        if (current.Length == 0)
            return;
        for (var i = 1; i < current.Length; i++)
            current[i].Signal.Set();
        // Most runs have one follower, the request that brought it: it goes on right here, and nobody has to be woken.
        current[0].Signal.Set(isInline: true);
    }

    /// <summary>Where the end will be, once it is stored. No text may come any more.</summary>
    public long Close()
    {
        lock (gate)
        {
            EndCharacter();
            isClosed = true;
            return GetSequence(text.Length) + 1;
        }
    }

    /// <summary>Shows the end, which is stored by now.</summary>
    public void End(RunResult result)
    {
        lock (gate)
            end = new RunEnded(result.LastSequence!.Value, result);
        Publish();
    }

    /// <summary>Lets the followers go without an end: it could not be stored, and the next process settles the run.</summary>
    public void Break()
    {
        lock (gate)
            isBroken = true;
        Publish();
    }

    /// <summary>
    /// What is not in the database yet, to be stored now, in order; empty when all of it is, or will be with the end. Until it is said to be
    /// stored it is the very same, because it may be: where the answer of the database was lost, a longer piece from the same place would
    /// stand there beside it.
    /// </summary>
    public IReadOnlyList<RunText> GetUnflushed()
    {
        lock (gate)
        {
            if (isClosed || (text.Length == flushed && marks.Count == flushedMarks))
                return [];
            if (unconfirmed.Count > 0)
                return unconfirmed;
            isFlushing = true;
            var pieces = new List<RunText>();
            var offset = flushed;
            for (var i = flushedMarks; i < marks.Count; i++)
            {
                AddPiece(i);
                pieces.Add(new RunText(started.RunId, marks[i].Sequence, marks[i].Offset, "", marks[i]));
            }

            AddPiece(marks.Count);
            unconfirmed = pieces;
            return pieces;

            void AddPiece(int passedMarks)
            {
                var limit = GetLimit(passedMarks);
                if (offset < limit)
                    pieces.Add(new RunText(started.RunId, GetSequence(limit, passedMarks), offset, text.ToString(offset, limit - offset)));
                offset = limit;
            }
        }
    }

    public void SetFlushed(IReadOnlyList<RunText> stored)
    {
        if (stored.Count == 0)
            return;
        lock (gate)
        {
            flushed = stored[^1].Offset + stored[^1].Text.Length;
            flushedMarks += stored.Count(s => s.Mark is not null);
            unconfirmed = [];
        }
    }

    /// <summary>
    /// Every event behind the position, then each new one as it comes, up to the end. Ends early, without one, when the process can no
    /// longer store it. Silence is filled with <see cref="KeepAlive"/>. A position of an earlier attempt starts over; one that is nowhere, or
    /// whose steps are not kept any more, is answered with a <see cref="RunSnapshot"/>.
    /// </summary>
    /// <param name="after">The position of the last event seen; 0 for none.</param>
    /// <param name="cancellationToken">Ends the following, never the run.</param>
    public async IAsyncEnumerable<RunEvent> FollowAsync(long after, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        using var follower = new Follower(this, cancellationToken);
        // Attached first, so that nothing falls between what is read now and what comes.
        var cursor = Locate(after);
        var isFirst = true;
        while (true)
        {
            while (Read(ref cursor) is { } next)
            {
                follower.TakeNews();
                isFirst = false;
                yield return next;
            }

            if (IsOver(cursor))
                yield break;
            // At once where there is nothing to replay: the follower learns that it is heard.
            if (follower.TakeKeepAlive() || isFirst)
                yield return KeepAlive.Instance;
            isFirst = false;
            await follower.Signal.WaitAsync();
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    /// <summary>Whether a follower at this position has seen the end.</summary>
    public bool IsAtEnd(long after)
    {
        lock (gate)
            return after == end?.Sequence;
    }

    /// <summary>Pieces that end inside a character wait for the rest of it; what is no character at all becomes U+FFFD.</summary>
    private void AppendCleaned(string piece)
    {
        var whole = halfCharacter is { } first ? first + piece : piece;
        halfCharacter = whole.Length > 0 && char.IsHighSurrogate(whole[^1]) ? whole[^1] : null;
        if (halfCharacter is not null)
            whole = whole[..^1];
        foreach (var rune in whole.EnumerateRunes())
            text.Append((rune.Value == 0 ? Rune.ReplacementChar : rune).ToString());
    }

    private void EndCharacter()
    {
        if (halfCharacter is not null)
            text.Append(Rune.ReplacementChar.ToString());
        halfCharacter = null;
    }

    private long GetSequence(int offset) => GetSequence(offset, marks.Count);

    /// <summary>The position of an offset behind so many marks.</summary>
    private long GetSequence(int offset, int passedMarks) =>
        passedMarks == 0 ? started.Sequence + offset : marks[passedMarks - 1].Sequence + (offset - marks[passedMarks - 1].Offset);

    private Cursor Locate(long after)
    {
        lock (gate)
        {
            if (after < started.Sequence)
                return new Cursor { IsBeforeStart = true };

            var passed = marks.Count(m => m.Sequence <= after);
            var (mark, markOffset) = passed == 0 ? (started.Sequence, 0) : (marks[passed - 1].Sequence, marks[passed - 1].Offset);
            var offset = markOffset + (after - mark);
            if (after == end?.Sequence)
                return new Cursor { Offset = text.Length, Marks = marks.Count, IsAfterEnd = true };
            // Shown by the process that writes it, and not stored yet.
            if (isMirror && end is null && passed == marks.Count && offset > text.Length)
                return new Cursor { Awaited = after };
            // Nowhere: behind what a crash left of the text, behind everything, or inside a character.
            return offset > GetLimit(passed) || (offset < text.Length && char.IsLowSurrogate(text[(int)offset]))
                ? new Cursor { IsLost = true }
                : new Cursor { Offset = (int)offset, Marks = passed };
        }
    }

    private bool IsOver(Cursor cursor)
    {
        lock (gate)
            return cursor.IsAfterEnd || isBroken;
    }

    /// <summary>The next event at the cursor; null when there is none, yet or ever.</summary>
    private RunEvent? Read(ref Cursor cursor)
    {
        lock (gate)
        {
            if (cursor.Awaited is { } position)
                cursor = Locate(position);
            if (cursor.IsAfterEnd || cursor.Awaited is not null)
                return null;
            if (cursor.IsBeforeStart)
            {
                cursor.IsBeforeStart = false;
                return started;
            }

            if (cursor.IsLost || (isCondensed && cursor.Offset < text.Length))
            {
                cursor = new Cursor { Offset = text.Length, Marks = marks.Count };
                return new RunSnapshot(GetSequence(text.Length), text.ToString()) { Sources = FindSources() };
            }

            if (cursor.Offset < GetLimit(cursor.Marks))
                return ReadText(ref cursor);
            if (cursor.Marks < marks.Count)
                return marks[cursor.Marks++];

            cursor.IsAfterEnd = end is not null;
            return end;
        }
    }

    /// <summary>Those among the marks; when these are not kept any more, those of the result.</summary>
    private IReadOnlyList<Source> FindSources() => GetSources() is { Count: > 0 } marked ? marked : end?.Result.Sources ?? [];

    private MessageDelta ReadText(ref Cursor cursor)
    {
        var length = Math.Min(GetLimit(cursor.Marks) - cursor.Offset, LongestDelta);
        if (length == LongestDelta && char.IsHighSurrogate(text[cursor.Offset + length - 1]))
            length--;
        var offset = cursor.Offset;
        cursor.Offset += length;
        return new MessageDelta(GetSequence(cursor.Offset, cursor.Marks), offset, text.ToString(offset, length));
    }

    /// <summary>Where the text ends that stands between this mark and the next one.</summary>
    private int GetLimit(int passedMarks) => passedMarks < marks.Count ? marks[passedMarks].Offset : text.Length;

    private void Attach(Follower follower)
    {
        lock (gate)
            followers = [.. followers, follower];
    }

    private void Detach(Follower follower)
    {
        lock (gate)
            followers = Array.FindAll(followers, f => f != follower);
    }

    private struct Cursor
    {
        public int Offset;
        public int Marks;
        public bool IsBeforeStart;
        public bool IsLost;
        public bool IsAfterEnd;
        public long? Awaited;
    }

    /// <summary>Whoever waits for news of the log.</summary>
    private sealed class Follower : IDisposable
    {
        private readonly RunLog log;
        private readonly ITimer timer;
        private readonly CancellationTokenRegistration cancellation;
        private volatile bool isKeepAliveDue;
        private volatile bool hasNews;

        public Follower(RunLog log, CancellationToken cancellationToken)
        {
            this.log = log;
            cancellation = cancellationToken.UnsafeRegister(static f => ((Follower)f!).Signal.Set(), this);
            timer = log.time.CreateTimer(static f => ((Follower)f!).Tick(), this, KeepAliveInterval, KeepAliveInterval);
            log.Attach(this);
        }

        public RunSignal Signal { get; } = new();

        /// <summary>An event goes out: there is no silence to fill, however long it was until now.</summary>
        public void TakeNews()
        {
            hasNews = true;
            isKeepAliveDue = false;
        }

        public bool TakeKeepAlive()
        {
            var isDue = isKeepAliveDue;
            isKeepAliveDue = false;
            return isDue;
        }

        public void Dispose()
        {
            log.Detach(this);
            timer.Dispose();
            cancellation.Dispose();
        }

        private void Tick()
        {
            if (hasNews)
            {
                hasNews = false;
                return;
            }

            isKeepAliveDue = true;
            Signal.Set(isInline: true);
        }
    }
}
