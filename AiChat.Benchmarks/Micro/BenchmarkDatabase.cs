using AiChat.Benchmarks.Seed;
using AiChat.Infrastructure.Persistence;
using AiChat.Infrastructure.Persistence.Sqlite;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace AiChat.Benchmarks.Micro;

/// <summary>A migrated SQLite file in a folder of its own, gone when it is disposed.</summary>
internal sealed class BenchmarkDatabase : IDisposable
{
    public const string UserId = "anna";

    private readonly string folder = Directory.CreateTempSubdirectory("aichat-benchmark-").FullName;

    private BenchmarkDatabase() => Sqlite = new SqliteDatabase(
        Options.Create(new DatabaseOptions { Url = "sqlite:///" + Path.Combine(folder, "benchmark.db") }), NullLogger<SqliteDatabase>.Instance);

    public SqliteDatabase Sqlite { get; }

    public static BenchmarkDatabase Create()
    {
        var database = new BenchmarkDatabase();
        new Migrator(database.Sqlite, TimeProvider.System, NullLogger<Migrator>.Instance).MigrateAsync().GetAwaiter().GetResult();
        return database;
    }

    /// <summary>Makes chats of <see cref="UserId"/> and returns their ids.</summary>
    public string[] Fill(int chats, int messages)
    {
        using var ids = new StringWriter();
        var options = new SeedOptions { DatabaseUrl = "", Chats = chats, Messages = messages, UserId = UserId };
        new Seeder(Sqlite, TimeProvider.System).FillAsync(options, ids, _ => { }).GetAwaiter().GetResult();
        return ids.ToString().Split(Environment.NewLine, StringSplitOptions.RemoveEmptyEntries);
    }

    public void Dispose()
    {
        Sqlite.Dispose();
        Directory.Delete(folder, recursive: true);
    }
}
