namespace AiChat.Tests.Support;

/// <summary>A clock that says what the test tells it to, while timers and delays end as usual.</summary>
public sealed class StoppedClock : TimeProvider
{
    private long ticks = new DateTimeOffset(2026, 1, 31, 12, 0, 0, TimeSpan.Zero).UtcTicks;

    public override DateTimeOffset GetUtcNow() => new(Interlocked.Read(ref ticks), TimeSpan.Zero);

    public void Advance(TimeSpan time) => Interlocked.Add(ref ticks, time.Ticks);
}
