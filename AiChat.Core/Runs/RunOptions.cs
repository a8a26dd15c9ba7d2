using Microsoft.Extensions.Options;

namespace AiChat.Core.Runs;

/// <summary>How replies are generated and kept.</summary>
public sealed class RunOptions
{
    public const string Section = "Runs";

    /// <summary>Longest time a reply may take, from its turn on; what has come by then is kept as an incomplete reply.</summary>
    public TimeSpan MaxDuration { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>Longest reply in tokens, estimated; a longer one is cut there and ends with the reason <c>length</c>.</summary>
    public int MaxReplyTokens { get; set; } = 262_144;

    /// <summary>Most messages that may wait for their turn in one chat; one more is refused as busy.</summary>
    public int QueueLimit { get; set; } = 20;

    /// <summary>How long every event of a finished run can be read again; afterwards only the whole reply.</summary>
    public TimeSpan Retention { get; set; } = TimeSpan.FromDays(7);

    /// <summary>How long a request with an <c>Idempotency-Key</c> is known.</summary>
    public TimeSpan IdempotencyRetention { get; set; } = TimeSpan.FromHours(24);

    /// <summary>What becomes of the replies that were being written when the last process died.</summary>
    public OnRestart OnRestart { get; set; } = OnRestart.Settle;

    /// <summary>Whether another candidate goes on with a reply that a model broke off; otherwise it is left incomplete.</summary>
    public bool ContinueOnBreak { get; set; } = true;

    /// <summary>
    /// Where several processes share a database: how long after the death of one the others have settled its replies. Also how long a process
    /// may be paused, or cut off from the database, without losing its replies, about.
    /// </summary>
    public TimeSpan LeaseTime { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>How long running replies may go on after a shutdown was asked for; then they are settled as incomplete.</summary>
    public TimeSpan ShutdownTimeout { get; set; } = TimeSpan.FromSeconds(10);
}

/// <summary>What becomes of unfinished replies at the start.</summary>
public enum OnRestart
{
    /// <summary>They are incomplete, with the text that was stored.</summary>
    Settle,
    /// <summary>The model is asked again, with the text that was stored as the beginning of its reply.</summary>
    Continue,
}

public sealed class RunOptionsValidator : IValidateOptions<RunOptions>
{
    /// <summary>The host ends 20 s after a shutdown was asked for; storing what is there needs some of them.</summary>
    private static readonly TimeSpan LongestShutdown = TimeSpan.FromSeconds(15);

    private static readonly TimeSpan ShortestLease = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan LongestLease = TimeSpan.FromMinutes(10);

    private static readonly TimeSpan LongestDuration = TimeSpan.FromDays(1);

    /// <summary>A hundred years: counted back from now, it must not lead out of the calendar.</summary>
    private static readonly TimeSpan LongestRetention = TimeSpan.FromDays(36_500);

    /// <summary>Keeps any reply shorter than what a crash may lose of the log's positions (<see cref="RunLog.CrashGap"/>).</summary>
    private const int MostReplyTokens = 4 << 20;

    public ValidateOptionsResult Validate(string? name, RunOptions options)
    {
        var problems = new List<string>();
        if (options.ShutdownTimeout < TimeSpan.Zero || options.ShutdownTimeout > LongestShutdown)
            problems.Add($"Runs:ShutdownTimeout is {options.ShutdownTimeout}: write a time from 00:00:00 to {LongestShutdown}, such as 00:00:10.");
        if (options.MaxDuration <= TimeSpan.Zero || options.MaxDuration > LongestDuration)
            problems.Add($"Runs:MaxDuration is {options.MaxDuration}: write a time above zero and up to a day, such as 00:10:00.");
        if (options.MaxReplyTokens is < 1 or > MostReplyTokens)
            problems.Add($"Runs:MaxReplyTokens is {options.MaxReplyTokens}: write a number of tokens from 1 to {MostReplyTokens}.");
        if (options.QueueLimit < 0)
            problems.Add($"Runs:QueueLimit is {options.QueueLimit}: write how many messages may wait in one chat, 0 or more.");
        if (options.Retention < TimeSpan.Zero || options.Retention > LongestRetention)
            problems.Add($"Runs:Retention is {options.Retention}: write a time from zero to {LongestRetention}, such as 7.00:00:00 for seven days.");
        if (options.IdempotencyRetention <= TimeSpan.Zero || options.IdempotencyRetention > LongestRetention)
            problems.Add($"Runs:IdempotencyRetention is {options.IdempotencyRetention}: write a time above zero and up to {LongestRetention}, such as 1.00:00:00 for a day.");
        if (options.LeaseTime < ShortestLease || options.LeaseTime > LongestLease)
            problems.Add($"Runs:LeaseTime is {options.LeaseTime}: write a time from {ShortestLease} to {LongestLease}, such as 00:00:10.");
        if (!Enum.IsDefined(options.OnRestart))
            problems.Add($"Runs:OnRestart is {options.OnRestart}: write Settle or Continue.");
        return problems.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(problems);
    }
}
