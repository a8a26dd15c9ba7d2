namespace AiChat.Infrastructure.Persistence;

/// <summary>Which engine a database URL names.</summary>
public static class DatabaseUrl
{
    public static bool IsPostgres(string url) => url.StartsWith("postgres", StringComparison.OrdinalIgnoreCase);

    /// <summary>What is wrong with the URL and what to write instead; null when it can be used. The URL itself is not quoted: it may hold a password.</summary>
    public static string? FindProblem(string url) => IsPostgres(url)
        ? Postgres.PostgresUrl.FindProblem(url)
        : SqliteUrl.TryParse(url, out _, out var problem) ? null : problem;
}
