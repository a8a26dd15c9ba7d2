using AiChat.Core.Runs;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace AiChat.Core.Nodes;

/// <summary>
/// Keeps this process known as alive, takes over the runs of those that are not, and holds what runs here against what the database says.
/// Where only one process can use the database, it does so once, at the start.
/// </summary>
public sealed partial class NodeService(
    Node node, INodeRepository nodes, IRunRepository runs, RunRecovery recovery, RunExecutor executor, INodeSignals signals,
    IOptions<RunOptions> options, TimeProvider time, ILogger<NodeService> logger) : BackgroundService
{
    /// <summary>How much of <see cref="RunOptions.LeaseTime"/> a lease lasts; the rest is for noticing its end and for settling.</summary>
    private const double LeaseShare = 0.7;

    private const int TicksPerLease = 10;

    private readonly Lock leavingLock = new();
    private readonly RunSignal wake = new();
    private Task? leaving;
    private Task recovering = Task.CompletedTask;
    private long aliveSince;
    private long renewedAt;
    private bool isRenewFailing;
    private bool isSyncFailing;
    private bool isRecoveryFailing;

    private TimeSpan Lease => options.Value.LeaseTime * LeaseShare;

    private TimeSpan Tick => options.Value.LeaseTime / TicksPerLease;

    /// <summary>
    /// Whether this process could say for a whole lease that it is alive, and could just now. After a time when it could not, perhaps nobody
    /// could: everybody gets the time for that first.
    /// </summary>
    private bool KnowsTheDead =>
        time.GetElapsedTime(Volatile.Read(ref aliveSince)) > Lease && time.GetElapsedTime(Volatile.Read(ref renewedAt)) <= LongestSilence;

    /// <summary>Longer than this without a renewal is no accident: long before anybody's lease is over.</summary>
    private TimeSpan LongestSilence => Lease / 2;

    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        if (nodes.IsShared)
        {
            signals.Subscribe(Handle);
            aliveSince = renewedAt = time.GetTimestamp();
            node.HasOthers = await nodes.RenewAsync(Lease, cancellationToken) > 0;
        }
        else
        {
            await TakeOverAsync(cancellationToken);
            // Nobody else can be about to do so; where several processes share the database, RunCleaner does it by and by.
            var now = time.GetUtcNow();
            await runs.EndOrphanedAsync(now, now, cancellationToken);
            await recovery.SyncAsync(cancellationToken);
        }

        await base.StartAsync(cancellationToken);
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        if (nodes.IsShared)
            await LeaveOnceAsync(cancellationToken);
    }

    /// <summary>Two loops: however long it takes to settle what the dead left behind, the others hear that this process lives.</summary>
    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        nodes.IsShared ? Task.WhenAll(KeepRenewingAsync(stoppingToken), KeepSyncingAsync(stoppingToken)) : Task.CompletedTask;

    private async Task KeepRenewingAsync(CancellationToken stoppingToken)
    {
        var due = new RunSignal();
        await using var stop = stoppingToken.UnsafeRegister(_ => due.Set(), null);
        await using var ticks = time.CreateTimer(_ => due.Set(), null, Tick, Tick);
        while (!stoppingToken.IsCancellationRequested)
        {
            await RenewAsync(stoppingToken);
            await due.WaitAsync();
        }
    }

    private async Task KeepSyncingAsync(CancellationToken stoppingToken)
    {
        await using var stop = stoppingToken.UnsafeRegister(_ => wake.Set(), null);
        await using var ticks = time.CreateTimer(_ => wake.Set(), null, Tick, Tick);
        while (!stoppingToken.IsCancellationRequested)
        {
            await SyncAsync(stoppingToken);
            await wake.WaitAsync();
        }

        await recovering;
    }

    private async Task RenewAsync(CancellationToken cancellationToken)
    {
        try
        {
            var begunAt = time.GetTimestamp();
            node.HasOthers = await nodes.RenewAsync(Lease, cancellationToken) > 0;
            // Paused, or cut off: what was seen of the others before is too old.
            if (time.GetElapsedTime(renewedAt) > LongestSilence)
                Volatile.Write(ref aliveSince, time.GetTimestamp());
            Volatile.Write(ref renewedAt, begunAt);
            isRenewFailing = false;
        }
        catch (Exception failure)
        {
            if (cancellationToken.IsCancellationRequested)
                return;
            Volatile.Write(ref aliveSince, time.GetTimestamp());
            if (!isRenewFailing)
                LogRenewFailed(failure);
            isRenewFailing = true;
        }
    }

    private async Task SyncAsync(CancellationToken cancellationToken)
    {
        try
        {
            // One that ends leaves them to the others.
            if (KnowsTheDead && !executor.IsStopping)
                await TakeOverAsync(cancellationToken);
            // Asked before the look, which may still show runs as left that are recovered while it is made.
            var isFree = recovering.IsCompleted;
            var left = await recovery.FollowAsync(cancellationToken);
            // Beside this loop: others must not wait until what a dead process left behind is settled.
            if (isFree)
                recovering = RecoverAsync(left, cancellationToken);
            isSyncFailing = false;
        }
        catch (Exception failure)
        {
            if (!isSyncFailing && !cancellationToken.IsCancellationRequested)
                LogSyncFailed(failure);
            isSyncFailing = true;
        }
    }

    private async Task RecoverAsync(IReadOnlyList<HeldRun> left, CancellationToken cancellationToken)
    {
        try
        {
            if (left.Count > 0)
                await recovery.RecoverAsync(left, cancellationToken);
            isRecoveryFailing = false;
        }
        catch (Exception failure)
        {
            if (!isRecoveryFailing && !cancellationToken.IsCancellationRequested)
                LogRecoveryFailed(failure);
            isRecoveryFailing = true;
        }
    }

    private async Task TakeOverAsync(CancellationToken cancellationToken)
    {
        var taken = await runs.TakeOverAsync(cancellationToken);
        if (taken > 0)
            LogTakenOver(taken);
    }

    /// <summary>A signal may come late: what it says of a run counts only if the database still says so.</summary>
    private void Handle(NodeSignal signal)
    {
        if (signal.Kind == NodeSignalKind.ChatDeleted)
            executor.StopChat(signal.Id);
        else if (signal.Kind == NodeSignalKind.Missed
            || (signal.Kind is NodeSignalKind.TurnCame or NodeSignalKind.CancelRequested && executor.Find(signal.Id) is not null))
            wake.Set();
    }

    /// <summary>A host that is stopped from two sides stops its services twice, and closes the database when one of the two is ready.</summary>
    private Task LeaveOnceAsync(CancellationToken cancellationToken)
    {
        lock (leavingLock)
            return leaving ??= LeaveAsync(cancellationToken);
    }

    private async Task LeaveAsync(CancellationToken cancellationToken)
    {
        try
        {
            await nodes.LeaveAsync(cancellationToken);
        }
        catch (Exception failure)
        {
            // The others notice it by themselves.
            LogLeaveFailed(failure);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Count} replies were unfinished when their process ended; they belong to this one now")]
    private partial void LogTakenOver(int count);

    [LoggerMessage(Level = LogLevel.Error, Message = "This process cannot say that it is alive; its runs go on, and other processes may take them over")]
    private partial void LogRenewFailed(Exception failure);

    [LoggerMessage(Level = LogLevel.Error, Message = "This process cannot look up which runs are its own; it is tried again")]
    private partial void LogSyncFailed(Exception failure);

    [LoggerMessage(Level = LogLevel.Error, Message = "Replies that a dead process left unfinished cannot be taken care of; it is tried again")]
    private partial void LogRecoveryFailed(Exception failure);

    [LoggerMessage(Level = LogLevel.Warning, Message = "This process could not say that it ends; others notice it within Runs:LeaseTime")]
    private partial void LogLeaveFailed(Exception failure);
}
