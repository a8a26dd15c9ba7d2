using System.Threading.Tasks.Sources;

namespace AiChat.Core.Runs;

/// <summary>
/// Wakes one waiter, again and again, without allocating. A signal that comes while nobody waits is kept; several are one.
/// </summary>
internal sealed class RunSignal : IValueTaskSource
{
    private const int Idle = 0;
    private const int Signalled = 1;
    private const int Waiting = 2;

    private ManualResetValueTaskSourceCore<bool> source;
    private int state;

    /// <summary>Ends with the next signal. One waiter at a time.</summary>
    public ValueTask WaitAsync()
    {
        if (Interlocked.CompareExchange(ref state, Idle, Signalled) == Signalled)
            return ValueTask.CompletedTask;

        source.Reset();
        if (Interlocked.CompareExchange(ref state, Waiting, Idle) == Idle)
            return new ValueTask(this, source.Version);

        Volatile.Write(ref state, Idle);
        return ValueTask.CompletedTask;
    }

    /// <param name="isInline">Whether the waiter goes on at once on this thread, or on one of its own.</param>
    public void Set(bool isInline = false)
    {
        while (true)
        {
            var seen = Volatile.Read(ref state);
            if (seen == Signalled || (seen == Idle && Interlocked.CompareExchange(ref state, Signalled, Idle) == Idle))
                return;
            if (seen != Waiting || Interlocked.CompareExchange(ref state, Idle, Waiting) != Waiting)
                continue;

            source.RunContinuationsAsynchronously = !isInline;
            source.SetResult(true);
            return;
        }
    }

    void IValueTaskSource.GetResult(short token) => source.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => source.GetStatus(token);

    void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        source.OnCompleted(continuation, state, token, flags);
}
