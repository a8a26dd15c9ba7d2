using Npgsql;

namespace AiChat.Tests.Support;

/// <summary>
/// The PostgreSQL server that tests share, where each has databases of its own. Safe to use from many tests and processes at once.
/// </summary>
public static class PostgresServer
{
    /// <summary>The environment variable with the URL of the server; its user may create databases.</summary>
    public const string Variable = "AICHAT_TEST_POSTGRES";

    /// <summary>Why tests are ignored where there is no server.</summary>
    public const string Missing = $"needs PostgreSQL: start one with scripts/postgres start and set {Variable} to the URL it prints";

    /// <summary>Names are cut at 63 bytes, and a template has a longer one while it is being filled.</summary>
    private const int LongestTemplateName = 63 - 8;

    /// <summary>Whoever makes a template waits for those who fill one.</summary>
    private const int LongestFill = 300;

    private static readonly TimeSpan LongestUse = TimeSpan.FromSeconds(60);

    public static bool IsConfigured => !string.IsNullOrEmpty(Environment.GetEnvironmentVariable(Variable));

    /// <summary>The URL of the server; where there is none, the test ends here, as skipped.</summary>
    public static string RequireUrl()
    {
        if (!IsConfigured)
            Assert.Ignore(Missing);
        return Environment.GetEnvironmentVariable(Variable)!;
    }

    /// <summary>A new database, empty or a copy of another one.</summary>
    /// <param name="template">The name of the database to copy; waits until nobody is connected to it.</param>
    public static async Task<PostgresCopy> CreateDatabaseAsync(string? template = null)
    {
        var server = RequireUrl();
        var name = $"aichat_test_{Guid.NewGuid():N}";
        await using var connection = await ConnectAsync(server);
        await RetryInUseAsync(() => ExecuteAsync(connection, $"create database {name} template {Quote(template ?? "template0")}"));
        return new PostgresCopy(server, name);
    }

    /// <summary>A copy of a template, which is made first where the server does not have it yet.</summary>
    /// <param name="templateName">Stands for what is in it: a template is never filled again.</param>
    /// <param name="fill">Fills the template behind the URL it is given. Connections that it leaves open are closed.</param>
    public static async Task<PostgresCopy> CreateFromTemplateAsync(string templateName, Func<string, Task> fill)
    {
        try
        {
            return await CreateDatabaseAsync(templateName);
        }
        catch (PostgresException exception) when (exception.SqlState == PostgresErrorCodes.InvalidCatalogName)
        {
            await MakeTemplateAsync(templateName, fill);
            return await CreateDatabaseAsync(templateName);
        }
    }

    /// <summary>An open connection that belongs to no pool.</summary>
    public static async Task<NpgsqlConnection> ConnectAsync(string url)
    {
        var connection = new NpgsqlConnection(ToConnectionString(url));
        try
        {
            await connection.OpenAsync();
            return connection;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    /// <summary>What Npgsql takes in the place of this URL, without a pool.</summary>
    internal static string ToConnectionString(string url)
    {
        var uri = new Uri(url);
        var user = uri.UserInfo.Split(':', 2);
        return new NpgsqlConnectionStringBuilder
        {
            Host = uri.Host,
            Port = uri.Port,
            Username = Uri.UnescapeDataString(user[0]),
            Password = user.Length == 2 ? Uri.UnescapeDataString(user[1]) : null,
            Database = uri.AbsolutePath[1..],
            Pooling = false,
        }.ConnectionString;
    }

    /// <summary>The URL of another database of the same server.</summary>
    internal static string ToUrl(string server, string database) => new UriBuilder(server) { Path = database }.ToString();

    /// <summary>The template gets its name when it is full, so that nobody copies half of it, whatever becomes of this process.</summary>
    private static async Task MakeTemplateAsync(string name, Func<string, Task> fill)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(name.Length, LongestTemplateName);
        var server = RequireUrl();
        var filling = $"{name}_filling";
        await using var connection = await ConnectAsync(server);
        await ExecuteAsync(connection, "select pg_advisory_lock(hashtext($1))", name);
        if (await ExistsAsync(connection, name))
            return;

        await ExecuteAsync(connection, $"drop database if exists {Quote(filling)} with (force)");
        await ExecuteAsync(connection, $"create database {Quote(filling)} template template0");
        await fill(ToUrl(server, filling));
        await ExecuteAsync(connection, $"alter database {Quote(filling)} with allow_connections false");
        await ExecuteAsync(connection, "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", filling);
        await RetryInUseAsync(() => ExecuteAsync(connection, $"alter database {Quote(filling)} rename to {Quote(name)}"));
    }

    private static async Task<bool> ExistsAsync(NpgsqlConnection connection, string database)
    {
        await using var command = new NpgsqlCommand("select exists (select 1 from pg_database where datname = $1)", connection);
        command.Parameters.Add(new NpgsqlParameter { Value = database });
        return (bool)(await command.ExecuteScalarAsync())!;
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, params string[] parameters)
    {
        await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = LongestFill };
        foreach (var value in parameters)
            command.Parameters.Add(new NpgsqlParameter { Value = value });
        await command.ExecuteNonQueryAsync();
    }

    private static async Task RetryInUseAsync(Func<Task> action)
    {
        using var limit = new CancellationTokenSource(LongestUse);
        while (true)
        {
            try
            {
                await action();
                return;
            }
            catch (PostgresException exception) when (exception.SqlState == PostgresErrorCodes.ObjectInUse && !limit.IsCancellationRequested)
            {
                // The server itself has waited for five seconds.
            }
        }
    }

    private static string Quote(string name) => $"\"{name.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
}
