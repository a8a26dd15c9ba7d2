using System.Collections.Concurrent;
using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.InteropServices;

namespace AiChat.Tests.Support;

/// <summary>
/// Watches the system calls of a running server, and can make them fail as a disk would: <c>strace</c>, attached to the process until it
/// is disposed.
/// </summary>
public sealed partial class Strace : IAsyncDisposable
{
    /// <summary>SQLite is built with either of the two.</summary>
    public const string Writes = "write,pwrite64";

    /// <inheritdoc cref="Writes"/>
    public const string Reads = "read,pread64";

    /// <inheritdoc cref="Writes"/>
    public const string Flushes = "fsync,fdatasync";

    private const int Sigterm = 15;

    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(20);

    private readonly ConcurrentQueue<string> messages = new();
    private readonly TaskCompletionSource attached = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly string log;
    private readonly Process process;

    private Strace(AiChatProcess server, string log, IEnumerable<string> arguments)
    {
        this.log = log;
        process = Process.Start(new ProcessStartInfo("strace", ["-f", "-p", $"{server.Id}", "-o", log, .. arguments]) { RedirectStandardError = true })!;
        process.ErrorDataReceived += (_, line) => Read(line.Data);
        process.BeginErrorReadLine();
    }

    /// <summary>Writes down these system calls, on whatever file.</summary>
    /// <param name="server">The process to watch.</param>
    /// <param name="log">The file to write to; read it with <see cref="StopAsync"/>.</param>
    /// <param name="calls">Names of system calls, with commas.</param>
    public static Task<Strace> WatchAsync(AiChatProcess server, string log, string calls) => AttachAsync(server, log, [$"--trace={calls}"]);

    /// <summary>The same on a slow disk: each of the calls takes this much longer.</summary>
    public static Task<Strace> DelayAsync(AiChatProcess server, string log, string calls, TimeSpan delay) =>
        AttachAsync(server, log, [$"--trace={calls}", $"--inject={calls}:delay_enter={(long)delay.TotalMicroseconds}"]);

    /// <summary>Makes these system calls fail on these files, and on no others.</summary>
    /// <param name="server">The process to trouble.</param>
    /// <param name="log">A file for what was done.</param>
    /// <param name="calls">Names of system calls, with commas.</param>
    /// <param name="error">The name of the error: <c>ENOSPC</c>, <c>EIO</c>.</param>
    /// <param name="paths">Absolute paths of files.</param>
    public static Task<Strace> FailAsync(AiChatProcess server, string log, string calls, string error, params IEnumerable<string> paths) =>
        AttachAsync(server, log, [$"--trace={calls}", $"--inject={calls}:error={error}", .. paths.Select(p => $"--trace-path={p}")]);

    /// <summary>Lets go of the process, which runs on, and returns the calls that were seen, one a line.</summary>
    public async Task<IReadOnlyList<string>> StopAsync()
    {
        await DisposeAsync();
        // A call that others got in between of has a second line, "<... fsync resumed>) = 0".
        return [.. (await File.ReadAllLinesAsync(log)).Where(line => line.Contains('(') && !line.Contains(" resumed>", StringComparison.Ordinal))];
    }

    public async ValueTask DisposeAsync()
    {
        if (!process.HasExited)
        {
            // It detaches when asked to end. Killed, it would leave the server to the kernel's mercy.
            _ = SendSignal(process.Id, Sigterm);
        }

        await process.WaitForExitAsync().WaitAsync(LongestWait);
    }

    /// <summary>Ignores the test where there is no strace, or where processes may not be traced.</summary>
    private static async Task<Strace> AttachAsync(AiChatProcess server, string log, IEnumerable<string> arguments)
    {
        Strace strace;
        try
        {
            strace = new Strace(server, log, arguments);
        }
        catch (Win32Exception)
        {
            Assert.Ignore("strace is not installed.");
            throw;
        }

        try
        {
            await Task.WhenAny(strace.attached.Task, strace.process.WaitForExitAsync()).WaitAsync(LongestWait);
        }
        catch (TimeoutException)
        {
            await strace.DisposeAsync();
            throw;
        }

        if (!strace.attached.Task.IsCompleted)
            Assert.Ignore("strace cannot attach: " + string.Join(' ', strace.messages));
        return strace;
    }

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int SendSignal(int processId, int signal);

    private void Read(string? line)
    {
        if (line is null)
            return;
        messages.Enqueue(line);
        // "strace: Process 42 attached with 17 threads", once all of them are; without a number of threads if there is but one.
        if (line.Contains(" attached", StringComparison.Ordinal))
            attached.TrySetResult();
    }
}
