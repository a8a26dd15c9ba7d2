using System.Data.Common;

namespace AiChat.Infrastructure.Persistence;

/// <summary>
/// Where the engines truly differ. Everything else is one SQL text. SQLite has one writer, so what locks rows for PostgreSQL is empty there.
/// </summary>
public interface ISqlDialect
{
    /// <summary>Ends the names of its migrations: <c>sqlite</c> or <c>postgres</c>.</summary>
    string Name { get; }

    /// <summary>Whether several processes may use the database at the same time.</summary>
    bool IsShared { get; }

    /// <summary>The database's clock in Unix milliseconds: the only one that several processes agree on.</summary>
    string Now { get; }

    /// <summary>Begins a transaction of one connection that sees one moment.</summary>
    string BeginSnapshot { get; }

    /// <summary>Behind a select: nobody else changes the rows until the transaction ends.</summary>
    string ForUpdate { get; }

    /// <summary>The same behind a select from <c>runs</c> and others, for the run alone.</summary>
    string LockRun { get; }

    /// <summary>Behind a select: the rows it looked at stay as they are until the transaction ends.</summary>
    string ForShare { get; }

    /// <summary>
    /// Keeps others away from the chat (<c>@ChatId</c>): what the statements behind it find out about the chat stays true until the transaction
    /// ends. Empty where nobody else writes.
    /// </summary>
    string LockChat { get; }

    /// <summary>Runs a query once for each of the rows, whose properties are its parameters, and reads what each of them gives.</summary>
    Task<IReadOnlyList<TResult>> QueryManyAsync<T, TResult>(
        DbConnection connection, string sql, IReadOnlyList<T> rows, Func<T, DbDataReader, CancellationToken, Task<TResult>> read,
        CancellationToken cancellationToken)
        where T : class;

    /// <summary>Runs a statement once for each of the rows, in their order; the rows' properties are its parameters.</summary>
    Task ExecuteManyAsync<T>(DbConnection connection, string sql, IReadOnlyList<T> rows)
        where T : class;
}
