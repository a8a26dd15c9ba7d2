using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace AiChat.Infrastructure.Persistence;

/// <summary>Where everything is stored.</summary>
public sealed class DatabaseOptions
{
    public const string Section = "Database";

    /// <summary>The short name that wins over <see cref="Url"/>.</summary>
    public const string UrlVariable = "DATABASE_URL";

    /// <summary>
    /// <c>sqlite:///./ai_chat.db</c> (three slashes: relative to the working directory), <c>sqlite:////var/lib/ai_chat.db</c> (four:
    /// absolute), or <c>postgresql://user:password@host:5432/database</c>.
    /// </summary>
    public string Url { get; set; } = "sqlite:///./ai_chat.db";

    /// <summary>
    /// The SQLite library to use instead of the bundled one: a path or a name the system's loader finds, such as <c>libsqlite3.so.0</c>.
    /// </summary>
    public string? SqliteLibrary { get; set; }

    /// <summary>
    /// Most connections to PostgreSQL that this process uses for its work; it has four more: for signals between processes, its lease, and to look
    /// for a lost server. Few, because a statement takes a fraction of a millisecond: more of them at once wait for each other's cores.
    /// </summary>
    public int MaxConnections { get; set; } = 8;

    /// <summary>Longest time a connection to PostgreSQL may take to be made, and how long a start waits for a server that is not there yet.</summary>
    public TimeSpan ConnectTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>Longest time a statement may take on PostgreSQL, and work may wait for a free connection.</summary>
    public TimeSpan CommandTimeout { get; set; } = TimeSpan.FromSeconds(10);

    public void Bind(IConfiguration configuration)
    {
        configuration.GetSection(Section).Bind(this);
        if (configuration[UrlVariable] is { Length: > 0 } url)
            Url = url;
    }
}

public sealed class DatabaseOptionsValidator : IValidateOptions<DatabaseOptions>
{
    private const int MostConnections = 1000;

    private static readonly TimeSpan LongestTimeout = TimeSpan.FromMinutes(10);

    public ValidateOptionsResult Validate(string? name, DatabaseOptions options)
    {
        var problems = new List<string>();
        if (DatabaseUrl.FindProblem(options.Url) is { } problem)
            problems.Add($"{DatabaseOptions.UrlVariable} (or {DatabaseOptions.Section}:Url) {problem}");
        if (options.MaxConnections is < 2 or > MostConnections)
            problems.Add($"Database:MaxConnections is {options.MaxConnections}: write a number from 2 to {MostConnections}.");
        AddTimeout(nameof(options.ConnectTimeout), options.ConnectTimeout);
        AddTimeout(nameof(options.CommandTimeout), options.CommandTimeout);
        return problems.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(problems);

        void AddTimeout(string key, TimeSpan value)
        {
            if (value < TimeSpan.FromSeconds(1) || value > LongestTimeout)
                problems.Add($"Database:{key} is {value}: write a time from 00:00:01 to {LongestTimeout}, such as 00:00:10.");
        }
    }
}
