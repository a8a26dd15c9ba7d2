using Microsoft.Extensions.Options;

namespace AiChat.Core.Models;

/// <summary>What happens when a candidate fails.</summary>
public sealed record RoutingOptions
{
    public const string Section = "Routing";

    /// <summary>How often one candidate is called again for the same prompt; that happens only when every other candidate has failed as well.</summary>
    public int Retries { get; set; } = 1;

    /// <summary>The longest wait before the first round of retries; every further round may wait twice as long. The wait itself is random.</summary>
    public TimeSpan RetryDelay { get; set; } = TimeSpan.FromMilliseconds(200);

    /// <summary>The longest wait before any round of retries.</summary>
    public TimeSpan LongestRetryDelay { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>A provider that asks for no more than this is waited for; one that asks for more is left alone meanwhile.</summary>
    public TimeSpan LongestRetryAfter { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>After so many failed calls in a row, however long that takes, a candidate is left alone.</summary>
    public int FailuresInARow { get; set; } = 5;

    /// <summary>The share of failed calls at which a candidate is left alone, above 0 and up to 1.</summary>
    public double FailureRatio { get; set; } = 0.5;

    /// <summary>With fewer calls than this in <see cref="SamplingDuration"/> a candidate is not judged.</summary>
    public int MinimumThroughput { get; set; } = 5;

    /// <summary>How far back calls count.</summary>
    public TimeSpan SamplingDuration { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a candidate that fails too often is left alone; then one call tries whether it works again.</summary>
    public TimeSpan BreakDuration { get; set; } = TimeSpan.FromSeconds(15);

    /// <summary>
    /// How long a candidate is left alone that refuses the key or does not have the model, and at most one that asks for a longer wait.
    /// </summary>
    public TimeSpan RefusedBreakDuration { get; set; } = TimeSpan.FromMinutes(1);
}

public sealed class RoutingOptionsValidator : IValidateOptions<RoutingOptions>
{
    private const int MostRetries = 10;
    private const int FewestCalls = 2;

    private static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan ShortestBreak = TimeSpan.FromSeconds(0.5);
    private static readonly TimeSpan LongestBreak = TimeSpan.FromHours(1);

    public ValidateOptionsResult Validate(string? name, RoutingOptions options)
    {
        var problems = new List<string>();
        if (options.Retries is < 0 or > MostRetries)
            problems.Add($"Routing:Retries is {options.Retries}: write how often a candidate is called again, from 0 to {MostRetries}.");
        CheckWait(nameof(options.RetryDelay), options.RetryDelay, "00:00:00.2");
        CheckWait(nameof(options.LongestRetryDelay), options.LongestRetryDelay, "00:00:02");
        CheckWait(nameof(options.LongestRetryAfter), options.LongestRetryAfter, "00:00:05");
        if (options.FailuresInARow < 1)
            problems.Add($"Routing:FailuresInARow is {options.FailuresInARow}: write a number of calls, 1 or more.");
        if (!(options.FailureRatio is > 0 and <= 1))
            problems.Add(FormattableString.Invariant($"Routing:FailureRatio is {options.FailureRatio}: write a share above 0 and up to 1, such as 0.5."));
        if (options.MinimumThroughput < FewestCalls)
            problems.Add($"Routing:MinimumThroughput is {options.MinimumThroughput}: write a number of calls, {FewestCalls} or more.");
        CheckBreak(nameof(options.SamplingDuration), options.SamplingDuration, "00:00:30");
        CheckBreak(nameof(options.BreakDuration), options.BreakDuration, "00:00:15");
        CheckBreak(nameof(options.RefusedBreakDuration), options.RefusedBreakDuration, "00:01:00");
        return problems.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(problems);

        void CheckWait(string key, TimeSpan value, string example)
        {
            if (value < TimeSpan.Zero || value > LongestWait)
                problems.Add($"Routing:{key} is {value}: write a time from 00:00:00 to {LongestWait}, such as {example}.");
        }

        void CheckBreak(string key, TimeSpan value, string example)
        {
            if (value < ShortestBreak || value > LongestBreak)
                problems.Add($"Routing:{key} is {value}: write a time from {ShortestBreak:hh\\:mm\\:ss\\.f} to {LongestBreak}, such as {example}.");
        }
    }
}
