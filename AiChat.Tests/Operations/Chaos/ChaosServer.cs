namespace AiChat.Tests.Operations.Chaos;

/// <summary>The server of a chaos run: one process on a file, or a few on one database.</summary>
internal sealed class ChaosServer : IAsyncDisposable
{
    private static readonly TimeSpan LongestWaitForMoment = TimeSpan.FromSeconds(2);

    private readonly IChaosStorage storage;
    private readonly List<int> pauses = [];
    private Trap? trap;

    private ChaosServer(ChaosOptions options, IChaosStorage storage, string modelUrl)
    {
        this.storage = storage;
        (string, string)[] settings =
        [
            ("GROQ_API_KEY", "test-key"), ("Providers__groq__BaseUrl", modelUrl), ("Logging__LogLevel__Default", "Warning"),
            // Short prompts: the history is not what is tested here, and the fake model keeps all of them.
            ("Memory__HistoryTokens", "200"), ("Runs__OnRestart", options.OnRestart.ToString()), ("Runs__LeaseTime", options.LeaseTime.ToString()),
        ];
        Nodes = [.. Enumerable.Range(1, options.Nodes).Select(n => new ChaosNode($"node-{n}", storage, settings))];
    }

    public IReadOnlyList<ChaosNode> Nodes { get; }

    /// <summary>
    /// Grows with every kill, every completed start, and the beginning and the end of every pause, of any process: even while all of them take
    /// requests, odd while one does not.
    /// </summary>
    public int Epoch => Nodes.Sum(n => n.Epoch);

    /// <summary>Starts all processes, and returns when they take requests.</summary>
    public static async Task<ChaosServer> StartAsync(ChaosOptions options, string modelUrl)
    {
        var server = new ChaosServer(options, options.Nodes == 1 ? new ChaosFile() : await ChaosPostgres.StartAsync(), modelUrl);
        try
        {
            foreach (var node in server.Nodes)
                node.Launch();
            foreach (var node in server.Nodes)
                await node.WaitUntilReadyAsync();
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <summary>SIGKILL, at whatever the process is doing; the errors it has logged.</summary>
    public static Task<IReadOnlyList<string>> KillAsync(ChaosNode node)
    {
        node.BeginKill();
        return node.BuryAsync();
    }

    /// <summary>The same at once behind the next such moment of any client, or after a while without one.</summary>
    public async Task<IReadOnlyList<string>> KillBehindAsync(ChaosNode node, ChaosMoment moment)
    {
        var set = new Trap(node, moment);
        Volatile.Write(ref trap, set);
        await Task.WhenAny(set.Sprung, Task.Delay(LongestWaitForMoment));
        if (set.TrySpring())
            node.BeginKill();
        return await node.BuryAsync();
    }

    /// <summary>A client has just been told this; what it was told must be true from now on, whatever happens to the server.</summary>
    public void Notice(ChaosMoment moment)
    {
        if (Volatile.Read(ref trap) is not { } set || set.Moment != moment || !set.TrySpring())
            return;
        set.Node.BeginKill();
        set.Node.Kill();
        set.Close();
    }

    /// <summary>Pauses a process until the others have taken its runs.</summary>
    public async Task PauseAsync(ChaosNode node)
    {
        lock (pauses)
            pauses.Add(Epoch);
        await node.PauseAsync();
    }

    /// <summary>How many pauses there were between two epochs, of any process.</summary>
    public int CountPauses(int first, int last)
    {
        lock (pauses)
            return pauses.Count(p => p >= first - 1 && p <= last);
    }

    /// <inheritdoc cref="IChaosStorage.ExamineAsync"/>
    public Task<ChaosFindings> ExamineAsync(ChaosNode node) => storage.ExamineAsync(node.Process);

    /// <inheritdoc cref="IChaosStorage.ExamineAllAsync"/>
    public Task<ChaosFindings> ExamineAllAsync() => storage.ExamineAllAsync();

    public async ValueTask DisposeAsync()
    {
        foreach (var node in Nodes)
            node.Dispose();
        await storage.DisposeAsync();
    }

    /// <summary>Waits for a moment to kill a process at; springs once.</summary>
    private sealed class Trap(ChaosNode node, ChaosMoment moment)
    {
        private readonly TaskCompletionSource sprung = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int isSprung;

        public ChaosNode Node => node;

        public ChaosMoment Moment => moment;

        public Task Sprung => sprung.Task;

        public bool TrySpring() => Interlocked.Exchange(ref isSprung, 1) == 0;

        public void Close() => sprung.SetResult();
    }
}
