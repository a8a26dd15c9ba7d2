using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;

namespace AiChat.Tests.Infrastructure.Persistence.Postgres;

/// <summary>
/// What docs/scaling.md says of a cluster that is divided by users: which statements stay with one of them, proven by what their plans look
/// rows up by, and that the schema it asks for can be made. How many shards follow from that is derived: there is no cluster here.
/// </summary>
public sealed partial class DistributionTests
{
    private const string One = "one";
    private const string All = "all";
    private const string Local = "local";

    /// <summary>It is asked who the owner is, so nobody can say on which shard.</summary>
    private const string AsksForOwner = "ChatRepository.FindOwnerSql";

    private const string LocalTable = "nodes";

    /// <summary>Columns of which one value belongs to one user: whoever looks up by one of them touches no other user's rows.</summary>
    private static readonly Dictionary<string, string[]> OfOneUser = new()
    {
        ["users"] = ["id"],
        ["chats"] = ["id", "user_id"],
        ["messages"] = ["id", "chat_id"],
        ["runs"] = ["id", "chat_id"],
        ["run_events"] = ["run_id"],
        ["run_replies"] = ["run_id"],
        ["attempts"] = ["run_id", "user_id"],
        ["idempotency_keys"] = ["user_id"],
        ["budget_windows"] = ["subject"],
        ["budget_reservations"] = ["run_id"],
    };

    private const string FillSql = """
        insert into users select 'user-' || u, 1 from generate_series(1, 2000) u;
        insert into chats (id, user_id, message_count, created_at, updated_at)
          select 'chat-' || c, 'user-' || c, 10, c, c from generate_series(1, 2000) c;
        insert into messages (chat_id, sequence, id, role, content, status, run_id, created_at, updated_at)
          select 'chat-' || c, s, 'message-' || c || '-' || s, case when s % 2 = 1 then 'user' else 'assistant' end, repeat('word ', 20), 'completed',
            case when s % 2 = 0 then 'run-' || c || '-' || s end, c, c
          from generate_series(1, 2000) c, generate_series(1, 10) s;
        insert into runs (id, chat_id, user_id, user_message_id, assistant_message_id, user_sequence, assistant_sequence, alias, web_search, status,
            node_id, created_at, completed_at)
          select m.run_id, m.chat_id, c.user_id, 'message', m.id, m.sequence - 1, m.sequence, 'fast', false,
            case when m.sequence = 10 then 'in_progress' else 'completed' end, 'node-' || (c.created_at % 3), c.created_at,
            case when m.sequence < 10 then c.created_at end
          from messages m join chats c on c.id = m.chat_id where m.run_id is not null;
        insert into attempts (run_id, attempt, purpose, chat_id, user_id, alias, provider, model, outcome, started_at)
          select id, 1, 'reply', chat_id, user_id, 'fast', 'groq', 'oss', status, created_at from runs;
        insert into run_events (run_id, sequence, event, text_offset, text)
          select id, s, case when s = 1 then 'run.continued' else 'message.delta' end, s, 'text' from runs, generate_series(1, 20) s where completed_at is null;
        insert into run_replies select id, a, 'text' from runs, generate_series(1, 2) a;
        insert into idempotency_keys select user_id, id, 'fingerprint', id, created_at from runs;
        insert into budget_windows select 'user', id, p, s, 0, 0, 0 from users, unnest(array['day', 'month']) p, generate_series(1, 5) s;
        insert into budget_reservations select id, 'user', user_id, 'day', 1, 1, 0, 0 from runs where completed_at is null;
        insert into nodes select 'node-' || n, 0 from generate_series(0, 2) n;
        analyze;
        """;

    private TestDatabase database = null!;

    private static string[] Names => RepositoryStatements.Names;

    private static string Document { get; } = File.ReadAllText(GetDocumentPath());

    private static IReadOnlyList<Entry> Entries { get; } = ReadEntries();

    [OneTimeSetUp]
    public async Task SetUp()
    {
        database = await TestDatabase.CreateAsync(Engine.Postgres);
        await database.ExecuteAsync(FillSql);
    }

    [OneTimeTearDown]
    public void TearDown() => database?.Dispose();

    [Test]
    public void Document_Statements_AreThoseOfTheRepositories()
    {
        Assert.Multiple(() =>
        {
            Assert.That(Entries.Select(e => e.Statement), Is.EquivalentTo(Names));
            Assert.That(Entries.Select(e => e.Shards), Is.All.AnyOf(One, All, Local));
        });
    }

    [TestCaseSource(nameof(Names))]
    public async Task Document_Shards_FollowFromThePlan(string statement)
    {
        var entry = Entries.Single(e => e.Statement == statement);

        var scans = await ExplainAsync(statement);

        var distributed = scans.Where(s => s.Table != LocalTable).ToList();
        Assert.Multiple(() =>
        {
            if (entry.Shards == One)
                Assert.That(distributed.Where(s => !s.IsOfOneUser), Is.Empty, "looks beyond one user");
            else if (entry.Shards == Local)
                Assert.That(distributed, Is.Empty, "looks beyond the coordinator");
            else if (entry.Statement != AsksForOwner)
                Assert.That(distributed.Where(s => !s.IsOfOneUser), Is.Not.Empty, "stays with one user");
            foreach (var (table, column) in entry.FoundBy)
                Assert.That(scans.Where(s => s.Table == table && s.Columns.Contains(column)), Is.Not.Empty, $"{table} is not found by {column}");
        });
    }

