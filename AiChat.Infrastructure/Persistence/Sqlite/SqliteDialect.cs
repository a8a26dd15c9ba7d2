using System.Data.Common;
using Dapper;

namespace AiChat.Infrastructure.Persistence.Sqlite;

internal sealed class SqliteDialect : ISqlDialect
{
    public static SqliteDialect Instance { get; } = new();

    public string Name => "sqlite";

    public bool IsShared => false;

    public string Now => "cast((julianday('now') - 2440587.5) * 86400000 as integer)";

    public string BeginSnapshot => "begin";

    public string ForUpdate => "";

    public string LockRun => "";

    public string ForShare => "";

    public string LockChat => "";

    public async Task<IReadOnlyList<TResult>> QueryManyAsync<T, TResult>(
        DbConnection connection, string sql, IReadOnlyList<T> rows, Func<T, DbDataReader, CancellationToken, Task<TResult>> read,
        CancellationToken cancellationToken)
        where T : class
    {
        var results = new List<TResult>(rows.Count);
        foreach (var row in rows)
        {
            // Not DisposeAsync: Dapper's reader then keeps the command, and its statement is compiled again next time.
            using var reader = await connection.ExecuteReaderAsync(Statement.Of(sql, row, cancellationToken));
            results.Add(await read(row, reader, cancellationToken));
        }

        return results;
    }

    public async Task ExecuteManyAsync<T>(DbConnection connection, string sql, IReadOnlyList<T> rows)
        where T : class
    {
        foreach (var row in rows)
            await connection.ExecuteAsync(Statement.Of(sql, row));
    }
}
