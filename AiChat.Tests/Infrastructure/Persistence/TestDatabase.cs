using System.Security.Cryptography;
using System.Text;
using AiChat.Core.Budgets;
using AiChat.Core.Chats;
using AiChat.Core.Idempotency;
using AiChat.Core.Nodes;
using AiChat.Core.Runs;
using AiChat.Core.Usage;
using AiChat.Infrastructure.Budgets;
using AiChat.Infrastructure.Chats;
using AiChat.Infrastructure.Idempotency;
using AiChat.Infrastructure.Nodes;
using AiChat.Infrastructure.Persistence;
using AiChat.Infrastructure.Persistence.Postgres;
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
    /// <summary>A database of its own for every test, on the server of <see cref="PostgresServer"/>.</summary>
    Postgres,
}

/// <summary>A migrated database of a test's own, with the repositories over it; gone with it.</summary>
public sealed class TestDatabase : IDisposable
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(1);

    private readonly IDisposable storage;

    private TestDatabase(IDisposable storage, string url)
    {
        (this.storage, Url) = (storage, url);
        Current = Open(url);
    }

    public static Engine[] Engines { get; } = Enum.GetValues<Engine>();

    /// <summary>What <c>DATABASE_URL</c> would have to be.</summary>
    public string Url { get; }

    /// <summary>The process that uses it.</summary>
    public Node Node { get; private set; } = new();

    public IChatRepository Chats => new ChatRepository(Current);

    public IMessageRepository Messages => new MessageRepository(Current);

    public IRunRepository Runs => new RunRepository(Current, Node);

    /// <summary>The runs as another process sees them.</summary>
    public IRunRepository RunsOf(Node other) => new RunRepository(Current, other);

    public INodeRepository NodesOf(Node other) => new NodeRepository(Current, other);

    public IIdempotencyRepository Keys => new IdempotencyRepository(Current);

    public IBudgetRepository Budgets => new BudgetRepository(Current);

    public INodeRepository Nodes => new NodeRepository(Current, Node);

    /// <summary>What its titles are limited by; nothing unless a test says so.</summary>
    public BudgetOptions Limits { get; } = new();

    public IUsageRepository Usage => new UsageRepository(Current, new BudgetPolicy(Options.Create(Limits)));

    internal IDatabase Current { get; private set; }

    internal SqliteDatabase Sqlite => (SqliteDatabase)Current;

    public static async Task<TestDatabase> CreateAsync(Engine engine = Engine.Sqlite)
    {
        if (engine == Engine.Postgres)
        {
            var copy = await CreatePostgresAsync();
            return new TestDatabase(copy, copy.Url);
        }

        var folder = new TempFolder();
        var database = new TestDatabase(folder, "sqlite:///" + folder.File("test.db"));
        await NewMigrator(database.Current, TimeProvider.System).MigrateAsync();
        return database;
    }

    /// <summary>A migrated database on the shared server; the test is skipped where there is none.</summary>
    internal static Task<PostgresCopy> CreatePostgresAsync() => PostgresServer.CreateFromTemplateAsync(TemplateName, async url =>
    {
        await using var database = (PostgresDatabase)Open(url);
        await NewMigrator(database, TimeProvider.System).MigrateAsync();
    });

    /// <summary>Ends the use of the database and begins it anew, as a restart does.</summary>
    public void Restart()
    {
        Current.Dispose();
        Current = Open(Url);
        Node = new Node();
    }

    /// <summary>Another process comes in the place of this one, which has died, and ends what it left unfinished; how many runs that was.</summary>
    public async Task<int> SettleUnfinishedAsync(DateTimeOffset now)
    {
        var settled = 0;
        foreach (var run in await TakeOverAsync(now))
        {
            var finished = await Runs.SettleAsync(run.Id, run.LeaseNumber, now, CancellationToken.None);
            Assert.That(finished.Outcome, Is.EqualTo(FinishOutcome.Stored));
            settled++;
        }

        return settled;
    }

    /// <summary>Another process comes in the place of this one, which has died, and goes on with what it left unfinished.</summary>
    public async Task<IReadOnlyList<InterruptedRun>> ContinueUnfinishedAsync(DateTimeOffset now)
    {
        var interrupted = new List<InterruptedRun>();
        foreach (var run in await TakeOverAsync(now))
            interrupted.Add((await Runs.ContinueAsync(run.Id, run.LeaseNumber, now, CancellationToken.None))!);
        return interrupted;
    }

    public Task<IReadOnlyList<T>> QueryAsync<T>(string sql, object? parameters = null) => Current.ReadAsync<IReadOnlyList<T>>(
        async connection => (await connection.QueryAsync<T>(sql, parameters)).AsList(), CancellationToken.None);

    public async Task<T> QuerySingleAsync<T>(string sql, object? parameters = null) => (await QueryAsync<T>(sql, parameters)).Single();

    public Task ExecuteAsync(string sql, object? parameters = null) => Current.WriteAsync(connection => connection.ExecuteAsync(sql, parameters));

    /// <summary>
    /// How many transactions PostgreSQL has ended because they waited for each other. Begins the use of the database anew: connections tell
    /// what they have counted when they are closed.
    /// </summary>
    public async Task<long> CountDeadlocksAsync()
    {
        if (!Current.Dialect.IsShared)
            return 0;
        Restart();
        await WaitAsync("select count(*) = 1 from pg_stat_activity where datname = current_database() and backend_type = 'client backend'");
        return await QuerySingleAsync<long>("select deadlocks from pg_stat_database where datname = current_database()");
    }

    /// <summary>Returns when the query says that it is so.</summary>
    public async Task WaitAsync(string sql)
    {
        using var limit = new CancellationTokenSource(LongestWait);
        while (!await QuerySingleAsync<bool>(sql))
            await Task.Delay(10, limit.Token);
    }

    public void Dispose()
    {
        Current.Dispose();
        storage.Dispose();
    }

    /// <param name="url">As in <c>DATABASE_URL</c>.</param>
    internal static IDatabase Open(string url)
    {
        var options = Options.Create(new DatabaseOptions { Url = url, MaxConnections = 20 });
        return DatabaseUrl.IsPostgres(url)
            ? new PostgresDatabase(options, NullLoggerFactory.Instance)
            : new SqliteDatabase(options, NullLogger<SqliteDatabase>.Instance);
    }

    internal static SqliteDatabase OpenSqlite(string path) => (SqliteDatabase)Open("sqlite:///" + path);

    internal static Migrator NewMigrator(IDatabase database, TimeProvider time) => new(database, time, NullLogger<Migrator>.Instance);

    private async Task<IReadOnlyList<HeldRun>> TakeOverAsync(DateTimeOffset now)
    {
        Node = new Node();
        await Runs.TakeOverAsync(CancellationToken.None);
        await Runs.EndOrphanedAsync(now, now, CancellationToken.None);
        return await Runs.GetHeldAsync(CancellationToken.None);
    }

    /// <summary>Another one for other migrations.</summary>
    private static string TemplateName { get; } = "aichat_" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Concat(
        typeof(Migrator).Assembly.GetManifestResourceNames().Where(n => n.EndsWith(".postgres.sql", StringComparison.Ordinal)).Order(StringComparer.Ordinal)
            .Select(ReadResource)))))[..16];

    private static string ReadResource(string name)
    {
        using var text = new StreamReader(typeof(Migrator).Assembly.GetManifestResourceStream(name)!);
        return text.ReadToEnd();
    }
}
