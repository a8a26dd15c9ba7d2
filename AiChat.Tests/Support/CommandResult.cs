using System.Diagnostics;

namespace AiChat.Tests.Support;

/// <summary>What a program did that was run to its end.</summary>
public sealed record CommandResult(int ExitCode, string Output, string Errors)
{
    private static readonly TimeSpan LongestRun = TimeSpan.FromSeconds(60);

    /// <exception cref="System.ComponentModel.Win32Exception">The program is not there.</exception>
    public static async Task<CommandResult> RunAsync(
        string program, IEnumerable<string> arguments, string workingDirectory, params (string Name, string Value)[] environment)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = workingDirectory,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var (name, value) in environment)
            start.Environment[name] = value;

        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        using var limit = new CancellationTokenSource(LongestRun);
        try
        {
            await process.WaitForExitAsync(limit.Token);
        }
        finally
        {
            if (!process.HasExited)
                process.Kill();
        }

        return new CommandResult(process.ExitCode, await output, await errors);
    }
}
