using System.Data.Common;
using System.Runtime.CompilerServices;
using AiChat.Core.Errors;
using AiChat.Infrastructure.Persistence.Postgres;
using AiChat.Infrastructure.Persistence.Sqlite;
using Npgsql;

namespace AiChat.Infrastructure.Persistence.Copying;

/// <summary>
/// Reads whole tables as they are at one moment, and keeps everybody from changing them until it is disposed: SQLite's file belongs to this
/// process anyway, PostgreSQL's tables are locked.
/// </summary>
internal sealed class TableReader : IAsyncDisposable
{
    private const int RowsAtOnce = 10_000;

    private static readonly string LockSql = $"lock table {string.Join(", ", Table.All.Select(t => t.Name))} in share mode";

    /// <summary>The reader's transaction is idle while the other database works; rows come in the order of the key, not to be sorted.</summary>
    private const string SettingsSql = """
        set local idle_in_transaction_session_timeout = 0;
        set local lock_timeout = '5s';
        set local enable_seqscan = off;
        set local enable_bitmapscan = off;
        set local enable_sort = off
        """;

    private readonly IDatabase database;
    private readonly DbConnection connection;
    private readonly IAsyncDisposable lease;

    private TableReader(IDatabase database, DbConnection connection, IAsyncDisposable lease) =>
        (this.database, this.connection, this.lease) = (database, connection, lease);

    public static async Task<TableReader> OpenAsync(IDatabase database, CancellationToken cancellationToken) => database switch
    {
        PostgresDatabase postgres => await OpenAsync(postgres, cancellationToken),
        _ => await OpenAsync((SqliteDatabase)database, cancellationToken),
    };

    public Task<long> CountAsync(Table table, CancellationToken cancellationToken) => GuardAsync(async () =>
    {
        await using var command = connection.CreateCommand();
        command.CommandText = table.CountSql;
        return (long)(await command.ExecuteScalarAsync(cancellationToken))!;
    });

    /// <summary>At most so many rows behind the given one (null: from the first one on), in the order of their keys.</summary>
    public async IAsyncEnumerable<object?[]> ReadAsync(
        Table table, object?[]? after, long limit, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var command = connection.CreateCommand();
        command.CommandText = after is null ? table.FirstRowsSql : table.NextRowsSql;
        Add("@Limit", limit);
        for (var i = 0; after is not null && i < table.Key.Count; i++)
            Add("@" + table.Key[i].Name, after[i]!);

        await using var reader = await GuardAsync(() => command.ExecuteReaderAsync(cancellationToken));
        while (await GuardAsync(() => reader.ReadAsync(cancellationToken)))
            yield return ReadRow(table, reader);

        void Add(string name, object value)
        {
            var parameter = command.CreateParameter();
            (parameter.ParameterName, parameter.Value) = (name, value);
            command.Parameters.Add(parameter);
        }
    }

    /// <summary>The same without a limit of our own, in statements of some thousand rows.</summary>
    public async IAsyncEnumerable<object?[]> ReadAllAsync(Table table, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        object?[]? last = null;
        for (var count = RowsAtOnce; count == RowsAtOnce;)
        {
            count = 0;
            await foreach (var row in ReadAsync(table, last, RowsAtOnce, cancellationToken))
            {
                count++;
                last = row;
                yield return row;
            }
        }
    }

    public ValueTask DisposeAsync() => lease.DisposeAsync();

    private static async Task<TableReader> OpenAsync(SqliteDatabase database, CancellationToken cancellationToken)
    {
        var reader = await database.RentReaderAsync(cancellationToken);
        return new TableReader(database, reader.Connection, new SqliteLease(reader));
    }

    private static async Task<TableReader> OpenAsync(PostgresDatabase database, CancellationToken cancellationToken)
    {
        NpgsqlConnection? connection = null;
        try
        {
            connection = await database.Source.OpenConnectionAsync(cancellationToken);
            // Not read only, since such a transaction may not lock. What it sees begins behind the lock, with its first query.
            await using var begin = new NpgsqlCommand($"begin isolation level repeatable read; {SettingsSql}; {LockSql}", connection);
            await begin.ExecuteNonQueryAsync(cancellationToken);
            return new TableReader(database, connection, new PostgresLease(connection));
        }
        catch (PostgresException failure) when (failure.SqlState == PostgresErrorCodes.LockNotAvailable)
        {
            await connection!.DisposeAsync();
            throw new CopyException($"Somebody else writes to the database {database.Location} and does not come to an end. Stop whatever uses it, and run this again.", failure);
        }
        catch (NpgsqlException failure)
        {
            if (connection is not null)
                await connection.DisposeAsync();
            throw ToCopyException(database, failure);
        }
    }

    private static object?[] ReadRow(Table table, DbDataReader reader)
    {
        var row = new object?[table.Columns.Count];
        for (var i = 0; i < row.Length; i++)
            row[i] = reader.IsDBNull(i) ? null : ReadValue(table.Columns[i].Type, reader, i);
        return row;
    }

    private static object ReadValue(ColumnType type, DbDataReader reader, int column) => type switch
    {
        ColumnType.Text => reader.GetString(column),
        ColumnType.Integer or ColumnType.Bigint => reader.GetInt64(column),
        ColumnType.Boolean => reader.GetBoolean(column) ? 1L : 0L,
        ColumnType.Double => reader.GetDouble(column),
        _ => throw new ArgumentOutOfRangeException(nameof(type)),
    };

    /// <summary>What goes wrong here must not be taken for trouble of the database that the rows are written to.</summary>
    private async Task<T> GuardAsync<T>(Func<Task<T>> work)
    {
        try
        {
            return await work();
        }
        catch (Exception failure) when (failure is DbException or UnavailableException)
        {
            throw ToCopyException(database, failure);
        }
    }

    private static CopyException ToCopyException(IDatabase database, Exception failure)
    {
        var reason = failure is UnavailableException { InnerException: { } inner } ? inner : failure;
        return new CopyException($"Reading has failed: {database.DescribeFailure(reason)}", failure);
    }

    private sealed class SqliteLease(SqliteDatabase.ReaderLease reader) : IAsyncDisposable
    {
        public ValueTask DisposeAsync()
        {
            reader.Dispose();
            return ValueTask.CompletedTask;
        }
    }

    /// <summary>The transaction must not go back into the pool with its connection.</summary>
    private sealed class PostgresLease(NpgsqlConnection connection) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            try
            {
                await using var end = new NpgsqlCommand("rollback", connection);
                await end.ExecuteNonQueryAsync();
            }
            catch (NpgsqlException)
            {
                // The connection is lost, and the transaction with it.
            }

            await connection.DisposeAsync();
        }
    }
}
