using System.Diagnostics;
using System.Text.RegularExpressions;

namespace AiChat.Tests.OpenApi;

/// <summary>The built server in a process of its own, as users run it: an empty database, a free port, no keys.</summary>
public sealed partial class DocumentedServer : IAsyncDisposable
{
    public const string DocumentPath = "/swagger/v1/swagger.json";

    private static readonly TimeSpan LongestStart = TimeSpan.FromSeconds(60);

    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("aichat-openapi-");
    private readonly TaskCompletionSource<string> listening = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Process process;

    private DocumentedServer()
    {
        var start = new ProcessStartInfo("dotnet")
        {
            WorkingDirectory = folder.FullName,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            ArgumentList = { Path.Combine(AppContext.BaseDirectory, "AiChat.Api.dll"), "--urls", "http://127.0.0.1:0" },
        };
        start.Environment["DATABASE_URL"] = "sqlite:///./openapi.db";
        start.Environment.Remove("GROQ_API_KEY");
        start.Environment.Remove("OPENAI_API_KEY");
        start.Environment.Remove("ANTHROPIC_API_KEY");
        process = new Process { StartInfo = start, EnableRaisingEvents = true };
        process.OutputDataReceived += (_, line) => Read(line.Data);
        process.ErrorDataReceived += (_, line) => Read(line.Data);
        process.Exited += (_, _) => listening.TrySetException(new InvalidOperationException("The server stopped before it listened."));
    }

    public HttpClient Client { get; } = new();

    public string Url => Client.BaseAddress!.ToString().TrimEnd('/');

    public static async Task<DocumentedServer> StartAsync()
    {
        var server = new DocumentedServer();
        server.process.Start();
        server.process.BeginOutputReadLine();
        server.process.BeginErrorReadLine();
        server.Client.BaseAddress = new Uri(await server.listening.Task.WaitAsync(LongestStart));
        return server;
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        process.Kill();
        await process.WaitForExitAsync();
        process.Dispose();
        folder.Delete(recursive: true);
    }

    [GeneratedRegex(@"listens on (http://[^\s;,]+)")]
    private static partial Regex Address();

    private void Read(string? line)
    {
        TestContext.Progress.WriteLine(line);
        if (line is not null && Address().Match(line) is { Success: true } match)
            listening.TrySetResult(match.Groups[1].Value);
    }
}
