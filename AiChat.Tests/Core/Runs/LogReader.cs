using AiChat.Core.Runs;

namespace AiChat.Tests.Core.Runs;

/// <summary>Somebody who follows a log, and shows its events in a line each.</summary>
internal sealed class LogReader(Func<CancellationToken, IAsyncEnumerable<RunEvent>> follow) : IAsyncDisposable
{
    /// <summary>Only ever waited for in full by a test that fails.</summary>
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(10);

    private readonly CancellationTokenSource cancellation = new();
    private IAsyncEnumerator<RunEvent>? events;
    private Task<bool>? next;

    public LogReader(RunLog log, long after = 0)
        : this(cancellationToken => log.FollowAsync(after, cancellationToken))
    {
    }

    public LogReader(RunHandle run)
        : this(cancellationToken => run.FollowAsync(after: 0, cancellationToken))
    {
    }

    /// <summary>Whether the log has no more for it, ever.</summary>
    public bool HasEnded { get; private set; }

    private IAsyncEnumerator<RunEvent> Events => events ??= follow(cancellation.Token).GetAsyncEnumerator(CancellationToken.None);

    public static string Show(RunEvent runEvent) => runEvent switch
    {
        RunStarted started => $"{started.Sequence} started {started.Attempt}",
        MessageDelta delta => $"{delta.Sequence} delta {delta.Offset} '{delta.Text}'",
        SourceFound found => $"{found.Sequence} source {found.Offset} {found.Source.Number}",
        RunContinued seam => $"{seam.Sequence} continued {seam.Offset} {seam.Attempt}",
        RunSnapshot snapshot => $"{snapshot.Sequence} snapshot '{snapshot.Text}'",
        RunEnded ended => $"{ended.Sequence} ended {ended.Result.Status}",
        KeepAlive => "keep-alive",
        _ => throw new ArgumentOutOfRangeException(nameof(runEvent)),
    };

    /// <summary>Everything from a position to the end of a log that has one.</summary>
    public static async Task<string[]> ReadAllAsync(RunLog log, long after = 0)
    {
        await using var reader = new LogReader(log, after);
        var shown = await reader.TakeReadyAsync();
        Assert.That(reader.HasEnded, Is.True, "The log goes on.");
        return [.. shown.Select(Show)];
    }

    /// <summary>What is there; does not wait for more, but is waiting for it from now on.</summary>
    public async Task<List<RunEvent>> TakeReadyAsync(int most = int.MaxValue)
    {
        var ready = new List<RunEvent>();
        while (!HasEnded && ready.Count < most)
        {
            next ??= Events.MoveNextAsync().AsTask();
            if (!next.IsCompleted)
                break;
            HasEnded = !await next;
            next = null;
            if (!HasEnded)
                ready.Add(Events.Current);
        }

        return ready;
    }

    /// <inheritdoc cref="TakeReadyAsync"/>
    public async Task<string[]> ShowReadyAsync() => [.. (await TakeReadyAsync()).Select(Show)];

    /// <summary>The next event, which may have to be waited for; null at the end.</summary>
    public async Task<RunEvent?> NextAsync()
    {
        next ??= Events.MoveNextAsync().AsTask();
        HasEnded = !await next.WaitAsync(LongestWait);
        next = null;
        return HasEnded ? null : Events.Current;
    }

    public Task CancelAsync() => cancellation.CancelAsync();

    public async ValueTask DisposeAsync()
    {
        await cancellation.CancelAsync();
        if (next is not null)
            await ((Task)next).WaitAsync(LongestWait).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (events is not null)
            await events.DisposeAsync();
        cancellation.Dispose();
    }
}
