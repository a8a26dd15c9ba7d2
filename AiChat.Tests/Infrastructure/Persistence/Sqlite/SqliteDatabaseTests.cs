using AiChat.Core.Errors;
using AiChat.Infrastructure.Persistence;
using AiChat.Infrastructure.Persistence.Sqlite;
using AiChat.Tests.Support;
using Dapper;
using Microsoft.Data.Sqlite;

namespace AiChat.Tests.Infrastructure.Persistence.Sqlite;

public sealed class SqliteDatabaseTests
{
    /// <summary>How often the size of the log is looked at, and the size that is too large.</summary>
    private const int CommitsPerLogCheck = 1024;
    private const int LogSizeLimit = 64 << 20;

    private TempFolder folder = null!;
    private SqliteDatabase database = null!;

    private static CancellationToken None => CancellationToken.None;

    [SetUp]
    public void SetUp()
    {
        folder = new TempFolder();
        database = TestDatabase.OpenSqlite(folder.File("test.db"));
    }

    [TearDown]
    public void TearDown()
    {
        database.Dispose();
        folder.Dispose();
    }

    [TestCase("journal_mode", "wal")]
    [TestCase("synchronous", "2")]
    [TestCase("foreign_keys", "1")]
    [TestCase("temp_store", "2")]
    [TestCase("trusted_schema", "0")]
    [TestCase("wal_autocheckpoint", "2000")]
    [TestCase("query_only", "0")]
    public async Task WriteAsync_Connection_HasItsSettings(string pragma, string expected)
    {
        var value = await database.WriteAsync(connection => connection.ExecuteScalarAsync<string>($"pragma {pragma}"));

        Assert.That(value, Is.EqualTo(expected));
    }

    [TestCase("journal_mode", "wal")]
    [TestCase("synchronous", "2")]
    [TestCase("foreign_keys", "1")]
    [TestCase("temp_store", "2")]
    [TestCase("trusted_schema", "0")]
    [TestCase("wal_autocheckpoint", "0")]
    [TestCase("query_only", "1")]
    public async Task RentReaderAsync_Connection_HasItsSettings(string pragma, string expected)
    {
        using var reader = await database.RentReaderAsync(None);

        Assert.That(await reader.Connection.ExecuteScalarAsync<string>($"pragma {pragma}"), Is.EqualTo(expected));
    }

    [Test]
    public async Task RentReaderAsync_WriteOnIt_Fails()
    {
        await CreateTableAsync();

        using (var reader = await database.RentReaderAsync(None))
        {
            var failure = Assert.ThrowsAsync<UnavailableException>(() => reader.Connection.ExecuteAsync("insert into things values ('x')"));
            Assert.That((failure.InnerException as SqliteException)!.SqliteErrorCode, Is.EqualTo(SQLitePCL.raw.SQLITE_READONLY));
        }

        Assert.That(await CountAsync(), Is.Zero);
    }

    [Test]
    public async Task RentReaderAsync_ReturnedReader_IsUsedAgain()
    {
        using (var first = await database.RentReaderAsync(None))
        {
            PreparedStatements.Watch(first.Connection);
            await first.Connection.ExecuteScalarAsync<int>("select 42");
        }

        using var second = await database.RentReaderAsync(None);

        Assert.That(PreparedStatements.GetRuns(second.Connection)["select 42"], Is.EqualTo(new[] { 1 }));
    }

    [Test]
    public async Task RentReaderAsync_AllRented_WaitsForOneToComeBack()
    {
        var readers = new List<SqliteDatabase.ReaderLease>();
        var next = database.RentReaderAsync(None);
        while (next.IsCompleted)
        {
            readers.Add(await next);
            next = database.RentReaderAsync(None);
        }

        readers[0].Dispose();
        using var last = await next.AsTask().WaitAsync(TimeSpan.FromSeconds(10));

        Assert.That(await last.Connection.ExecuteScalarAsync<int>("select 42"), Is.EqualTo(42));
        Assert.That(readers, Has.Count.GreaterThanOrEqualTo(4));
        readers.Skip(1).ToList().ForEach(r => r.Dispose());
    }

