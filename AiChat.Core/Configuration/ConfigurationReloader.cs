using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Primitives;

namespace AiChat.Core.Configuration;

/// <summary>Has a changed configuration take effect while the server runs, or refuses it as a whole and says why.</summary>
public sealed partial class ConfigurationReloader(
    IConfiguration configuration, IEnumerable<IReloadable> parts, TimeProvider time, ILogger<ConfigurationReloader> logger) : BackgroundService
{
    /// <summary>Several files may change together, and one change may be told twice.</summary>
    internal static readonly TimeSpan Settling = TimeSpan.FromMilliseconds(250);

    private readonly SemaphoreSlim changed = new(0, 1);
    private readonly Lock gate = new();
    private readonly IReadOnlyList<IReloadable> parts = [.. parts];

    public override void Dispose()
    {
        base.Dispose();
        changed.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var watch = ChangeToken.OnChange(configuration.GetReloadToken, Signal);
        while (!stoppingToken.IsCancellationRequested)
        {
            await changed.WaitAsync(stoppingToken);
            await Task.Delay(Settling, time, stoppingToken);
            // What was told meanwhile is read now.
            changed.Wait(0, stoppingToken);
            Reload();
        }
    }

    private void Signal()
    {
        lock (gate)
        {
            if (changed.CurrentCount == 0)
                changed.Release();
        }
    }

    private void Reload()
    {
        var problems = new List<string>();
        var changes = parts.Select(part => part.Prepare(problems)).ToList();
        if (problems.Count > 0)
        {
            var sentences = string.Join(' ', problems);
            LogRefused(problems.Count, sentences);
            return;
        }

        changes.ForEach(change => change());
        LogReloaded();
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "The changed configuration is used from now on")]
    private partial void LogReloaded();

    [LoggerMessage(Level = LogLevel.Error, Message = "The changed configuration is not used, the former one stays; wrong settings: {Count}. {Problems}")]
    private partial void LogRefused(int count, string problems);
}
