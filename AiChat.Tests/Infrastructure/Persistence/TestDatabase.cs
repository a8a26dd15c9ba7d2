using AiChat.Core.Budgets;
using AiChat.Core.Chats;
using AiChat.Core.Idempotency;
using AiChat.Core.Runs;
using AiChat.Core.Usage;
using AiChat.Infrastructure.Budgets;
using AiChat.Infrastructure.Chats;
using AiChat.Infrastructure.Idempotency;
using AiChat.Infrastructure.Persistence;
using AiChat.Infrastructure.Persistence.Sqlite;
using AiChat.Infrastructure.Runs;
using AiChat.Infrastructure.Usage;
using AiChat.Tests.Support;
using Dapper;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace AiChat.Tests.Infrastructure.Persistence;

/// <summary>The database engines the repositories have to work on alike.</summary>
public enum Engine
{
    /// <summary>A file of its own for every test.</summary>
    Sqlite,
}

/// <summary>A migrated database of a test's own, with the repositories over it; gone with it.</summary>
public sealed class TestDatabase : IDisposable
{
    private readonly TempFolder folder = new();
    private SqliteDatabase sqlite;

    private TestDatabase() => sqlite = Open(folder.File("test.db"));

    public static Engine[] Engines { get; } = Enum.GetValues<Engine>();

    public IChatRepository Chats => new ChatRepository(sqlite);

    public IMessageRepository Messages => new MessageRepository(sqlite);

    public IRunRepository Runs => new RunRepository(sqlite);

    public IIdempotencyRepository Keys => new IdempotencyRepository(sqlite);

    public IBudgetRepository Budgets => new BudgetRepository(sqlite);

    /// <summary>What its titles are limited by; nothing unless a test says so.</summary>
    public BudgetOptions Limits { get; } = new();

    public IUsageRepository Usage => new UsageRepository(sqlite, new BudgetPolicy(Options.Create(Limits)));

    internal SqliteDatabase Sqlite => sqlite;

    public static async Task<TestDatabase> CreateAsync(Engine engine = Engine.Sqlite)
    {
        Assert.That(engine, Is.EqualTo(Engine.Sqlite));
        var database = new TestDatabase();
        await NewMigrator(database.sqlite, TimeProvider.System).MigrateAsync();
        return database;
    }

    /// <summary>Ends the use of the database and begins it anew, as a restart does.</summary>
    public void Restart()
    {
        sqlite.Dispose();
        sqlite = Open(folder.File("test.db"));
    }

    public async Task<IReadOnlyList<T>> QueryAsync<T>(string sql, object? parameters = null)
    {
        using var reader = await sqlite.RentReaderAsync(CancellationToken.None);
        return (await reader.Connection.QueryAsync<T>(sql, parameters)).AsList();
    }

    public async Task<T> QuerySingleAsync<T>(string sql, object? parameters = null) => (await QueryAsync<T>(sql, parameters)).Single();

    public Task ExecuteAsync(string sql, object? parameters = null) => sqlite.WriteAsync(connection => connection.ExecuteAsync(sql, parameters));

    public void Dispose()
    {
        sqlite.Dispose();
        folder.Dispose();
    }

    internal static SqliteDatabase Open(string path) =>
        new(Options.Create(new DatabaseOptions { Url = "sqlite:///" + path }), NullLogger<SqliteDatabase>.Instance);

    internal static Migrator NewMigrator(SqliteDatabase database, TimeProvider time) => new(database, time, NullLogger<Migrator>.Instance);
}
