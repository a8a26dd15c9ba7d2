using System.Collections;
using System.Data.Common;
using System.Runtime.InteropServices;
using System.Text;
using AiChat.Core.Errors;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace AiChat.Infrastructure.Persistence.Sqlite;

/// <summary>
/// Reads columns straight from SQLite. The package's own reader makes two or three guarded calls into the library for every value, which
/// is more than half of the time of a list. Everything but the values of a row is left to it, and it keeps the statement alive.
/// </summary>
internal sealed unsafe partial class DirectRowReader(SqliteDataReader reader) : DbDataReader
{
    private const string Library = "e_sqlite3";

    private nint statement = GetStatement(reader);

    public override int Depth => reader.Depth;

    public override int FieldCount => reader.FieldCount;

    public override bool HasRows => reader.HasRows;

    public override bool IsClosed => reader.IsClosed;

    public override int RecordsAffected => reader.RecordsAffected;

    public override object this[int ordinal] => GetValue(ordinal);

    public override object this[string name] => GetValue(GetOrdinal(name));

    /// <exception cref="UnavailableException">The disk or the file fails, which may be at any row.</exception>
    public override bool Read()
    {
        try
        {
            return reader.Read();
        }
        catch (SqliteException failure) when (SqliteErrors.IsUnavailable(failure))
        {
            throw UnavailableException.ForDatabase(failure);
        }
    }

    /// <inheritdoc cref="Read"/>
    public override bool NextResult()
    {
        try
        {
            var hasNext = reader.NextResult();
            statement = GetStatement(reader);
            return hasNext;
        }
        catch (SqliteException failure) when (SqliteErrors.IsUnavailable(failure))
        {
            throw UnavailableException.ForDatabase(failure);
        }
    }

    public override bool IsDBNull(int ordinal) => ColumnType(statement, ordinal) == raw.SQLITE_NULL;

    public override string GetString(int ordinal)
    {
        // In this order: SQLite counts the bytes of the text it has just made.
        var text = ColumnText(statement, ordinal);
        return text is null
            ? throw new InvalidCastException($"Column {ordinal} is null.")
            : Encoding.UTF8.GetString(text, ColumnBytes(statement, ordinal));
    }

    public override long GetInt64(int ordinal) => ColumnInt64(statement, ordinal);

    public override int GetInt32(int ordinal) => checked((int)ColumnInt64(statement, ordinal));

    public override bool GetBoolean(int ordinal) => ColumnInt64(statement, ordinal) != 0;

    public override object GetValue(int ordinal) => ColumnType(statement, ordinal) switch
    {
        raw.SQLITE_INTEGER => ColumnInt64(statement, ordinal),
        raw.SQLITE_TEXT => GetString(ordinal),
        raw.SQLITE_NULL => DBNull.Value,
        _ => reader.GetValue(ordinal),
    };

    public override byte GetByte(int ordinal) => reader.GetByte(ordinal);

    public override long GetBytes(int ordinal, long dataOffset, byte[]? buffer, int bufferOffset, int length) =>
        reader.GetBytes(ordinal, dataOffset, buffer, bufferOffset, length);

    public override char GetChar(int ordinal) => reader.GetChar(ordinal);

    public override long GetChars(int ordinal, long dataOffset, char[]? buffer, int bufferOffset, int length) =>
        reader.GetChars(ordinal, dataOffset, buffer, bufferOffset, length);

    public override string GetDataTypeName(int ordinal) => reader.GetDataTypeName(ordinal);

    public override DateTime GetDateTime(int ordinal) => reader.GetDateTime(ordinal);

    public override decimal GetDecimal(int ordinal) => reader.GetDecimal(ordinal);

    public override double GetDouble(int ordinal) => reader.GetDouble(ordinal);

    public override IEnumerator GetEnumerator() => new DbEnumerator(this);

    public override Type GetFieldType(int ordinal) => reader.GetFieldType(ordinal);

    public override float GetFloat(int ordinal) => reader.GetFloat(ordinal);

    public override Guid GetGuid(int ordinal) => reader.GetGuid(ordinal);

    public override short GetInt16(int ordinal) => reader.GetInt16(ordinal);

    public override string GetName(int ordinal) => reader.GetName(ordinal);

    public override int GetOrdinal(string name) => reader.GetOrdinal(name);

    public override int GetValues(object[] values) => reader.GetValues(values);

    public override void Close()
    {
        statement = 0;
        reader.Close();
    }

    protected override void Dispose(bool disposing)
    {
        statement = 0;
        if (disposing)
            reader.Dispose();
        base.Dispose(disposing);
    }

    private static nint GetStatement(SqliteDataReader reader) => reader.Handle?.DangerousGetHandle() ?? 0;

    // https://www.sqlite.org/c3ref/column_blob.html: each returns at once, so the runtime need not prepare for a long stay outside. A
    // statement of zero (closed) gives null, which SQLite answers like a column of nothing.
    [LibraryImport(Library, EntryPoint = "sqlite3_column_type")]
    [SuppressGCTransition]
    private static partial int ColumnType(nint statement, int column);

    [LibraryImport(Library, EntryPoint = "sqlite3_column_int64")]
    [SuppressGCTransition]
    private static partial long ColumnInt64(nint statement, int column);

    [LibraryImport(Library, EntryPoint = "sqlite3_column_text")]
    [SuppressGCTransition]
    private static partial byte* ColumnText(nint statement, int column);

    [LibraryImport(Library, EntryPoint = "sqlite3_column_bytes")]
    [SuppressGCTransition]
    private static partial int ColumnBytes(nint statement, int column);
}
