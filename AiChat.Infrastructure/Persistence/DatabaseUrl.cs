using AiChat.Infrastructure.Persistence.Postgres;
using AiChat.Infrastructure.Persistence.Sqlite;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace AiChat.Infrastructure.Persistence;

/// <summary>Which engine a database URL names.</summary>
public static class DatabaseUrl
{
    public static bool IsPostgres(string url) => url.StartsWith("postgres", StringComparison.OrdinalIgnoreCase);

    /// <summary>What is wrong with the URL and what to write instead; null when it can be used. The URL itself is not quoted: it may hold a password.</summary>
    public static string? FindProblem(string url) => IsPostgres(url)
        ? PostgresUrl.FindProblem(url)
        : SqliteUrl.TryParse(url, out _, out var problem) ? null : problem;

    /// <summary>The database of the options' URL, for whoever has no container.</summary>
    /// <exception cref="DatabaseStartupException">It cannot be opened.</exception>
    public static IDatabase Open(DatabaseOptions options, ILoggerFactory loggers) => IsPostgres(options.Url)
        ? new PostgresDatabase(Options.Create(options), loggers)
        : new SqliteDatabase(Options.Create(options), loggers.CreateLogger<SqliteDatabase>());
}
