using Microsoft.Extensions.Options;

namespace AiChat.Core.Runs;

/// <summary>How replies are generated.</summary>
public sealed class RunOptions
{
    public const string Section = "Runs";

    /// <summary>How long running replies may go on after a shutdown was asked for; then they are settled as incomplete.</summary>
    public TimeSpan ShutdownTimeout { get; set; } = TimeSpan.FromSeconds(10);
}

public sealed class RunOptionsValidator : IValidateOptions<RunOptions>
{
    /// <summary>The host ends 20 s after a shutdown was asked for; storing what is there needs some of them.</summary>
    private static readonly TimeSpan LongestShutdown = TimeSpan.FromSeconds(15);

    public ValidateOptionsResult Validate(string? name, RunOptions options) =>
        options.ShutdownTimeout >= TimeSpan.Zero && options.ShutdownTimeout <= LongestShutdown
            ? ValidateOptionsResult.Success
            : ValidateOptionsResult.Fail(
                $"Runs:ShutdownTimeout is {options.ShutdownTimeout}: write a time from 00:00:00 to {LongestShutdown}, such as 00:00:10.");
}
