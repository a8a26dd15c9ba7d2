namespace AiChat.Core.Models;

/// <summary>How long the last calls took to their first text.</summary>
internal sealed class FirstTokenTimes
{
    /// <summary>Calls that are remembered.</summary>
    public const int Window = 64;

    private readonly Lock gate = new();
    private readonly TimeSpan[] times = new TimeSpan[Window];
    private int count;

    /// <summary>Null before the first; of an even number the longer one in the middle.</summary>
    public TimeSpan? Median
    {
        get
        {
            TimeSpan[] sorted;
            lock (gate)
                sorted = times[..Math.Min(count, Window)];
            Array.Sort(sorted);
            return sorted.Length == 0 ? null : sorted[sorted.Length / 2];
        }
    }

    public void Add(TimeSpan time)
    {
        lock (gate)
        {
            times[count % Window] = time;
            // Kept small for ever, and above the window once it is full.
            count = count == (2 * Window) - 1 ? Window : count + 1;
        }
    }
}
