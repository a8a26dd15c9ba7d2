using System.Net;
using System.Net.Sockets;
using AiChat.Core.Runs;
using AiChat.Infrastructure.Persistence.Sqlite;
using AiChat.Tests.Support;
using Dapper;
using Microsoft.Data.Sqlite;

namespace AiChat.Tests.Operations.Chaos;

/// <summary>The server process of a chaos run: always on the same port and file, killed and started again many times.</summary>
internal sealed class ChaosServer(string modelUrl, OnRestart onRestart) : IDisposable
{
    private const string DatabaseName = "ai_chat.db";

    private static readonly TimeSpan LongestWaitForMoment = TimeSpan.FromSeconds(2);

    private readonly TempFolder folder = new();
    private readonly int port = FindPort();
    private AiChatProcess? process;
    private int epoch = 1;
    private Trap? trap;

    /// <summary>Grows with every kill and every completed start: even while the server takes requests, odd while it does not.</summary>
    public int Epoch => Volatile.Read(ref epoch);

    public Uri Address => new($"http://127.0.0.1:{port}");

    private bool IsUp => Epoch % 2 == 0;

    /// <summary>Whether a request that began in that epoch may fail without anybody being to blame.</summary>
    public bool MayFail(int since) => since % 2 == 1 || Epoch != since;

    public void Launch() => process = AiChatProcess.Launch(
        folder.Path, port,
        ("GROQ_API_KEY", "test-key"), ("Providers__groq__BaseUrl", modelUrl), ("Logging__LogLevel__Default", "Warning"),
        // Short prompts: the history is not what is tested here, and the fake model keeps all of them.
        ("Memory__HistoryTokens", "200"), ("Runs__OnRestart", onRestart.ToString()));

    public async Task WaitUntilReadyAsync()
    {
        await process!.WaitUntilReadyAsync();
        Interlocked.Increment(ref epoch);
    }

    /// <summary>SIGKILL, at whatever the server is doing; the errors it has logged.</summary>
    public async Task<IReadOnlyList<string>> KillAsync()
    {
        // One that is killed while it starts has had an epoch, too: it may have begun to work.
        Interlocked.Add(ref epoch, IsUp ? 1 : 2);
        await process!.KillAsync();
        return Bury();
    }

    /// <summary>The same at once behind the next such moment of any client, or after a while without one.</summary>
    public async Task<IReadOnlyList<string>> KillBehindAsync(ChaosMoment moment)
    {
        var set = new Trap(moment);
        Volatile.Write(ref trap, set);
        await Task.WhenAny(set.Sprung, Task.Delay(LongestWaitForMoment));
        if (set.TrySpring())
            Interlocked.Increment(ref epoch);
        await process!.KillAsync();
        return Bury();
    }

    /// <summary>A client has just been told this; what it was told must be true from now on, whatever happens to the server.</summary>
    public void Notice(ChaosMoment moment)
    {
        if (Volatile.Read(ref trap) is not { } set || set.Moment != moment || !set.TrySpring())
            return;
        Interlocked.Increment(ref epoch);
        process!.Kill();
        set.Close();
    }

    /// <summary>A polite end; the exit code and the errors that were logged.</summary>
    public async Task<(int ExitCode, IReadOnlyList<string> Errors)> StopAsync()
    {
        Interlocked.Increment(ref epoch);
        process!.Terminate();
        var exitCode = await process.WaitForExitAsync();
        return (exitCode, Bury());
    }

    /// <summary>
    /// Looks into the database the dead process left, in a copy, so that the next start finds everything as it was left: what
    /// SQLite says of its health, and the runs that have no end.
    /// </summary>
    public (string Integrity, IReadOnlyList<(string Id, string UserId)> Unfinished) Autopsy()
    {
        using var copy = new TempFolder();
        foreach (var file in new[] { DatabaseName, DatabaseName + "-wal" }.Where(f => File.Exists(folder.File(f))))
            File.Copy(folder.File(file), copy.File(file));
        SqliteLibrary.Load(name: null);
        using var connection = new SqliteConnection($"Data Source={copy.File(DatabaseName)};Pooling=False");
        connection.Open();
        return (
            connection.ExecuteScalar<string>("PRAGMA integrity_check")!,
            [.. connection.Query<(string, string)>("SELECT id, user_id FROM runs WHERE completed_at IS NULL")]);
    }

    public void Dispose()
    {
        process?.Dispose();
        folder.Dispose();
    }

    private List<string> Bury()
    {
        var errors = FindErrors(process!.Output).Concat(process.Errors).ToList();
        process.Dispose();
        process = null;
        return errors;
    }

    /// <summary>Errors of the log, each with the lines that follow it: where it came from.</summary>
    private static IEnumerable<string> FindErrors(IReadOnlyList<string> log)
    {
        for (var i = 0; i < log.Count; i++)
        {
            if (IsError(log[i]))
                yield return string.Join('\n', [log[i], .. log.Skip(i + 1).TakeWhile(line => line.Length == 0 || !char.IsAsciiDigit(line[0])).Take(20)]);
        }
    }

    private static bool IsError(string line) =>
        line.Contains(" ERR ", StringComparison.Ordinal) || line.Contains(" FTL ", StringComparison.Ordinal);

    /// <summary>
    /// A free port below those the system hands out to clients: while the server is down, nobody can take it by chance, and no client
    /// can be connected to itself.
    /// </summary>
    private static int FindPort()
    {
        while (true)
        {
            var candidate = Random.Shared.Next(20_000, 32_000);
            try
            {
                using var listener = new TcpListener(IPAddress.Loopback, candidate);
                listener.Start();
                return candidate;
            }
            catch (SocketException)
            {
                // Taken: another one.
            }
        }
    }

    /// <summary>Waits for a moment to kill the server at; springs once.</summary>
    private sealed class Trap(ChaosMoment moment)
    {
        private readonly TaskCompletionSource sprung = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int isSprung;

        public ChaosMoment Moment => moment;

        public Task Sprung => sprung.Task;

        public bool TrySpring() => Interlocked.Exchange(ref isSprung, 1) == 0;

        public void Close() => sprung.SetResult();
    }
}
