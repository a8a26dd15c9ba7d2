using System.Collections.Concurrent;
using AiChat.Core.Errors;
using AiChat.Core.Nodes;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace AiChat.Core.Runs;

/// <summary>
/// Follows runs that other processes execute: for each of them that somebody follows here, a log that is filled from the database. A signal of
/// the other process says when to look; where none comes, it is looked now and then.
/// </summary>
public sealed partial class RunMirrors(
    IRunRepository runs, INodeRepository nodes, RunExecutor executor, INodeSignals signals, TimeProvider time, ILogger<RunMirrors> logger) : BackgroundService
{
    /// <summary>How late news comes when its signal was lost.</summary>
    public static readonly TimeSpan PollInterval = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<string, Mirror> mirrors = new();
    private readonly ConcurrentDictionary<string, bool> changed = new();
    private readonly RunSignal wake = new();
    private bool isFailing;

    /// <summary>Whether runs can be executed elsewhere at all.</summary>
    public bool IsEnabled => nodes.IsShared;

    /// <summary>Follows an unfinished run of another process.</summary>
    /// <param name="userId">Its owner.</param>
    /// <param name="stored">The run as it is stored.</param>
    /// <param name="started">How its log begins.</param>
    /// <param name="isReplay">Whether the request that asked for it had been accepted before.</param>
    /// <exception cref="UnavailableException">The server ends.</exception>
    internal RunHandle Follow(string userId, StoredRun stored, RunStarted started, bool isReplay)
    {
        if (executor.Expired.IsCancellationRequested)
            throw UnavailableException.ForShutdown();
        var mirror = mirrors.GetOrAdd(stored.Id, _ => new Mirror(userId, stored, RunLog.Mirror(started, time, stored.Reply, stored.Marks)));
        if (mirror.Stored.FirstSequence < stored.FirstSequence)
        {
            Drop(mirror, UnavailableException.ForTakenOver());
            return Follow(userId, stored, started, isReplay);
        }

        // It may have changed since it was read.
        Wake(stored.Id);
        return new RunHandle(stored.Id, stored.ChatId, mirror.Log, mirror.Completion.Task) { IsReplay = isReplay };
    }

    public override Task StartAsync(CancellationToken cancellationToken)
    {
        signals.Subscribe(Handle);
        return base.StartAsync(cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (!IsEnabled)
            return;
        // In a shutdown, replies of others are followed as long as those of this process are.
        using var end = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken, executor.Expired);
        await using var stop = end.Token.UnsafeRegister(_ => wake.Set(), null);
        await using var poll = time.CreateTimer(_ => WakeAll(), null, PollInterval, PollInterval);
        while (!end.IsCancellationRequested)
        {
            await wake.WaitAsync();
            await LookAsync(end.Token);
        }

        foreach (var mirror in mirrors.Values)
            Drop(mirror, UnavailableException.ForShutdown());
    }

    private void Handle(NodeSignal signal)
    {
        if (signal.Kind == NodeSignalKind.RunChanged && mirrors.ContainsKey(signal.Id))
            Wake(signal.Id);
        else if (signal.Kind is NodeSignalKind.Missed or NodeSignalKind.ChatDeleted)
            WakeAll();
    }

    private void WakeAll()
    {
        foreach (var (runId, _) in mirrors)
            Wake(runId);
    }

    private void Wake(string runId)
    {
        changed[runId] = true;
        wake.Set();
    }

    private async Task LookAsync(CancellationToken cancellationToken)
    {
        var looked = new List<Mirror>();
        foreach (var (runId, _) in changed)
        {
            if (changed.TryRemove(runId, out _) && mirrors.TryGetValue(runId, out var mirror))
                looked.Add(mirror);
        }

        if (looked.Count == 0)
            return;
        try
        {
            var news = await runs.GetNewsAsync([.. looked.Select(m => new RunCursor(m.Stored.Id, m.Log.Position))], cancellationToken);
            for (var i = 0; i < looked.Count; i++)
                await TakeAsync(looked[i], news[i], cancellationToken);
            isFailing = false;
        }
        catch (Exception failure)
        {
            // The next poll looks at all of them.
            if (!isFailing && !cancellationToken.IsCancellationRequested)
                LogLookFailed(failure, looked.Count);
            isFailing = true;
        }
    }

    private async Task TakeAsync(Mirror mirror, RunNews news, CancellationToken cancellationToken)
    {
        if (news.FirstSequence is null)
            End(mirror, ToDeleted(mirror));
        else if (news.FirstSequence != mirror.Stored.FirstSequence)
            Drop(mirror, UnavailableException.ForTakenOver());
        else if (!news.IsEnded)
            mirror.Log.Take(news.Texts);
        else if (await runs.GetAsync(mirror.UserId, mirror.Stored.Id, cancellationToken) is { CompletedAt: not null } ended
            && ended.FirstSequence == mirror.Stored.FirstSequence)
            End(mirror, ended.ToResult(mirror.UserId), ended.Reply, ended.Marks);
        else
            // Begun anew since, or gone.
            Wake(mirror.Stored.Id);
    }

    private void End(Mirror mirror, RunResult result, string? reply = null, IReadOnlyList<RunMark>? marks = null)
    {
        mirrors.TryRemove(KeyValuePair.Create(mirror.Stored.Id, mirror));
        if (reply is not null)
            mirror.Log.TakeRest(reply, marks ?? []);
        mirror.Completion.TrySetResult(result);
        // Last: followers go on here, on this thread.
        mirror.Log.End(result with { LastSequence = result.LastSequence ?? mirror.Log.Position + 1 });
    }

    /// <summary>Lets the followers go: they come back, and find the run where it is then.</summary>
    private void Drop(Mirror mirror, Exception reason)
    {
        mirrors.TryRemove(KeyValuePair.Create(mirror.Stored.Id, mirror));
        mirror.Completion.TrySetException(reason);
        // Nobody may be waiting.
        _ = mirror.Completion.Task.Exception;
        mirror.Log.Break();
    }

    private RunResult ToDeleted(Mirror mirror) => mirror.Stored.ToResult(mirror.UserId, time.GetUtcNow()) with
    {
        Status = RunStatus.Cancelled,
        Reply = mirror.Log.GetText(),
        Error = RunError.ForDeletedChat(),
    };

    [LoggerMessage(Level = LogLevel.Error, Message = "What {Count} replies of other processes have grown by cannot be read; it is tried again")]
    private partial void LogLookFailed(Exception failure, int count);

    /// <summary>A run of another process, as far as it is known here.</summary>
    private sealed record Mirror(string UserId, StoredRun Stored, RunLog Log)
    {
        public TaskCompletionSource<RunResult> Completion { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
