namespace AiChat.Tests.Support;

/// <summary>A clock that stands still until it is told to go on; timers and delays made with it end then.</summary>
public sealed class FakeTime : TimeProvider
{
    private readonly Lock state = new();
    private readonly List<Timer> timers = [];
    private DateTimeOffset now = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override DateTimeOffset GetUtcNow()
    {
        lock (state)
            return now;
    }

    public override long GetTimestamp() => GetUtcNow().UtcTicks;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new Timer(this, () => callback(state));
        timer.Change(dueTime, period);
        return timer;
    }

    /// <summary>Moves the clock on and runs what has become due, earliest first, before it returns.</summary>
    public void Advance(TimeSpan time)
    {
        var end = GetUtcNow() + time;
        while (TakeDue(end) is { } callback)
            callback();
        lock (state)
            now = end;
    }

    private Action? TakeDue(DateTimeOffset end)
    {
        lock (state)
        {
            var next = timers.Where(t => t.Due <= end).MinBy(t => t.Due);
            if (next is null)
                return null;
            now = next.Due > now ? next.Due : now;
            next.Renew();
            return next.Callback;
        }
    }

    private sealed class Timer(FakeTime time, Action callback) : ITimer
    {
        private TimeSpan period;

        public Action Callback => callback;

        public DateTimeOffset Due { get; private set; }

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            lock (time.state)
            {
                this.period = period;
                time.timers.Remove(this);
                if (dueTime != Timeout.InfiniteTimeSpan)
                    Schedule(dueTime);
            }

            return true;
        }

        /// <summary>Called when it is due, under the lock.</summary>
        public void Renew()
        {
            time.timers.Remove(this);
            if (period > TimeSpan.Zero)
                Schedule(period);
        }

        public void Dispose() => Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }

        private void Schedule(TimeSpan delay)
        {
            Due = time.now + delay;
            time.timers.Add(this);
        }
    }
}
