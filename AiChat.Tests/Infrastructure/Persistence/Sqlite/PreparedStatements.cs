using System.Data.Common;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace AiChat.Tests.Infrastructure.Persistence.Sqlite;

/// <summary>What SQLite itself counts about the statements a connection holds compiled.</summary>
internal static class PreparedStatements
{
    // https://www.sqlite.org/c3ref/c_stmtstatus_counter.html
    private const int VmStep = 4;
    private const int Run = 6;

    /// <summary>Must be called before the statements that are to be seen are compiled.</summary>
    public static void Watch(DbConnection connection) => ((SqliteConnection)connection).Handle!.enable_sqlite3_next_stmt(true);

    /// <summary>How often each statement that is still compiled has run, under its text.</summary>
    public static ILookup<string, int> GetRuns(DbConnection connection) => Count(connection, Run);

    /// <summary>The steps of SQLite's virtual machine each statement has taken so far: the work it has been.</summary>
    public static ILookup<string, int> GetSteps(DbConnection connection) => Count(connection, VmStep);

    private static ILookup<string, int> Count(DbConnection connection, int counter) => Enumerate(((SqliteConnection)connection).Handle!)
        .ToLookup(statement => raw.sqlite3_sql(statement).utf8_to_string(), statement => raw.sqlite3_stmt_status(statement, counter, 0));

    private static IEnumerable<sqlite3_stmt> Enumerate(sqlite3 database)
    {
        for (var statement = raw.sqlite3_next_stmt(database, null); statement is not null; statement = raw.sqlite3_next_stmt(database, statement))
            yield return statement;
    }
}
