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
    private IDisposable? watch;

    /// <summary>Watches before it returns: no change of the first moments is missed.</summary>
    public override Task StartAsync(CancellationToken cancellationToken)
    {
        watch = ChangeToken.OnChange(configuration.GetReloadToken, Signal);
        return base.StartAsync(cancellationToken);
    }

    public override void Dispose()
    {
        base.Dispose();
        watch?.Dispose();
        changed.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            await changed.WaitAsync(stoppingToken);
            await Task.Delay(Settling, time, stoppingToken);
            // What was told meanwhile is read now.
            changed.Wait(0, stoppingToken);
            TryReload();
        }
    }

    /// <summary>Whatever goes wrong, the server goes on with the settings it has.</summary>
    private void TryReload()
    {
        try
        {
            Reload();
        }
        catch (Exception failure)
        {
            LogDefect(failure);
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

    [LoggerMessage(Level = LogLevel.Error, Message = "The changed configuration is not used because of a defect, the former one stays")]
    private partial void LogDefect(Exception failure);

    [LoggerMessage(Level = LogLevel.Error, Message = "The changed configuration is not used, the former one stays; wrong settings: {Count}. {Problems}")]
    private partial void LogRefused(int count, string problems);
}
