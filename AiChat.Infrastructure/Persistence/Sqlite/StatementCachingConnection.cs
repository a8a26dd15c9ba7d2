using System.Data;
using System.Data.Common;
using System.Diagnostics.CodeAnalysis;
using AiChat.Core.Errors;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace AiChat.Infrastructure.Persistence.Sqlite;

/// <summary>
/// A connection whose statements stay prepared. Compiling a statement costs SQLite several times what running it does, and Dapper makes
/// and disposes a command for every call.
/// </summary>
internal sealed class StatementCachingConnection(string connectionString) : SqliteConnection(connectionString)
{
    // By reference: all statements are constants, so each text is one object, and hashing hundreds of characters is saved.
    private readonly Dictionary<string, SqliteCommand> idle = new(ReferenceEqualityComparer.Instance);

    protected override DbCommand CreateDbCommand() => new CachedCommand(this);

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            foreach (var command in idle.Values)
                command.Dispose();
            idle.Clear();
        }

        base.Dispose(disposing);
    }

    private SqliteCommand Take(string sql) => idle.Remove(sql, out var command) ? command : new SqliteCommand(sql, this);

    private void GiveBack(SqliteCommand command)
    {
        command.Parameters.Clear();
        if (!idle.TryAdd(command.CommandText, command))
            command.Dispose();
    }

    /// <summary>Stands for a prepared command from the setting of its text until it is disposed.</summary>
    private sealed class CachedCommand(StatementCachingConnection connection) : DbCommand
    {
        private SqliteCommand? command;

        [AllowNull]
        public override string CommandText
        {
            get => command?.CommandText ?? "";
            set
            {
                GiveBack();
                command = value is null ? null : connection.Take(value);
            }
        }

        // SQLite's commands end when they are done; waiting for locks cannot happen (one writer, readers never wait for it).
        public override int CommandTimeout { get; set; }

        public override CommandType CommandType { get; set; } = CommandType.Text;

        public override bool DesignTimeVisible { get; set; }

        public override UpdateRowSource UpdatedRowSource { get; set; }

        protected override DbConnection? DbConnection { get; set; } = connection;

        protected override DbParameterCollection DbParameterCollection => Command.Parameters;

        protected override DbTransaction? DbTransaction { get; set; }

        private SqliteCommand Command => command ?? throw new InvalidOperationException("The command has no text yet.");

        public override void Cancel()
        {
        }

        public override void Prepare() => Command.Prepare();

        public override int ExecuteNonQuery()
        {
            try
            {
                return Command.ExecuteNonQuery();
            }
            catch (SqliteException failure) when (SqliteErrors.IsUnavailable(failure))
            {
                throw UnavailableException.ForDatabase(failure);
            }
        }

        public override object? ExecuteScalar()
        {
            using var reader = ExecuteDbDataReader(CommandBehavior.SingleRow);
            return reader.Read() ? reader.GetValue(0) : null;
        }

        protected override DbParameter CreateDbParameter() => Command.CreateParameter();

        protected override DbDataReader ExecuteDbDataReader(CommandBehavior behavior)
        {
            try
            {
                return new DirectRowReader(Command.ExecuteReader(behavior));
            }
            catch (SqliteException failure) when (SqliteErrors.IsUnavailable(failure))
            {
                throw UnavailableException.ForDatabase(failure);
            }
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
                GiveBack();
            base.Dispose(disposing);
        }

        private void GiveBack()
        {
            if (command is not null)
                connection.GiveBack(command);
            command = null;
        }
    }
}

/// <summary>Which of SQLite's results (https://www.sqlite.org/rescode.html) mean that the database cannot work now.</summary>
internal static class SqliteErrors
{
    /// <summary>True for trouble of the disk or the file; false for a defect of a statement.</summary>
    public static bool IsUnavailable(SqliteException failure) => failure.SqliteErrorCode is
        raw.SQLITE_BUSY or raw.SQLITE_LOCKED or raw.SQLITE_READONLY or raw.SQLITE_IOERR or raw.SQLITE_CORRUPT or raw.SQLITE_FULL
        or raw.SQLITE_CANTOPEN or raw.SQLITE_PROTOCOL or raw.SQLITE_NOTADB or raw.SQLITE_NOMEM;
}
