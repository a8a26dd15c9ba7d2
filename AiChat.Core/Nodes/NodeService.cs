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

    /// <summary>The longest a run whose chat is gone may need to note that.</summary>
    private static readonly TimeSpan OrphanGrace = TimeSpan.FromMinutes(1);

    private DateTimeOffset aliveSince;
    private DateTimeOffset lastTickAt;
    private bool isFailing;

    private TimeSpan Lease => options.Value.LeaseTime * LeaseShare;

    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        aliveSince = lastTickAt = time.GetUtcNow();
        if (nodes.IsShared)
        {
            signals.Subscribe(Handle);
            node.HasOthers = await nodes.RenewAsync(Lease, cancellationToken) > 0;
        }
        else
        {
            await TakeOverAsync(cancellationToken);
            await recovery.SyncAsync(cancellationToken);
        }

        await base.StartAsync(cancellationToken);
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        if (nodes.IsShared)
            await LeaveAsync(cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (!nodes.IsShared)
            return;
        using var timer = new PeriodicTimer(options.Value.LeaseTime / TicksPerLease, time);
        try
        {
            do
            {
                await TickAsync(stoppingToken);
            }
            while (await timer.WaitForNextTickAsync(stoppingToken));
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The server ends.
        }
    }

    private async Task TickAsync(CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        // Paused: what was seen of the others before is too old.
        if (now - lastTickAt > Lease)
            aliveSince = now;
        lastTickAt = now;
        try
        {
            node.HasOthers = await nodes.RenewAsync(Lease, cancellationToken) > 0;
            // While the database was away nobody could say that he is alive: everybody gets the time for that first.
            if (now - aliveSince > Lease)
                await TakeOverAsync(cancellationToken);
            await recovery.SyncAsync(cancellationToken);
            isFailing = false;
        }
        catch (Exception failure) when (failure is not OperationCanceledException)
        {
            if (!isFailing)
                LogTickFailed(failure);
            isFailing = true;
            aliveSince = time.GetUtcNow();
        }
    }

    private async Task TakeOverAsync(CancellationToken cancellationToken)
    {
        var taken = await runs.TakeOverAsync(cancellationToken);
        if (!nodes.IsShared || taken > 0)
        {
            var now = time.GetUtcNow();
            await runs.EndOrphanedAsync(nodes.IsShared ? now - options.Value.MaxDuration - OrphanGrace : now, now, cancellationToken);
        }

        if (taken > 0)
            LogTakenOver(taken);
    }

    /// <summary>What another process says.</summary>
    private void Handle(NodeSignal signal)
    {
        switch (signal.Kind)
        {
            case NodeSignalKind.TurnCame:
                executor.BeginNext(signal.Id);
                break;
            case NodeSignalKind.CancelRequested:
                executor.Find(signal.Id)?.Stop(RunStopReason.Cancelled);
                break;
            case NodeSignalKind.ChatDeleted:
                executor.StopChat(signal.Id);
                break;
        }
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
    private partial void LogTickFailed(Exception failure);

    [LoggerMessage(Level = LogLevel.Warning, Message = "This process could not say that it ends; others notice it within Runs:LeaseTime")]
    private partial void LogLeaveFailed(Exception failure);
}
