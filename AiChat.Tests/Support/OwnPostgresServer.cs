using System.Diagnostics;

namespace AiChat.Tests.Support;

/// <summary>A PostgreSQL server of a test's own, which it can stop, crash and start again; URL and data stay the same.</summary>
public sealed class OwnPostgresServer : IAsyncDisposable
{
    private static readonly string Script = Path.Combine(AppContext.BaseDirectory, "scripts", "postgres");

    private readonly TempFolder folder = new();

    private OwnPostgresServer()
    {
    }

    /// <summary>What <c>DATABASE_URL</c> has to be; its database is empty.</summary>
    public string Url => $"postgresql://aichat:aichat@127.0.0.1:{Port}/postgres";

    public int Port { get; } = FreePort.Find();

    /// <summary>A new server that takes connections; where PostgreSQL is not installed, the test ends here, as skipped.</summary>
    public static async Task<OwnPostgresServer> CreateAsync()
    {
        var server = new OwnPostgresServer();
        try
        {
            await server.StartAsync();
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <summary>Returns when it takes connections.</summary>
    public Task StartAsync() => RunAsync("start", "--fast", folder.Path, $"{Port}");

    /// <summary>Ends the server and every connection to it.</summary>
    /// <param name="immediate">As a crash would: the next start has to recover.</param>
    public Task StopAsync(bool immediate = false) => immediate ? RunAsync("stop", "--immediate", folder.Path) : RunAsync("stop", folder.Path);

    /// <inheritdoc cref="StopAsync"/>
    /// <summary>Ends the server and starts it again.</summary>
    public Task RestartAsync(bool immediate = false) =>
        immediate ? RunAsync("restart", "--immediate", folder.Path) : RunAsync("restart", folder.Path);

    public async ValueTask DisposeAsync()
    {
        try
        {
            await StopAsync(immediate: true);
        }
        finally
        {
            folder.Dispose();
        }
    }

    private static async Task RunAsync(params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo("bash", [Script, .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = await process.StandardError.ReadToEndAsync();
        await output;
        await process.WaitForExitAsync();

        if (errors.StartsWith("PostgreSQL is not installed", StringComparison.Ordinal))
            Assert.Ignore(errors.Trim());
        if (process.ExitCode != 0)
            throw new InvalidOperationException($"scripts/postgres {string.Join(' ', arguments)} failed: {errors}");
    }
}
