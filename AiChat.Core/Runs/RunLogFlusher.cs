using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace AiChat.Core.Runs;

/// <summary>
/// Stores what running replies have grown by, all of them in one transaction, so that a crash loses no more than the last moment. A flush
/// that fails loses nothing: the text stays in memory and goes with the next one.
/// </summary>
public sealed partial class RunLogFlusher(RunExecutor executor, IRunRepository runs, TimeProvider time, ILogger<RunLogFlusher> logger)
    : BackgroundService
{
    /// <summary>How old text may get before it is stored.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);

    private bool isFailing;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Interval, time);
        while (await WaitAsync(timer, stoppingToken))
            await FlushAsync();
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
        var logs = new List<RunLog>();
        var texts = new List<RunText>();
        foreach (var run in executor.Active)
        {
            if (run.Log.GetUnflushed() is not { } text)
                continue;
            logs.Add(run.Log);
            texts.Add(text);
        }

        if (texts.Count == 0)
            return;

        try
        {
            await runs.AppendAsync(texts, CancellationToken.None);
            for (var i = 0; i < texts.Count; i++)
                logs[i].SetFlushed(texts[i]);
            isFailing = false;
        }
        catch (Exception failure)
        {
            // Once, not ten times a second.
            if (!isFailing)
                LogFlushFailed(failure, texts.Count);
            isFailing = true;
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "The text of {Count} running replies cannot be stored; it is kept in memory and tried again")]
    private partial void LogFlushFailed(Exception failure, int count);
}
