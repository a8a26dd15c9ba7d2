using System.Collections.Concurrent;
using System.Data.Common;
using Dapper;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace AiChat.Infrastructure.Persistence.Sqlite;

/// <summary>
/// One SQLite file in WAL mode: one connection that writes, several that only read. As nobody else writes or checkpoints, "database is
/// locked" cannot happen, nor the corruption that two checkpointing connections could cause before SQLite 3.51.3.
/// </summary>
public sealed partial class SqliteDatabase : IDatabase
{
    /// <summary>The log is copied into the file when it has this many pages of 4 KiB.</summary>
    private const int CheckpointPages = 2000;

    /// <summary>Readers that are never all idle keep the log from starting over; past this size they are held for a moment.</summary>
    private const long LogSizeLimit = 64L << 20;

    private const int CommitsPerLogCheck = 1024;

    private readonly ConcurrentBag<StatementCachingConnection> idleReaders = [];
    private readonly SemaphoreSlim readerSlots;
    private readonly int maxReaders = Math.Max(8, 4 * Environment.ProcessorCount);
    private readonly StatementCachingConnection writer;
    private readonly SqliteWriteQueue queue;
    private readonly FileStream processLock;
    private readonly ILogger<SqliteDatabase> logger;
    private readonly string logPath;
    private int commits;

    /// <exception cref="DatabaseStartupException">The file cannot be opened, is used by another process, or is no database.</exception>
    public SqliteDatabase(IOptions<DatabaseOptions> options, ILogger<SqliteDatabase> logger)
    {
        this.logger = logger;
        InstantHandler.Register();
        SqliteLibrary.Load(options.Value.SqliteLibrary);
        Path = SqliteUrl.Parse(options.Value.Url);
        logPath = Path + "-wal";
        readerSlots = new SemaphoreSlim(maxReaders);
        processLock = Lock(Path);
        try
        {
            writer = Open(isWriter: true);
        }
        catch
        {
            processLock.Dispose();
            throw;
        }

        queue = new SqliteWriteQueue(writer, AfterCommitAsync);
    }

    /// <summary>The file's absolute path.</summary>
    public string Path { get; }

    public ISqlDialect Dialect => SqliteDialect.Instance;

    public string Location => Path;

    public Task<string> GetVersionAsync(CancellationToken cancellationToken) => Task.FromResult("SQLite " + writer.ServerVersion);

    public string DescribeFailure(Exception failure) =>
        $"the database file '{Path}' cannot be read or written. Its disk may be full or failing, or the file is damaged.";

    public async Task<T> ReadAsync<T>(Func<DbConnection, Task<T>> work, CancellationToken cancellationToken)
    {
        using var reader = await RentReaderAsync(cancellationToken);
        return await work(reader.Connection);
    }

    /// <summary>
    /// A connection for reading, to be disposed soon: its slot is one of few. Never write while holding one.
    /// </summary>
    public async ValueTask<ReaderLease> RentReaderAsync(CancellationToken cancellationToken)
    {
        await readerSlots.WaitAsync(cancellationToken);
        try
        {
            return new ReaderLease(this, idleReaders.TryTake(out var reader) ? reader : Open(isWriter: false));
        }
        catch (DatabaseStartupException failure)
        {
            readerSlots.Release();
            throw Core.Errors.UnavailableException.ForDatabase(failure);
        }
    }

    /// <summary>
    /// Runs the statements of one transaction and returns when they are on the disk. Transactions that wait at the same time are
    /// committed together; order of calls is order of effects. The work may be run a second time after a rollback, so it must have no
    /// effect outside the database.
    /// </summary>
    /// <exception cref="Core.Errors.UnavailableException">The disk or the file fails; nothing was written.</exception>
    public Task<T> WriteAsync<T>(Func<DbConnection, Task<T>> work) => queue.EnqueueAsync(work);

    public Task<T> WriteAtOnceAsync<T>(Func<DbConnection, Task<T>> work) => WriteAsync(work);

    public Task<T> WriteEndingAsync<T>(Func<DbConnection, Task<Ending<T>>> work) => WriteAsync(async connection =>
    {
        var ending = await work(connection);
        var (statements, read) = (ending.Statements, ending.Read);
        for (var i = 0; i < statements.Count - (read is null ? 0 : 1); i++)
            await connection.ExecuteAsync(Statement.Of(statements[i].Sql, statements[i].Parameters));
        if (read is null)
            return ending.Result;

        // Not DisposeAsync: Dapper's reader then keeps the command, and its statement is compiled again next time.
        using var row = await connection.ExecuteReaderAsync(Statement.Of(statements[^1].Sql, statements[^1].Parameters));
        return await read(row);
    });

    /// <summary>
    /// Whether transactions reach the disk. That costs nothing while they do. After one that did not, a small one is tried, so that a disk
    /// that works again is noticed without traffic.
    /// </summary>
    public async Task<bool> IsWritableAsync(CancellationToken cancellationToken)
    {
        if (!queue.IsFailing)
            return true;
        try
        {
            return await WriteAsync(static _ => Task.FromResult(true)).WaitAsync(cancellationToken);
        }
        catch (Core.Errors.UnavailableException)
        {
            return false;
        }
    }

    public string WhyNotWritable => "the database takes no writes; its disk may be full or failing";

