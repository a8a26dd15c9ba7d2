using AiChat.Tests.Support;

namespace AiChat.Tests.Operations.Chaos;

/// <summary>One process of a chaos run's server: always on the same port, killed and started again many times.</summary>
internal sealed class ChaosNode : IDisposable
{
    private readonly TempFolder folder = new();
    private readonly IChaosStorage storage;
    private readonly IReadOnlyList<(string Name, string Value)> settings;
    private readonly string name;
    private readonly int port = FreePort.Find();
    private AiChatProcess? process;
    private CancellationTokenSource pausing = new();
    private int epoch = 1;
    private int starts;

    public ChaosNode(string name, IChaosStorage storage, IReadOnlyList<(string Name, string Value)> settings)
    {
        (this.name, this.storage, this.settings) = (name, storage, settings);
        Streams = new SseClient(Address);
        // A connection for every request: on one that is used again, a request may be repeated behind the client's back.
        Http = new HttpClient(new SocketsHttpHandler { PooledConnectionLifetime = TimeSpan.Zero, UseProxy = false })
        {
            BaseAddress = Address,
            Timeout = TimeSpan.FromSeconds(30),
        };
    }

    /// <summary>The name of the process there is now, or was last; each has another one.</summary>
    public string Process => $"{name}.{starts}";

    public Uri Address => new($"http://127.0.0.1:{port}");

    public SseClient Streams { get; }

    public HttpClient Http { get; }

    /// <summary>Grows with every kill and every completed start: even while the process takes requests, odd while it does not.</summary>
    public int Epoch => Volatile.Read(ref epoch);

    public bool IsUp => Epoch % 2 == 0;

    /// <summary>Cancelled by the next pause: nothing comes from then on, but no connection breaks.</summary>
    public CancellationToken Pausing => Volatile.Read(ref pausing).Token;

    /// <summary>Whether a request that began in that epoch may fail without anybody being to blame.</summary>
    public bool MayFail(int since) => since % 2 == 1 || Epoch != since;

    public void Launch()
    {
        starts++;
        process = AiChatProcess.Launch(folder.Path, port, [("DATABASE_URL", storage.GetUrl(Process)), .. settings]);
    }

    public async Task WaitUntilReadyAsync()
    {
        await process!.WaitUntilReadyAsync();
        Interlocked.Increment(ref epoch);
    }

    /// <summary>From here on, what fails does so because of what is done to the process next.</summary>
    public void BeginKill() =>
        // One that is killed while it starts has had an epoch, too: it may have begun to work.
        Interlocked.Add(ref epoch, IsUp ? 1 : 2);

    /// <summary>SIGKILL, at whatever the process is doing; returns at once.</summary>
    public void Kill() => process!.Kill();

    /// <summary>The same, and waits until it is gone; the errors it has logged.</summary>
    public async Task<IReadOnlyList<string>> BuryAsync()
    {
        await process!.KillAsync();
        return TakeErrors();
    }

    /// <summary>SIGSTOP until others have taken its runs, then SIGCONT; returns when the process has learnt that.</summary>
    public async Task PauseAsync()
    {
        Interlocked.Increment(ref epoch);
        process!.Pause();
        await Volatile.Read(ref pausing).CancelAsync();
        await storage.WaitUntilTakenOverAsync(Process);
        Volatile.Write(ref pausing, new CancellationTokenSource());
        process.Resume();
        await storage.WaitUntilAwareAsync(Process);
        Interlocked.Increment(ref epoch);
    }

    /// <summary>A polite end; the exit code and the errors that were logged.</summary>
    public async Task<(int ExitCode, IReadOnlyList<string> Errors)> StopAsync()
    {
        Interlocked.Increment(ref epoch);
        process!.Terminate();
        var exitCode = await process.WaitForExitAsync();
        return (exitCode, TakeErrors());
    }

    public void Dispose()
    {
        process?.Dispose();
        pausing.Dispose();
        Http.Dispose();
        folder.Dispose();
    }

    private List<string> TakeErrors()
    {
        var errors = FindErrors(process!.Output).Concat(process.Errors).Select(e => $"{Process}: {e}").ToList();
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
}
