using AiChat.Core.Nodes;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace AiChat.Core.Runs;

/// <summary>
/// Stores what running replies have grown by, all of them in one transaction, so that a crash loses no more than the last moment. A flush
/// that fails loses nothing: the text stays in memory and goes with the next one.
/// </summary>
public sealed partial class RunLogFlusher(
    RunExecutor executor, IRunRepository runs, Node node, INodeSignals signals, TimeProvider time, ILogger<RunLogFlusher> logger) : BackgroundService
{
    /// <summary>How old text may get before it is stored.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);

    /// <summary>The same where other processes read it for those who follow it there.</summary>
    private static readonly TimeSpan SharedInterval = TimeSpan.FromMilliseconds(50);

    /// <summary>The same while nothing can be stored: the text to be copied for it grows.</summary>
    private static readonly TimeSpan FailingInterval = TimeSpan.FromMilliseconds(500);

    private bool isFailing;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Interval, time);
        while (await WaitAsync(timer, stoppingToken))
        {
            await FlushAsync();
            var interval = isFailing ? FailingInterval : node.HasOthers ? SharedInterval : Interval;
            // Setting it begins the time anew, also where it is the same.
            if (timer.Period != interval)
                timer.Period = interval;
        }
    }

    private static async Task<bool> WaitAsync(PeriodicTimer timer, CancellationToken stoppingToken)
    {
        try
        {
            return await timer.WaitForNextTickAsync(stoppingToken);
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    private async Task FlushAsync()
    {
        var flushed = new List<ActiveRun>();
        var progress = new List<RunProgress>();
        foreach (var run in executor.Active)
        {
            var texts = run.Log.GetUnflushed();
            var attempts = run.Attempts.GetUnstored();
            if (texts.Count == 0 && attempts.Count == 0)
                continue;
            flushed.Add(run);
            progress.Add(new RunProgress { Run = run.Run, LeaseNumber = run.LeaseNumber, Texts = texts, Attempts = attempts });
        }

        if (progress.Count == 0)
            return;

        try
        {
            await runs.AppendAsync(progress, CancellationToken.None);
            for (var i = 0; i < progress.Count; i++)
            {
                flushed[i].Log.SetFlushed(progress[i].Texts);
                flushed[i].Attempts.SetStored(progress[i].Attempts);
                if (progress[i].Texts.Count > 0)
                    signals.Send(new NodeSignal(NodeSignalKind.RunChanged, progress[i].Run.Id));
            }

            isFailing = false;
        }
        catch (Exception failure)
        {
            // Once, not ten times a second.
            if (!isFailing)
                LogFlushFailed(failure, progress.Count);
            isFailing = true;
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "The text of {Count} running replies cannot be stored; it is kept in memory and tried again")]
    private partial void LogFlushFailed(Exception failure, int count);
}