    public void Dispose()
    {
        queue.Dispose();
        foreach (var reader in idleReaders)
            reader.Dispose();
        writer.Dispose();
        processLock.Dispose();
        readerSlots.Dispose();
    }

    private void Return(StatementCachingConnection reader)
    {
        idleReaders.Add(reader);
        readerSlots.Release();
    }

    /// <summary>Between two transactions of the writer: keeps the log from growing for ever.</summary>
    private async Task AfterCommitAsync()
    {
        if (++commits % CommitsPerLogCheck != 0 || new FileInfo(logPath) is not { Exists: true, Length: > LogSizeLimit })
            return;

        for (var i = 0; i < maxReaders; i++)
            await readerSlots.WaitAsync();
        try
        {
            Execute(writer, "pragma wal_checkpoint(truncate)");
        }
        catch (Exception failure)
        {
            // Whatever it is, the queue of writers must go on.
            LogCheckpointFailed(failure);
        }
        finally
        {
            readerSlots.Release(maxReaders);
        }
    }

    private StatementCachingConnection Open(bool isWriter)
    {
        var connection = new StatementCachingConnection(new SqliteConnectionStringBuilder
        {
            DataSource = Path,
            Mode = isWriter ? SqliteOpenMode.ReadWriteCreate : SqliteOpenMode.ReadWrite,
            Pooling = false,
        }.ToString());
        try
        {
            connection.Open();
            // Every setting is made and checked: another library may have been built with other defaults.
            Set(connection, "journal_mode", "wal");
            Set(connection, "synchronous", "2");
            Set(connection, "foreign_keys", "1");
            Set(connection, "temp_store", "2");
            Set(connection, "trusted_schema", "0");
            Set(connection, "cache_size", isWriter ? "-16384" : "-2048");
            Set(connection, "wal_autocheckpoint", isWriter ? $"{CheckpointPages}" : "0");
            Set(connection, "query_only", isWriter ? "0" : "1");
            return connection;
        }
        catch (DatabaseStartupException)
        {
            connection.Dispose();
            throw;
        }
        catch (SqliteException failure)
        {
            connection.Dispose();
            throw new DatabaseStartupException(
                $"The database file '{Path}' cannot be opened: {Explain(failure)} Check the path in {DatabaseOptions.UrlVariable} and the rights of this user.",
                failure);
        }
    }

    private static void Set(SqliteConnection connection, string pragma, string value)
    {
        Execute(connection, $"pragma {pragma} = {value}");
        var actual = Execute(connection, $"pragma {pragma}");
        if (!string.Equals(actual, value, StringComparison.OrdinalIgnoreCase))
            throw new DatabaseStartupException($"SQLite {connection.ServerVersion} does not take '{pragma} = {value}' (it stays '{actual}'), which AiChat needs.");
    }

    private static string? Execute(SqliteConnection connection, string pragma)
    {
        using var command = connection.CreateCommand();
        command.CommandText = pragma;
        return command.ExecuteScalar()?.ToString();
    }

    /// <summary>Keeps a second process away from the file: it would be a second writer. The system frees it when the process dies.</summary>
    private static FileStream Lock(string path)
    {
        try
        {
            if (System.IO.Path.GetDirectoryName(path) is { Length: > 0 } folder)
                Directory.CreateDirectory(folder);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new DatabaseStartupException($"The folder of the database file '{path}' cannot be made. Check {DatabaseOptions.UrlVariable} and the rights of this user.", failure);
        }

        var lockPath = path + ".lock";
        try
        {
            return new FileStream(lockPath, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException failure) when (IsHeld(failure))
        {
            throw new DatabaseStartupException(
                $"The database file '{path}' is in use by another AiChat process. Stop that one, or give this one its own file in {DatabaseOptions.UrlVariable}.",
                failure);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new DatabaseStartupException(
                $"The folder of the database file '{path}' cannot be written. Check {DatabaseOptions.UrlVariable} and the rights of this user.", failure);
        }
    }

    /// <summary>Whether the file is locked, by the numbers of Windows, Linux and macOS.</summary>
    private static bool IsHeld(IOException failure) => failure.HResult is unchecked((int)0x80070020) or 11 or 35;

    private static string Explain(SqliteException failure) => failure.SqliteErrorCode switch
    {
        SQLitePCL.raw.SQLITE_NOTADB => "it is not an SQLite database.",
        SQLitePCL.raw.SQLITE_CORRUPT => "it is damaged.",
        SQLitePCL.raw.SQLITE_READONLY => "it is read-only.",
        SQLitePCL.raw.SQLITE_FULL => "the disk is full.",
        SQLitePCL.raw.SQLITE_BUSY => "another program has locked it.",
        _ => "it cannot be read or written.",
    };

    [LoggerMessage(Level = LogLevel.Warning, Message = "The write-ahead log could not be copied into the database file; it is tried again later")]
    private partial void LogCheckpointFailed(Exception failure);

    /// <summary>A reader until it is disposed.</summary>
    public readonly struct ReaderLease : IDisposable
    {
        private readonly SqliteDatabase database;
        private readonly StatementCachingConnection connection;

        internal ReaderLease(SqliteDatabase database, StatementCachingConnection connection) =>
            (this.database, this.connection) = (database, connection);

        public DbConnection Connection => connection;

        public void Dispose() => database.Return(connection);
    }
}
