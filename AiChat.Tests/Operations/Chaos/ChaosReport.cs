using System.Collections.Concurrent;
using System.Globalization;

namespace AiChat.Tests.Operations.Chaos;

/// <summary>What was done, and every promise that was not kept, as a sentence.</summary>
internal sealed class ChaosReport(ChaosOptions options)
{
    private const int MostShown = 50;

    private readonly ConcurrentQueue<string> violations = new();
    private readonly ConcurrentDictionary<string, int> endings = new();
    private int kills;
    private int killsDuringStart;
    private int sends;
    private int resumes;
    private int keyedRetries;
    private int drops;
    private int cancels;
    private int runRetries;
    private int snapshots;
    private int continuations;
    private int pauses;
    private int moves;
    private int takenOver;

    public IReadOnlyList<string> Violations => [.. violations];

    public int Kills => kills;

    /// <summary>Kills and pauses.</summary>
    public int Interruptions => kills + pauses;

    public int Sends => sends;

    public int Resumes => resumes;

    public int KeyedRetries => keyedRetries;

    public int Moves => moves;

    /// <summary>One line: the work, and how many promises were broken.</summary>
    public string Summary => string.Create(CultureInfo.InvariantCulture,
        $"{kills} kills, {sends} sends, {resumes} resumes, {keyedRetries} keyed retries: {violations.Count} violations");

    /// <summary>The summary, how varied the work was, and the first violations, a line each.</summary>
    public string Description => string.Join('\n', [Summary, Details, .. violations.Take(MostShown)]);

    private string Details => string.Create(CultureInfo.InvariantCulture,
        $"{options.OnRestart}, seed {options.Seed}; {killsDuringStart} kills during a start, {drops} dropped connections, {cancels} cancels, {runRetries} retried runs, {snapshots} snapshots, "
        + $"{continuations} continuations{OnNodes}; ends: {Endings}");

    private string OnNodes => options.Nodes == 1 ? "" : string.Create(CultureInfo.InvariantCulture,
        $"; {options.Nodes} processes, {pauses} pauses, {moves} moves of a client between them, {takenOver} runs taken over");

    private string Endings => string.Join(", ", endings.OrderBy(e => e.Key, StringComparer.Ordinal).Select(e => $"{e.Value} {e.Key}"));

    public void AddViolation(string sentence) => violations.Enqueue(sentence);

    public void CountKill(bool isDuringStart)
    {
        Interlocked.Increment(ref kills);
        if (isDuringStart)
            Interlocked.Increment(ref killsDuringStart);
    }

    public void CountPause() => Interlocked.Increment(ref pauses);

    /// <summary>A client asks another process about a message than before.</summary>
    public void CountMove() => Interlocked.Increment(ref moves);

    public void CountTakenOver(int count) => Interlocked.Add(ref takenOver, count);

    public void CountSend() => Interlocked.Increment(ref sends);

    public void CountResume() => Interlocked.Increment(ref resumes);

    public void CountKeyedRetry() => Interlocked.Increment(ref keyedRetries);

    public void CountDrop() => Interlocked.Increment(ref drops);

    public void CountCancel() => Interlocked.Increment(ref cancels);

    public void CountRunRetry() => Interlocked.Increment(ref runRetries);

    public void CountSnapshots(int count) => Interlocked.Add(ref snapshots, count);

    public void CountContinuations(int count) => Interlocked.Add(ref continuations, count);

    public void CountEnding(string status) => endings.AddOrUpdate(status, 1, (_, count) => count + 1);
}
