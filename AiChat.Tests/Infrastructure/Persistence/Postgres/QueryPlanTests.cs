namespace AiChat.Tests.Infrastructure.Persistence.Postgres;

/// <summary>
/// The cost of a call does not grow with the archive on PostgreSQL either: in tables with many rows every statement finds its rows by an
/// index, in the order they are wanted.
/// </summary>
public sealed class QueryPlanTests
{
    /// <summary>What is there grows with the archive, what is unfinished does not.</summary>
    private const string FillSql = """
        insert into users select 'user-' || u, 5 from generate_series(1, 2000) u;
        insert into chats (id, user_id, message_count, created_at, updated_at)
          select 'chat-' || c, 'user-' || (c % 2000 + 1), 4, c, c from generate_series(1, 10000) c;
        insert into messages (chat_id, sequence, id, role, content, status, run_id, created_at, updated_at)
          select 'chat-' || c, s, 'message-' || c || '-' || s, case when s % 2 = 1 then 'user' else 'assistant' end, repeat('word ', 20), 'completed',
            case when s % 2 = 0 then 'run-' || c || '-' || s end, c, c
          from generate_series(1, 10000) c, generate_series(1, 4) s;
        insert into runs (id, chat_id, user_id, user_message_id, assistant_message_id, user_sequence, assistant_sequence, alias, web_search, status,
            node_id, created_at, completed_at)
          select m.run_id, m.chat_id, c.user_id, 'message', m.id, m.sequence - 1, m.sequence, 'fast', false,
            case when m.sequence = 4 and m.created_at > 9950 then 'in_progress' else 'completed' end, 'node-' || (m.created_at % 3), m.created_at,
            case when m.sequence < 4 or m.created_at <= 9950 then m.created_at end
          from messages m join chats c on c.id = m.chat_id where m.run_id is not null;
        insert into attempts (run_id, attempt, purpose, chat_id, user_id, alias, provider, model, outcome, started_at)
          select id, 1, 'reply', chat_id, user_id, 'fast', 'groq', 'oss', status, created_at from runs;
        insert into run_events (run_id, sequence, event, text_offset, text)
          select id, s, 'message.delta', s, 'text' from runs, generate_series(1, 40) s where completed_at is null;
        insert into run_events (run_id, sequence, event, text_offset, text)
          select id, 1, 'run.continued', 0, '' from runs where completed_at % 10 = 0;
        insert into run_replies select id, 1, 'text' from runs where completed_at % 10 = 0;
        insert into idempotency_keys select user_id, id, 'fingerprint', id, created_at from runs;
        insert into budget_windows select 'user', id, p, s, 0, 0, 0 from users, unnest(array['day', 'month']) p, generate_series(1, 10) s;
        insert into budget_reservations select id, 'user', user_id, 'day', 1, 1, 0, 0 from runs where completed_at is null;
        insert into nodes select 'node-' || n, 0 from generate_series(0, 2) n;
        analyze;
        """;

    /// <summary>
    /// Pages of these tables are in memory. On a disk that turns, reading so small ones as a whole would be as quick; the plans of large ones
    /// are these on any disk.
    /// </summary>
    private const double RandomPageCost = 1.1;

    /// <summary>Of nodes and reservations there are as many as processes and running runs.</summary>
    private static readonly string[] SmallTables = ["nodes", "budget_reservations"];

    /// <summary>They hold what is running now and nothing else, that of marks few per run, so that they may be read as a whole.</summary>
    private static readonly string[] SmallIndexes = ["runs_unfinished", "runs_by_node", "attempts_in_progress", "run_events_marks"];

    /// <summary>
    /// What one process holds, in the order of the turns, the events of one run, and no more messages of each chat on a page than the page
    /// takes: few, however large the archive.
    /// </summary>
    private static readonly string[] SortsOfFew =
        ["RunRepository.HeldSql", "RunRepository.NewsSql", "RunRepository.FlushedTextSql", "RunRepository.MarksSql", "MessageRepository.PageOfChatsSql"];

    private TestDatabase database = null!;

    private static string[] Statements => RepositoryStatements.Names;

    [OneTimeSetUp]
    public async Task SetUp()
    {
        database = await TestDatabase.CreateAsync(Engine.Postgres);
        await database.ExecuteAsync(FillSql);
    }

    [OneTimeTearDown]
    public void TearDown() => database?.Dispose();

    [TestCaseSource(nameof(Statements))]
    public async Task Plan_EveryStatement_SearchesByIndexAndNeverSorts(string statement)
    {
        // A limit that is not known would be taken for a tenth of the table.
        var sql = RepositoryStatements.Read(statement, database).Replace("limit @Limit", "limit 100", StringComparison.Ordinal);

        var plan = await GenericPlan.ExplainAsync(database, sql, RandomPageCost);

        Assert.Multiple(() =>
        {
            // Groups of the ledger are what is asked for, and not in the order of any index.
            var mayBeSorted = sql.Contains("group by", StringComparison.Ordinal) || SortsOfFew.Contains(statement);
            Assert.That(plan.Where(step => step.Kind.EndsWith("Sort", StringComparison.Ordinal) && !mayBeSorted), Is.Empty, "sorts");
            Assert.That(plan.Where(step => step.IsScan && !IsNarrow(step)), Is.Empty, "scans");
        });
    }

    [TestCase("MessageRepository.HistorySql", "messages_pkey", "((chat_id = $1) AND (sequence < $2))")]
    [TestCase("MessageRepository.PageBackwardsSql", "messages_pkey", "((chat_id = $1) AND (sequence > $2) AND (sequence < $3))")]
    [TestCase("MessageRepository.PageForwardsSql", "messages_pkey", "((chat_id = $1) AND (sequence > $2) AND (sequence < $3))")]
    [TestCase("ChatRepository.ListFirstSql", "chats_by_user", "(user_id = $1)")]
    [TestCase("ChatRepository.ListAfterSql", "chats_by_user", "((user_id = $1) AND (ROW(updated_at, id) < ROW($2, $3)))")]
    [TestCase(
        "MessageRepository.PageOfChatsSql", "messages_pkey",
        "((chat_id = c.id) AND (sequence > CASE WHEN (c.id = $3) THEN $6 ELSE 0 END) AND (sequence <= (CASE WHEN (c.id = $3) THEN $6 ELSE 0 END + $7)))")]
    [TestCase("UsageRepository.SumSql", "attempts_by_time", "((started_at >= $1) AND (started_at < $2))")]
    [TestCase("UsageRepository.SumOfUserSql", "attempts_by_user", "((user_id = $1) AND (started_at >= $2) AND (started_at < $3))")]
    [TestCase("RunRepository.HeldSql", "runs_by_node", "(node_id = $1)")]
    [TestCase("RunRepository.LastQuestionSql", "messages_pkey", "(chat_id = $1)")]
    public async Task Plan_Page_StartsRightAtItsPlace(string statement, string index, string conditions)
    {
        var plan = await GenericPlan.ExplainAsync(database, RepositoryStatements.Read(statement, database), RandomPageCost);

        Assert.That(plan.Select(step => (step.Index, step.Conditions.Trim())), Has.Member((index, conditions)));
    }

    private static bool IsNarrow(PlanStep step) =>
        SmallTables.Contains(step.Table) || SmallIndexes.Contains(step.Index) || (step.Kind != "Seq Scan" && step.Conditions.Trim().Length > 0);
}
