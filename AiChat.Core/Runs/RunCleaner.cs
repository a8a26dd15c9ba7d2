using AiChat.Core.Budgets;
using AiChat.Core.Idempotency;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace AiChat.Core.Runs;

/// <summary>
/// Removes what is kept for a time only: logs of finished runs, idempotency keys and windows of budgets. Ends the accounts of runs that are gone
/// with their chats, and whose process died before it could.
/// </summary>
public sealed partial class RunCleaner(
    IRunRepository runs, IIdempotencyRepository keys, IBudgetRepository budgets, IOptions<RunOptions> options, TimeProvider time,
    ILogger<RunCleaner> logger) : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromMinutes(10);

    /// <summary>Rows of one transaction: whoever sends a message meanwhile waits for no more than these.</summary>
    private const int BatchSize = 500;

    /// <summary>The longest a run whose chat is gone may need to note that.</summary>
    private static readonly TimeSpan OrphanGrace = TimeSpan.FromMinutes(1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Interval, time);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
                await CleanAsync(stoppingToken);
        }
        catch (OperationCanceledException)
        {
            // The server ends.
        }
    }

    private async Task CleanAsync(CancellationToken cancellationToken)
    {
        try
        {
            var now = time.GetUtcNow();
            while (await runs.DeleteLogsAsync(now - options.Value.Retention, BatchSize, cancellationToken) > 0)
                cancellationToken.ThrowIfCancellationRequested();
            while (await keys.DeleteExpiredAsync(now - options.Value.IdempotencyRetention, BatchSize, cancellationToken) > 0)
                cancellationToken.ThrowIfCancellationRequested();
            while (await budgets.DeleteExpiredAsync(now, BatchSize, cancellationToken) > 0)
                cancellationToken.ThrowIfCancellationRequested();
            await runs.EndOrphanedAsync(now - options.Value.MaxDuration - OrphanGrace, now, cancellationToken);
        }
        catch (Exception failure) when (failure is not OperationCanceledException)
        {
            LogCleanFailed(failure);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Old logs, keys and budgets could not be removed, or accounts of deleted chats not be ended; it is tried again later")]
    private partial void LogCleanFailed(Exception failure);
}