    [Test]
    public async Task RentReaderAsync_CancelledWhileWaiting_TakesNoSlot()
    {
        var readers = new List<SqliteDatabase.ReaderLease>();
        using var caller = new CancellationTokenSource();
        var next = database.RentReaderAsync(caller.Token);
        while (next.IsCompleted)
        {
            readers.Add(await next);
            next = database.RentReaderAsync(caller.Token);
        }

        await caller.CancelAsync();
        Assert.That(async () => await next, Throws.InstanceOf<OperationCanceledException>());
        readers.ForEach(r => r.Dispose());

        Assert.That(await RentManyAsync(readers.Count), Is.EqualTo(readers.Count));
    }

    [Test]
    public async Task Everything_AtOnce_NothingIsLocked()
    {
        await CreateTableAsync();

        await Task.WhenAll(Enumerable.Range(0, 32).Select(n => Task.Run(async () =>
        {
            for (var i = 0; i < 50; i++)
            {
                await database.WriteAsync(connection => connection.ExecuteAsync("insert into things values (@Name)", new { Name = $"{n}/{i}" }));
                await CountAsync();
            }
        })));

        Assert.That(await CountAsync(), Is.EqualTo(32 * 50));
    }

    [Test]
    public async Task RentReaderAsync_WhileItReads_SeesOneMomentAndHoldsNobodyUp()
    {
        await CreateTableAsync();
        await InsertAsync("one");
        using var lease = await database.RentReaderAsync(None);
        using var rows = await lease.Connection.ExecuteReaderAsync("select count(*) from things union all select count(*) from things");
        await rows.ReadAsync();

        await InsertAsync("two");
        await rows.ReadAsync();

        Assert.That(rows.GetInt32(0), Is.EqualTo(1));
        Assert.That(await CountAsync(), Is.EqualTo(2));
    }

    [Test]
    public async Task WriteAsync_LogGrewBehindAReader_IsTruncatedAfterwards()
    {
        await CreateTableAsync();
        var log = new FileInfo(database.Path + "-wal");
        using (var lease = await database.RentReaderAsync(None))
        {
            // A reader in the middle of its rows: as long as it stands there, the log cannot start over.
            using var rows = await lease.Connection.ExecuteReaderAsync("select name from things union all select 'row'");
            await rows.ReadAsync();
            for (var i = 0; i < 9; i++)
                await InsertAsync(new string('x', 8 << 20));
        }

        log.Refresh();
        var grown = log.Length;
        for (var i = 0; i < CommitsPerLogCheck; i++)
            await InsertAsync("small");

        log.Refresh();
        Assert.That(grown, Is.GreaterThan(LogSizeLimit));
        Assert.That(log.Length, Is.LessThan(LogSizeLimit / 8));
        Assert.That(await CountAsync(), Is.EqualTo(9 + CommitsPerLogCheck));
    }

    [Test]
    public async Task Dispose_EverythingWritten_LeavesOneWholeFile()
    {
        await CreateTableAsync();
        await InsertAsync("one");
        await CountAsync();

        database.Dispose();

        Assert.That(File.Exists(database.Path + "-wal"), Is.False);
        database = TestDatabase.OpenSqlite(database.Path);
        Assert.That(await CountAsync(), Is.EqualTo(1));
    }

    [Test]
    public async Task RentReaderAsync_FileDamagedBehindTheFirstRow_IsUnavailable()
    {
        await CreateTableAsync();
        await InsertAsync("small");
        await InsertAsync(new string('x', 1 << 20));
        database.Dispose();
        await using (var file = new FileStream(database.Path, FileMode.Open))
        {
            // The pages the long row goes on in, with their links to each other.
            file.Position = file.Length / 2;
            await file.WriteAsync(new byte[file.Length / 2]);
        }

        database = TestDatabase.OpenSqlite(database.Path);
        using var lease = await database.RentReaderAsync(None);
        using var rows = await lease.Connection.ExecuteReaderAsync("select name from things order by rowid");
        await rows.ReadAsync();

        Assert.That(rows.GetString(0), Is.EqualTo("small"));
        Assert.That(async () => await rows.ReadAsync(), Throws.InstanceOf<UnavailableException>());
    }

    [Test]
    public async Task IsWritableAsync_WritesFail_IsFalseUntilATrialSucceeds()
    {
        var writer = await database.WriteAsync(Task.FromResult);
        var before = await database.IsWritableAsync(None);

        await writer.ExecuteAsync("pragma query_only = 1");
        Assert.ThrowsAsync<UnavailableException>(() => CreateTableAsync());
        var meanwhile = new[] { await database.IsWritableAsync(None), await database.IsWritableAsync(None) };
        await writer.ExecuteAsync("pragma query_only = 0");

        Assert.That(before, Is.True);
        Assert.That(meanwhile, Has.All.False);
        Assert.That(await database.IsWritableAsync(None), Is.True);
    }

