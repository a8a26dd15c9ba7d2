using System.Diagnostics;
using System.Runtime.InteropServices;

namespace AiChat.Tests.Support;

/// <summary>The binary with a command line, as operators run its verbs: a process of its own that can be stopped politely or killed.</summary>
public sealed partial class AiChatCommand : IDisposable
{
    private const int Sigint = 2;

    private static readonly TimeSpan LongestRun = TimeSpan.FromMinutes(3);

    private readonly Process process;
    private readonly Task<string> output;
    private readonly Task<string> errors;

    private AiChatCommand(string workingDirectory, string? databaseUrl, string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", ["exec", Path.Combine(AppContext.BaseDirectory, "AiChat.Api.dll"), .. arguments])
        {
            WorkingDirectory = workingDirectory,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment.Remove("DATABASE_URL");
        if (databaseUrl is not null)
            start.Environment["DATABASE_URL"] = databaseUrl;
        process = Process.Start(start)!;
        (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
    }

    public bool HasExited => process.HasExited;

    public static AiChatCommand Start(string workingDirectory, params string[] arguments) => new(workingDirectory, databaseUrl: null, arguments);

    /// <summary>Runs it to its end.</summary>
    public static Task<CommandResult> RunAsync(string workingDirectory, params string[] arguments) => RunWithUrlAsync(workingDirectory, databaseUrl: null, arguments);

    /// <summary>Runs it to its end, with a <c>DATABASE_URL</c>.</summary>
    public static async Task<CommandResult> RunWithUrlAsync(string workingDirectory, string? databaseUrl, params string[] arguments)
    {
        using var command = new AiChatCommand(workingDirectory, databaseUrl, arguments);
        return await command.WaitForExitAsync();
    }

    public async Task<CommandResult> WaitForExitAsync()
    {
        using var limit = new CancellationTokenSource(LongestRun);
        await process.WaitForExitAsync(limit.Token);
        return new CommandResult(process.ExitCode, await output, await errors);
    }

    /// <summary>Ends the process as a crash would (<c>kill -9</c>), and waits until it is gone.</summary>
    public async Task KillAsync()
    {
        process.Kill();
        await process.WaitForExitAsync();
    }

    /// <summary>Does what Ctrl-C does; returns at once.</summary>
    public void Interrupt() => _ = SendSignal(process.Id, Sigint);

    public void Dispose()
    {
        if (!process.HasExited)
            process.Kill();
        process.Dispose();
    }

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int SendSignal(int processId, int signal);
}
