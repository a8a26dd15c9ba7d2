using System.Data.Common;
using System.Reflection;
using Dapper;
using Microsoft.Extensions.Logging;

namespace AiChat.Infrastructure.Persistence;

/// <summary>Brings the schema up to date: the embedded <c>.sql</c> files in the order of their numbers, each once, each in a transaction.</summary>
public sealed partial class Migrator(IDatabase database, TimeProvider time, ILogger<Migrator> logger)
{
    private const string Prefix = "AiChat.Infrastructure.Persistence.Migrations.";

    /// <summary>
    /// Stands in the journal of a database that a copy is being made into: it is of no version, so that no server uses it before it is whole.
    /// </summary>
    internal const string Filling = "unfinished copy";

    /// <summary>What the lock of PostgreSQL that lets one runner at a time is called there: any number of our own.</summary>
    internal const long LockKey = 0x4169_4368_6174;

    /// <summary>
    /// In seconds, a day: how long a statement may take here, whatever <see cref="DatabaseOptions.CommandTimeout"/> says. A migration takes as
    /// long as the tables are, and so does waiting for another process that migrates.
    /// </summary>
    private const int LongestStatement = 24 * 60 * 60;

    private const string CreateJournalSql = """
        create table if not exists schema_migrations (
          name text not null primary key,
          applied_at bigint not null
        )
        """;

    /// <summary>Whatever columns it has: those of a table that somebody else made are found out with it.</summary>
    private const string JournalColumnsSql = "select * from schema_migrations where 1 = 0";

    private const string AppliedSql = "select name from schema_migrations order by name";

    private const string IsAppliedSql = "select count(*) from schema_migrations where name = @Name";

    private const string LockSql = "select pg_advisory_xact_lock(@LockKey)";

    private const string RecordSql = "insert into schema_migrations (name, applied_at) values (@Name, @AppliedAt)";

    private readonly string suffix = $".{database.Dialect.Name}.sql";

    /// <summary>All migrations this binary has for the database's engine, in order.</summary>
    public IReadOnlyList<string> Known { get; } = GetKnown(database.Dialect);

    /// <summary>All migrations this binary has for an engine, in order.</summary>
    public static IReadOnlyList<string> GetKnown(ISqlDialect dialect)
    {
        var suffix = $".{dialect.Name}.sql";
        return [.. Assembly.GetExecutingAssembly().GetManifestResourceNames()
            .Where(n => n.StartsWith(Prefix, StringComparison.Ordinal) && n.EndsWith(suffix, StringComparison.Ordinal))
            .Select(n => n[Prefix.Length..^suffix.Length])
            .Order(StringComparer.Ordinal)];
    }

    /// <summary>Gives the migrations that were applied now; none when the schema was current.</summary>
    /// <exception cref="DatabaseStartupException">A newer version of AiChat, or another program, has changed the database, or it is not filled yet.</exception>
    public async Task<IReadOnlyList<string>> MigrateAsync()
    {
        await CreateJournalAsync();
        var applied = await GetAppliedAsync(CancellationToken.None);
        if (applied.Contains(Filling))
        {
            throw new DatabaseStartupException(
                $"The database '{database.Location}' is a copy that has not come to its end. Run the same copy command again, which goes on where it was.");
        }

        if (applied.Except(Known).FirstOrDefault() is { } unknown)
        {
            throw new DatabaseStartupException(
                $"The database '{database.Location}' was changed by a newer AiChat (migration {unknown}), which this version cannot use. Start the newer version, or give this one another database in {DatabaseOptions.UrlVariable}.");
        }

        var added = new List<string>();
        foreach (var name in Known.Except(applied))
        {
            if (await WriteAloneAsync(connection => ApplyAsync(connection, name)) == 0)
                continue;
            LogApplied(name);
            added.Add(name);
        }

        return added;
    }

    /// <summary>Whether the database is one that a copy is being made into.</summary>
    internal async Task<bool> IsBeingFilledAsync()
    {
        await CreateJournalAsync();
        return (await GetAppliedAsync(CancellationToken.None)).Contains(Filling);
    }

    /// <summary>
    /// Whether this binary can use the schema: every migration it knows is applied. Others may have come since, with a newer version that takes
    /// over node by node; what a version still uses is removed by a later one only.
    /// </summary>
    public async Task<bool> IsUsableAsync(CancellationToken cancellationToken)
    {
        var applied = await GetAppliedAsync(cancellationToken);
        return !applied.Contains(Filling) && !Known.Except(applied).Any();
    }

    /// <summary>The migrations the database has, in order; fails where it has no journal of them.</summary>
    internal Task<IReadOnlyList<string>> GetAppliedAsync(CancellationToken cancellationToken) => database.ReadAsync<IReadOnlyList<string>>(
        async connection => (await connection.QueryAsync<string>(new CommandDefinition(AppliedSql, cancellationToken: cancellationToken))).AsList(),
        cancellationToken);

    private async Task CreateJournalAsync()
    {
        try
        {
            await WriteAloneAsync(connection => connection.ExecuteAsync(CreateJournalSql));
            if (await HasJournalOfOthersAsync())
            {
                throw new DatabaseStartupException(
                    $"The database '{database.Location}' has a table schema_migrations that AiChat has not made: another program keeps its own migrations there. AiChat wants a database of its own: name one in {DatabaseOptions.UrlVariable}.");
            }
        }
        catch (DbException failure)
        {
            // Such as a password that is wrong or a database that is not there.
            throw new DatabaseStartupException(database.DescribeFailure(failure), failure);
        }
    }

    /// <summary>Whether the table is one that other programs keep under the same name, such as Rails, Ecto or golang-migrate.</summary>
    private async Task<bool> HasJournalOfOthersAsync()
    {
        var columns = await database.ReadAsync(
            async connection =>
            {
                await using var reader = await connection.ExecuteReaderAsync(JournalColumnsSql);
                return Enumerable.Range(0, reader.FieldCount).Select(reader.GetName).ToList();
            },
            CancellationToken.None);
        return !columns.Contains("name") || !columns.Contains("applied_at");
    }

    /// <summary>One transaction, while no other process migrates.</summary>
    private Task<int> WriteAloneAsync(Func<DbConnection, Task<int>> work) => database.WriteAsync(async connection =>
    {
        if (database.Dialect.IsShared)
            await connection.ExecuteAsync(LockSql, new { LockKey }, commandTimeout: LongestStatement);
        return await work(connection);
    });

    /// <summary>Zero when another process has applied it since.</summary>
    private async Task<int> ApplyAsync(DbConnection connection, string name)
    {
        if (await connection.ExecuteScalarAsync<long>(IsAppliedSql, new { Name = name }) > 0)
            return 0;
        await using var resource = Assembly.GetExecutingAssembly().GetManifestResourceStream(Prefix + name + suffix)!;
        using var text = new StreamReader(resource);
        await connection.ExecuteAsync(await text.ReadToEndAsync(), commandTimeout: LongestStatement);
        return await connection.ExecuteAsync(RecordSql, new { Name = name, AppliedAt = time.GetUtcNow() });
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Applied database migration {Migration}")]
    private partial void LogApplied(string migration);
}
