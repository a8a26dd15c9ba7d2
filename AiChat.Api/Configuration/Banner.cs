using System.Reflection;
using AiChat.Core.Models;
using AiChat.Infrastructure.Persistence;

namespace AiChat.Api.Configuration;

/// <summary>Tells the operator at start what runs where, and what to set for real answers.</summary>
internal sealed partial class Banner(IDatabase database, ModelRegistry models, ILogger<Banner> logger)
{
    /// <summary>The product's version, without build metadata.</summary>
    public static string Version { get; } =
        Assembly.GetExecutingAssembly().GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];

    public void Show(IEnumerable<string> urls, string databaseVersion)
    {
        var addresses = string.Join(", ", urls);
        LogStarted(Version, addresses);
        LogDatabase(database.Location, databaseVersion);
        foreach (var alias in models.Aliases)
            LogModel(alias.Name, alias.Active.Provider, alias.Active.Model);

        var offline = models.Aliases.Where(a => a.Active.Provider == ModelRegistry.OfflineProvider).ToList();
        var settings = offline.SelectMany(a => a.Candidates).Select(c => c.MissingSetting).OfType<string>().Distinct().ToList();
        if (settings.Count == 0)
            return;

        var names = string.Join(", ", offline.Select(a => a.Name));
        var cures = string.Join(" or ", settings);
        LogOffline(names, cures);
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "AiChat {Version} listens on {Urls}; documentation at /docs")]
    private partial void LogStarted(string version, string urls);

    [LoggerMessage(Level = LogLevel.Information, Message = "Database: {Database} ({DatabaseVersion})")]
    private partial void LogDatabase(string database, string databaseVersion);

    [LoggerMessage(Level = LogLevel.Information, Message = "Model {Alias}: answered by {Provider}, {Model}")]
    private partial void LogModel(string alias, string provider, string model);

    [LoggerMessage(Level = LogLevel.Warning,
        Message = "No key for any provider of {Aliases}: the built-in offline backend answers. Set {Settings} in the environment or in .env for real answers")]
    private partial void LogOffline(string aliases, string settings);
}
