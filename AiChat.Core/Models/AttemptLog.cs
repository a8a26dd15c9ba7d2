namespace AiChat.Core.Models;

/// <summary>
/// The attempts made for one prompt, in order. The router writes it, one attempt after the other; everybody may read it meanwhile.
/// </summary>
/// <param name="first">Number of the first attempt.</param>
public sealed class AttemptLog(int first)
{
    private readonly Lock gate = new();
    private readonly List<Attempt> attempts = [];
    private int stored;

    /// <summary>Number of the next attempt.</summary>
    public int Next
    {
        get
        {
            lock (gate)
                return first + attempts.Count;
        }
    }

    /// <summary>The attempt that goes on, or else the last one; null before the first.</summary>
    public Attempt? Last
    {
        get
        {
            lock (gate)
                return attempts.Count == 0 ? null : attempts[^1];
        }
    }

    public IReadOnlyList<Attempt> All
    {
        get
        {
            lock (gate)
                return [.. attempts];
        }
    }

    /// <summary>Usage of all of them together; null when nothing was used.</summary>
    public TokenUsage? Usage
    {
        get
        {
            lock (gate)
                return attempts.Aggregate(default(TokenUsage?), (sum, a) => sum is { } s && a.Usage is { } u ? s + u : sum ?? a.Usage);
        }
    }

    /// <summary>Cost of all of them together; null when no price is known.</summary>
    public decimal? Cost
    {
        get
        {
            lock (gate)
                return attempts.Aggregate(default(decimal?), (sum, a) => a.Cost is { } cost ? (sum ?? 0) + cost : sum);
        }
    }

    /// <summary>Adds an attempt that begins.</summary>
    public void Begin(Attempt attempt)
    {
        lock (gate)
            attempts.Add(attempt);
    }

    /// <summary>Replaces the last attempt by what is known of it now.</summary>
    public void Update(Attempt attempt)
    {
        lock (gate)
        {
            attempts[^1] = attempt;
            stored = Math.Min(stored, attempts.Count - 1);
        }
    }

    /// <summary>What the database does not have yet; empty when it has everything.</summary>
    public IReadOnlyList<Attempt> GetUnstored()
    {
        lock (gate)
            return stored == attempts.Count ? [] : attempts.GetRange(stored, attempts.Count - stored);
    }

    /// <summary>The database has these now; one that changed meanwhile is stored again.</summary>
    public void SetStored(IReadOnlyList<Attempt> written)
    {
        lock (gate)
        {
            while (stored < attempts.Count && written.Contains(attempts[stored], ReferenceEqualityComparer.Instance))
                stored++;
        }
    }
}
