using System.Data.Common;
using System.Reflection;
using AiChat.Infrastructure.Persistence.Sqlite;
using Dapper;
using Microsoft.Extensions.Logging;

namespace AiChat.Infrastructure.Persistence;

/// <summary>Brings the schema up to date: the embedded <c>.sql</c> files in the order of their numbers, each once, each in a transaction.</summary>
public sealed partial class Migrator(SqliteDatabase database, TimeProvider time, ILogger<Migrator> logger)
{
    private const string Prefix = "AiChat.Infrastructure.Persistence.Migrations.";
    private const string Suffix = ".sqlite.sql";

    private const string CreateJournalSql = """
        create table if not exists schema_migrations (
          name text not null primary key,
          applied_at bigint not null
        )
        """;

    private const string AppliedSql = "select name from schema_migrations order by name";

    private const string RecordSql = "insert into schema_migrations (name, applied_at) values (@Name, @AppliedAt)";

    /// <summary>All migrations of this binary, in order.</summary>
    public static IReadOnlyList<string> Known { get; } = [.. Assembly.GetExecutingAssembly().GetManifestResourceNames()
        .Where(n => n.StartsWith(Prefix, StringComparison.Ordinal) && n.EndsWith(Suffix, StringComparison.Ordinal))
        .Select(n => n[Prefix.Length..^Suffix.Length])
        .Order(StringComparer.Ordinal)];

    /// <exception cref="DatabaseStartupException">A newer version of AiChat has changed the database.</exception>
    public async Task MigrateAsync()
    {
        await database.WriteAsync(connection => connection.ExecuteAsync(CreateJournalSql));
        var applied = await GetAppliedAsync(CancellationToken.None);

        if (applied.Except(Known).FirstOrDefault() is { } unknown)
        {
            throw new DatabaseStartupException(
                $"The database '{database.Path}' was changed by a newer AiChat (migration {unknown}), which this version cannot use. Start the newer version, or give this one another file in {DatabaseOptions.UrlVariable}.");
        }

        foreach (var name in Known.Except(applied))
        {
            await database.WriteAsync(connection => ApplyAsync(connection, name));
            LogApplied(name);
        }
    }

    /// <summary>Whether the schema is this binary's: every migration applied and none besides.</summary>
    public async Task<bool> IsCurrentAsync(CancellationToken cancellationToken) =>
        (await GetAppliedAsync(cancellationToken)).SequenceEqual(Known, StringComparer.Ordinal);

    private async Task<List<string>> GetAppliedAsync(CancellationToken cancellationToken)
    {
        using var reader = await database.RentReaderAsync(cancellationToken);
        return (await reader.Connection.QueryAsync<string>(new CommandDefinition(AppliedSql, cancellationToken: cancellationToken))).AsList();
    }

    private async Task<int> ApplyAsync(DbConnection connection, string name)
    {
        await using var resource = Assembly.GetExecutingAssembly().GetManifestResourceStream(Prefix + name + Suffix)!;
        using var text = new StreamReader(resource);
        await connection.ExecuteAsync(await text.ReadToEndAsync());
        return await connection.ExecuteAsync(RecordSql, new { Name = name, AppliedAt = time.GetUtcNow() });
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Applied database migration {Migration}")]
    private partial void LogApplied(string migration);
}
