using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.Http.Json;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace AiChat.Tests.Support;

/// <summary>
/// The server as operators run it: a process of its own, with a working directory and an environment of its own, that can be stopped
/// politely or killed.
/// </summary>
public sealed partial class AiChatProcess : IDisposable
{
    private const string DatabaseUrl = "DATABASE_URL";

    private const int Sigterm = 15;
    private const int Sigcont = 18;
    private const int Sigstop = 19;

    private static readonly TimeSpan LongestStart = TimeSpan.FromSeconds(30);

    /// <summary>What the machine of whoever runs the tests may have set, and the server must not see.</summary>
    private static readonly string[] ForeignSettings =
        [DatabaseUrl, "GROQ_API_KEY", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "BRAVE_API_KEY", "TAVILY_API_KEY", "URLS", "ASPNETCORE_URLS", "ASPNETCORE_ENVIRONMENT", "ASPNETCORE_HTTP_PORTS", "DOTNET_URLS",
            "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_PROTOCOL"];

    private readonly Process process;
    private readonly ConcurrentQueue<string> output = new();
    private readonly ConcurrentQueue<string> errors = new();

    private AiChatProcess(string workingDirectory, IReadOnlyDictionary<string, string> environment)
    {
        var start = new ProcessStartInfo("dotnet", ["exec", Path.Combine(AppContext.BaseDirectory, "AiChat.Api.dll")])
        {
            WorkingDirectory = workingDirectory,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var name in ForeignSettings)
            start.Environment.Remove(name);
        // Calls of the model are counted.
        start.Environment["Titles__Enabled"] = "false";
        if (!environment.ContainsKey(DatabaseUrl))
        {
            foreach (var (key, value) in FolderDatabase.GetSettings(workingDirectory))
                start.Environment[key.Replace(":", "__", StringComparison.Ordinal)] = value;
        }

        foreach (var (name, value) in environment)
            start.Environment[name] = value;

        process = Process.Start(start)!;
        process.OutputDataReceived += (_, line) => Keep(output, line.Data);
        process.ErrorDataReceived += (_, line) => Keep(errors, line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    public HttpClient Client { get; } = new();

    /// <summary>Every line the server has written to its standard output: its log.</summary>
    public IReadOnlyList<string> Output => [.. output];

    /// <summary>Every line the server has written to its standard error: why it does not start.</summary>
    public IReadOnlyList<string> Errors => [.. errors];

    /// <summary>The number the system gave to the process.</summary>
    public int Id => process.Id;

    public bool HasExited => process.HasExited;

    /// <summary>A server that takes requests, on a free port.</summary>
    public static async Task<AiChatProcess> StartAsync(string workingDirectory, params (string Name, string Value)[] environment)
    {
        var server = Launch(workingDirectory, FreePort.Find(), environment);
        await server.WaitUntilReadyAsync();
        return server;
    }

    /// <summary>A server on this port that has only just been started; it does not take requests yet.</summary>
    public static AiChatProcess Launch(string workingDirectory, int port, params (string Name, string Value)[] environment)
    {
        var url = $"http://127.0.0.1:{port}";
        var server = new AiChatProcess(workingDirectory, new Dictionary<string, string>(environment.Select(e => KeyValuePair.Create(e.Name, e.Value))) { ["Urls"] = url });
        server.Client.BaseAddress = new Uri(url);
        return server;
    }

    /// <summary>A server that is expected to refuse to start; its exit code and what it said.</summary>
    public static async Task<(int ExitCode, string Errors)> RefuseAsync(string workingDirectory, params (string Name, string Value)[] environment)
    {
        using var server = new AiChatProcess(
            workingDirectory, new Dictionary<string, string>(environment.Select(e => KeyValuePair.Create(e.Name, e.Value))));
        var exitCode = await server.WaitForExitAsync();
        return (exitCode, string.Join('\n', server.Errors));
    }

    /// <exception cref="InvalidOperationException">It ended before.</exception>
    public async Task WaitUntilReadyAsync()
    {
        using var limit = new CancellationTokenSource(LongestStart);
        while (true)
        {
            if (process.HasExited)
                throw new InvalidOperationException("The server did not start: " + string.Join('\n', Errors.Concat(Output)));
            try
            {
                using var response = await Client.GetAsync("/health/ready", limit.Token);
                return;
            }
            catch (HttpRequestException)
            {
                // Not listening yet.
                await Task.Delay(20, limit.Token);
            }
        }
    }

    /// <summary>
    /// Waits until it has taken care of the replies that a killed process left unfinished. On SQLite that is before it takes requests, but where
    /// processes share a database only when the other one is surely dead.
    /// </summary>
    public async Task WaitUntilRecoveredAsync()
    {
        using var limit = new CancellationTokenSource(LongestStart);
        while (!output.Any(line => line.Contains("; they are marked incomplete", StringComparison.Ordinal) || line.Contains("; they go on", StringComparison.Ordinal)))
            await Task.Delay(10, limit.Token);
    }

    /// <summary>Asks for a shutdown, as an orchestrator does; returns at once.</summary>
    public void Terminate() => _ = SendSignal(process.Id, Sigterm);

    /// <summary>Stops the process where it is (<c>SIGSTOP</c>), as a host does that is suspended; its connections stay open.</summary>
    public void Pause() => _ = SendSignal(process.Id, Sigstop);

    /// <summary>Lets a paused process go on; it does not know that time has passed.</summary>
    public void Resume() => _ = SendSignal(process.Id, Sigcont);

    /// <summary>Ends the process as a crash would (<c>kill -9</c>); returns at once.</summary>
    public void Kill() => process.Kill();

    /// <summary>The same, and waits until it is gone.</summary>
    public async Task KillAsync()
    {
        Kill();
        await process.WaitForExitAsync();
    }

    public async Task<int> WaitForExitAsync()
    {
        await process.WaitForExitAsync(new CancellationTokenSource(LongestStart).Token);
        // Once more without a limit: only this waits for the last lines of output.
        await process.WaitForExitAsync();
        return process.ExitCode;
    }

    public async Task<JsonElement> GetAsync(string path) => await Client.GetFromJsonAsync<JsonElement>(path);

    public async Task<JsonElement> PostAsync(string path, object body)
    {
        using var response = await Client.PostAsJsonAsync(path, body);
        return await response.Content.ReadFromJsonAsync<JsonElement>();
    }

    public void Dispose()
    {
        if (!process.HasExited)
            process.Kill();
        process.Dispose();
        Client.Dispose();
    }

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int SendSignal(int processId, int signal);

    private static void Keep(ConcurrentQueue<string> lines, string? line)
    {
        if (line is not null)
            lines.Enqueue(line);
    }
}
