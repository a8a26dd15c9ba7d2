using AiChat.Infrastructure.Persistence.Postgres;
using Dapper;
using Microsoft.Extensions.Logging.Abstractions;

namespace AiChat.Infrastructure.Persistence.Copying;

/// <summary>
/// The database that is filled. Until it is full it says so in its journal of migrations, where no server starts on it, and every transaction
/// notes how far its table is (<c>copy_progress</c>), so that a copy that ended at any moment goes on where it was.
/// </summary>
internal sealed class CopyTarget(IDatabase database, TimeProvider time)
{
    private const string BeginSql = """
        create table copy_progress (
          table_name text not null primary key,
          row_count bigint not null,
          hash text not null
        )
        """;

    private const string MarkSql = "insert into schema_migrations (name, applied_at) values (@Name, @AppliedAt)";

    private const string UnmarkSql = "delete from schema_migrations where name = @Name";

    private const string ForgetProgressSql = "delete from copy_progress";

    private const string AnalyzeSql = "analyze";

    private const string EndSql = "drop table copy_progress";

    /// <summary>They are in every version's schema, and have rows in every database that was ever used.</summary>
    private static readonly string[] EldestTables = ["users", "chats"];

    private readonly Migrator migrator = new(database, time, NullLogger<Migrator>.Instance);

    /// <summary>Makes the schema and begins the copy, or finds the one that was begun before: then true.</summary>
    /// <exception cref="CopyException">The database is not to be filled.</exception>
    public async Task<bool> PrepareAsync(CancellationToken cancellationToken)
    {
        var isResumed = await migrator.IsBeingFilledAsync();
        var applied = await migrator.GetAppliedAsync(cancellationToken);
        if (applied.Count > 0)
            await LivingNodes.RefuseAsync(database, cancellationToken);
        if (isResumed)
        {
            return applied.Except([Migrator.Filling]).SequenceEqual(migrator.Known, StringComparer.Ordinal)
                ? true
                : throw new CopyException($"The copy into {database.Location} was begun by another version of AiChat. Give --to an empty database.");
        }

        // Before the schema is changed: an older AiChat must be able to go on with what was given by mistake.
        if (applied.Count > 0)
            await RefuseRowsAsync(Table.All.Where(t => EldestTables.Contains(t.Name)), cancellationToken);
        await migrator.MigrateAsync();
        await RefuseRowsAsync(Table.All, cancellationToken);
        await database.WriteAsync(async connection =>
        {
            await connection.ExecuteAsync(BeginSql);
            return await connection.ExecuteAsync(MarkSql, new { Name = Migrator.Filling, AppliedAt = time.GetUtcNow() });
        });
        return false;
    }

    private async Task RefuseRowsAsync(IEnumerable<Table> tables, CancellationToken cancellationToken)
    {
        foreach (var table in tables)
        {
            if (await database.ReadAsync(c => c.ExecuteScalarAsync<long>(table.HasRowsSql), cancellationToken) > 0)
            {
                throw new CopyException(
                    $"The database {database.Location} has {table.Name} of its own. A copy is made into an empty database: give --to another one.");
            }
        }
    }

    private const string ProgressSql = "select table_name, row_count, hash from copy_progress";

    /// <summary>How far each table is that was begun.</summary>
    public async Task<IReadOnlyDictionary<string, CopyProgress>> GetProgressAsync(CancellationToken cancellationToken) => await database.ReadAsync(
        async connection => (await connection.QueryAsync<CopyProgress>(Statement.Of(ProgressSql, cancellationToken: cancellationToken)))
            .ToDictionary(p => p.TableName, StringComparer.Ordinal),
        cancellationToken);

    private readonly string lockProgressSql = "select row_count from copy_progress where table_name = @Name " + database.Dialect.ForUpdate;

    private const string SaveProgressSql = """
        insert into copy_progress (table_name, row_count, hash) values (@Name, @Rows, @Hash)
        on conflict (table_name) do update set row_count = excluded.row_count, hash = excluded.hash
        """;

    /// <summary>Stores the rows behind a chain and gives the chain that ends with them; one transaction, with the note of how far it is.</summary>
    /// <param name="table">The table.</param>
    /// <param name="chain">What is stored so far.</param>
    /// <param name="read">Reads the rows; may be called again when the transaction is.</param>
    public Task<RowChain> AppendAsync(Table table, RowChain chain, Func<IAsyncEnumerable<object?[]>> read) => database.WriteAsync(async connection =>
    {
        var stored = await connection.ExecuteScalarAsync<long?>(lockProgressSql, new { table.Name });
        if ((stored ?? 0) != chain.Rows)
            throw new CopyException($"Another copy fills the database {database.Location} at the same time. Let one of them come to its end.");

        var longer = chain.Fork();
        await RowWriter.WriteAsync(connection, table, AddAsync(longer, table, read()));
        await connection.ExecuteAsync(SaveProgressSql, new { table.Name, longer.Rows, longer.Hash });
        return longer;
    });

    /// <summary>The row as it is stored here, put to the chain.</summary>
    public void Add(RowChain chain, Table table, object?[] row) => chain.Add(row, database is PostgresDatabase ? NulCharacters.Replace(table, row) : 0);

    /// <summary>Forgets what was copied.</summary>
    public Task EmptyAsync() => database.WriteAsync(async connection =>
    {
        foreach (var table in Table.All.Reverse())
            await connection.ExecuteAsync(table.EmptySql);
        return await connection.ExecuteAsync(ForgetProgressSql);
    });

    /// <summary>From now on it is a database like any other.</summary>
    public async Task FinishAsync()
    {
        // Without it PostgreSQL would plan its first statements for tables of any size; SQLite plans all of them without.
        if (database is PostgresDatabase)
            await database.WriteAsync(connection => connection.ExecuteAsync(Statement.Of(AnalyzeSql)));
        await database.WriteAsync(async connection =>
        {
            await connection.ExecuteAsync(EndSql);
            return await connection.ExecuteAsync(UnmarkSql, new { Name = Migrator.Filling });
        });
    }

    private async IAsyncEnumerable<object?[]> AddAsync(RowChain chain, Table table, IAsyncEnumerable<object?[]> rows)
    {
        await foreach (var row in rows)
        {
            Add(chain, table, row);
            yield return row;
        }
    }
}

/// <summary>How many rows of a table are stored, and their hash.</summary>
internal sealed record CopyProgress
{
    public required string TableName { get; init; }

    public required long RowCount { get; init; }

    public required string Hash { get; init; }
}