    [Test]
    public async Task IsWritableAsync_NothingFailed_DoesNotWaitForWriters()
    {
        var finish = new TaskCompletionSource<int>();
        var write = database.WriteAsync(_ => finish.Task);

        Assert.That(await database.IsWritableAsync(None).WaitAsync(TimeSpan.FromSeconds(10)), Is.True);

        finish.SetResult(0);
        await write;
    }

    [Test]
    public void Open_FileInUse_IsRefusedAndLeavesItAlone()
    {
        var failure = Assert.Throws<DatabaseStartupException>(() => TestDatabase.OpenSqlite(database.Path));

        Assert.That(failure.Message, Does.StartWith($"The database file '{database.Path}' is in use by another AiChat process.").And.Contain("DATABASE_URL"));
        Assert.That(async () => await CreateTableAsync(), Throws.Nothing);
    }

    [Test]
    public void Open_AfterTheOtherOneEnded_Works()
    {
        database.Dispose();

        database = TestDatabase.OpenSqlite(database.Path);

        Assert.That(async () => await CreateTableAsync(), Throws.Nothing);
    }

    [Test]
    public void Open_FolderMissing_IsMade()
    {
        var path = folder.File("new/folder/test.db");

        using var other = TestDatabase.OpenSqlite(path);

        Assert.That(File.Exists(path), Is.True);
        Assert.That(other.Path, Is.EqualTo(path));
    }

    [Test]
    public void Open_NoDatabaseFile_IsRefusedAndLeftAsItIs()
    {
        var path = folder.File("letter.txt");
        var text = string.Concat(Enumerable.Repeat("Dear reader, this is no database. ", 100));
        File.WriteAllText(path, text);

        var failure = Assert.Throws<DatabaseStartupException>(() => TestDatabase.OpenSqlite(path));

        Assert.That(failure.Message, Does.StartWith($"The database file '{path}' cannot be opened: it is not an SQLite database."));
        Assert.That(File.ReadAllText(path), Is.EqualTo(text));
    }

    [Test]
    public void Open_Refused_CanBeTriedAgain()
    {
        var path = folder.File("letter.txt");
        File.WriteAllText(path, new string('x', 4096));
        Assert.Throws<DatabaseStartupException>(() => TestDatabase.OpenSqlite(path));

        File.Delete(path);

        Assert.That(() => TestDatabase.OpenSqlite(path).Dispose(), Throws.Nothing);
    }

    [Test]
    public void Open_PathIsAFolder_IsRefused()
    {
        var failure = Assert.Throws<DatabaseStartupException>(() => TestDatabase.OpenSqlite(folder.Path));

        Assert.That(failure.Message, Does.StartWith($"The database file '{folder.Path}' cannot be opened: it cannot be read or written."));
        File.Delete(folder.Path + ".lock");
    }

    /// <summary>Nobody, not even root, may write there.</summary>
    [TestCase("/proc/test.db", "The folder of the database file '/proc/test.db' cannot be written.")]
    [TestCase("/proc/new/test.db", "The folder of the database file '/proc/new/test.db' cannot be made.")]
    [Platform(Include = "Linux")]
    public void Open_FolderThatCannotBeWritten_IsRefused(string path, string expected)
    {
        var failure = Assert.Throws<DatabaseStartupException>(() => TestDatabase.OpenSqlite(path));

        Assert.That(failure.Message, Does.StartWith(expected).And.Contain("DATABASE_URL"));
    }

    private Task<int> CreateTableAsync() => database.WriteAsync(connection => connection.ExecuteAsync("create table things (name text)"));

    private Task<int> InsertAsync(string name) =>
        database.WriteAsync(connection => connection.ExecuteAsync("insert into things values (@Name)", new { Name = name }));

    private async Task<int> CountAsync()
    {
        using var reader = await database.RentReaderAsync(None);
        return await reader.Connection.ExecuteScalarAsync<int>("select count(*) from things");
    }

    private async Task<int> RentManyAsync(int count)
    {
        var readers = new List<SqliteDatabase.ReaderLease>();
        for (var i = 0; i < count; i++)
            readers.Add(await database.RentReaderAsync(None).AsTask().WaitAsync(TimeSpan.FromSeconds(10)));
        readers.ForEach(r => r.Dispose());
        return readers.Count;
    }
}