    [Test]
    public async Task Document_Schema_HasTheOwnerInEveryKey()
    {
        using var own = await TestDatabase.CreateAsync(Engine.Postgres);
        await own.ExecuteAsync(FillSql);

        await own.ExecuteAsync(string.Join('\n', GetSchema().Where(line => !line.StartsWith("select create_", StringComparison.Ordinal))));

        var distributed = ReadDistribution();
        var keys = await own.QueryAsync<KeyRow>("""
            select c.relname as "table", i.indexrelid::regclass::text as name, array_to_string(array(
              select a.attname from pg_attribute a where a.attrelid = i.indrelid and a.attnum = any(i.indkey)), ' ') as columns
            from pg_index i join pg_class c on c.oid = i.indrelid where i.indisunique and c.relnamespace = 'public'::regnamespace
            union all
            select f.conrelid::regclass::text, f.conname, array_to_string(array(
              select a.attname from pg_attribute a where a.attrelid = f.conrelid and a.attnum = any(f.conkey)), ' ')
            from pg_constraint f where f.contype = 'f'
            """);
        var wrong = keys.Where(k => distributed.TryGetValue(k.Table, out var column) && !k.Columns.Split(' ').Contains(column));
        Assert.Multiple(() =>
        {
            Assert.That(distributed.Keys, Is.EquivalentTo(OfOneUser.Keys));
            Assert.That(wrong.Select(k => k.Name), Is.Empty);
            Assert.That(keys, Has.Count.GreaterThan(distributed.Count));
        });
    }

    [GeneratedRegex(@"`(?<name>\w+Sql)`")]
    private static partial Regex StatementName();

    [GeneratedRegex(@"`(?<table>\w+)\.(?<column>\w+)`")]
    private static partial Regex FoundBy();

    [GeneratedRegex(@"create_distributed_table\('(?<table>\w+)', '(?<column>\w+)'")]
    private static partial Regex Distribution();

    /// <summary>What is looked up, not what is compared besides: the conditions of an index that ask for one value.</summary>
    [GeneratedRegex(@"\((?<column>\w+) = ")]
    private static partial Regex EqualColumn();

    private static string GetDocumentPath([CallerFilePath] string file = "") =>
        Path.Combine(Path.GetDirectoryName(file)!, "..", "..", "..", "..", "docs", "scaling.md");

    /// <summary>The rows of the tables below the headings that name a repository.</summary>
    private static List<Entry> ReadEntries()
    {
        var entries = new List<Entry>();
        var type = "";
        foreach (var line in Document.Split('\n'))
        {
            if (line.StartsWith('#'))
                type = line.TrimStart('#', ' ');
            if (line.Split('|', StringSplitOptions.TrimEntries) is not ["", var names, var foundBy, var shards, _, ""])
                continue;
            var columns = FoundBy().Matches(foundBy).Select(m => (m.Groups["table"].Value, m.Groups["column"].Value)).ToList();
            entries.AddRange(StatementName().Matches(names).Select(m => new Entry($"{type}.{m.Groups["name"].Value}", columns, shards)));
        }

        return entries;
    }

    /// <summary>The lines of the document's SQL.</summary>
    private static IEnumerable<string> GetSchema() =>
        Document.Split("```").Where(part => part.StartsWith("sql\n", StringComparison.Ordinal)).SelectMany(part => part.Split('\n').Skip(1));

    private static Dictionary<string, string> ReadDistribution() =>
        Distribution().Matches(Document).ToDictionary(m => m.Groups["table"].Value, m => m.Groups["column"].Value);

    /// <summary>Every look into a table that the plan has for whatever values come.</summary>
    private async Task<IReadOnlyList<Scan>> ExplainAsync(string statement)
    {
        var text = RepositoryStatements.Read(statement, database);
        var steps = await GenericPlan.ExplainAsync(database, text);
        return
        [
            .. steps.Where(s => s.IsScan).Select(s => new Scan(s.Table!, [.. EqualColumn().Matches(s.Conditions).Select(m => m.Groups["column"].Value)])),
        ];
    }

    /// <summary>What the document says of a statement.</summary>
    private sealed record Entry(string Statement, IReadOnlyList<(string Table, string Column)> FoundBy, string Shards);

    /// <summary>A look into a table, and the columns whose values an index is asked for.</summary>
    private sealed record Scan(string Table, IReadOnlyList<string> Columns)
    {
        public bool IsOfOneUser => Columns.Intersect(OfOneUser[Table]).Any();
    }

    /// <summary>A unique index or a foreign key.</summary>
    private sealed record KeyRow
    {
        public required string Table { get; init; }
        public required string Name { get; init; }
        public required string Columns { get; init; }
    }
}
