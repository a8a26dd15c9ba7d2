using System.Text.RegularExpressions;
using AiChat.Core.Chats;
using AiChat.Core.Runs;
using Dapper;

namespace AiChat.Tests.Infrastructure.Persistence.Sqlite;

/// <summary>
/// The cost of a call does not grow with the archive: every statement finds its rows by an index, in the order they are wanted.
/// </summary>
public sealed partial class QueryPlanTests
{
    private TestDatabase database = null!;

    private static string[] Statements => RepositoryStatements.Names;

    [OneTimeSetUp]
    public async Task SetUp() => database = await TestDatabase.CreateAsync();

    [OneTimeTearDown]
    public void TearDown() => database.Dispose();

    [Test]
    public void Statements_OfTheRepositories_AreFound()
    {
        Assert.That(Statements, Has.Length.GreaterThanOrEqualTo(20));
    }

    [TestCaseSource(nameof(Statements))]
    public async Task Plan_EveryStatement_SearchesByIndexAndNeverSorts(string statement)
    {
        var sql = RepositoryStatements.Read(statement, database);
        var plan = await ExplainAsync(sql);

        Assert.Multiple(() =>
        {
            // Groups of the ledger are what is asked for, and not in the order of any index. What one process holds is running or waiting
            // now, and few for that; it is wanted in the order of the turns.
            var isGroups = sql.Contains("group by", StringComparison.Ordinal);
            var isHeld = statement == "RunRepository.HeldSql";
            Assert.That(plan.Where(step => step.Contains("TEMP B-TREE", StringComparison.Ordinal) && !(isGroups && step.EndsWith("FOR GROUP BY", StringComparison.Ordinal)) && !isHeld), Is.Empty, "sorts");
            // The indexes of unfinished runs and attempts hold what is running now and nothing else, that of marks few per run, the
            // reservations those of running runs, and the nodes one; constants are the rows of an insert.
            Assert.That(plan.Where(step => step.StartsWith("SCAN", StringComparison.Ordinal) && !HarmlessScan().IsMatch(step)), Is.Empty, "scans");
        });
    }

    [TestCase("HistorySql", "messages USING PRIMARY KEY (chat_id=? AND sequence<?)")]
    [TestCase("PageBackwardsSql", "messages USING PRIMARY KEY (chat_id=? AND sequence>? AND sequence<?)")]
    [TestCase("PageForwardsSql", "messages USING PRIMARY KEY (chat_id=? AND sequence>? AND sequence<?)")]
    [TestCase("PageOfChatsSql", "c USING COVERING INDEX chats_by_user (user_id=? AND (updated_at,id)>(?,?) AND (updated_at,id)<(?,?))")]
    [TestCase("PageOfChatsSql", "m USING PRIMARY KEY (chat_id=? AND sequence>? AND sequence<?)")]
    [TestCase("SumSql", "attempts USING INDEX attempts_by_time (started_at>? AND started_at<?)")]
    [TestCase("SumOfUserSql", "attempts USING INDEX attempts_by_user (user_id=? AND started_at>? AND started_at<?)")]
    [TestCase("DaysSql", "attempts USING INDEX attempts_by_time (started_at>? AND started_at<?)")]
    [TestCase("DaysOfUserSql", "attempts USING INDEX attempts_by_user (user_id=? AND started_at>? AND started_at<?)")]
    [TestCase("ModelsSql", "attempts USING INDEX attempts_by_time (started_at>? AND started_at<?)")]
    [TestCase("ModelsOfUserSql", "attempts USING INDEX attempts_by_user (user_id=? AND started_at>? AND started_at<?)")]
    [TestCase("ChatsSql", "attempts USING INDEX attempts_by_time (started_at>? AND started_at<?)")]
    [TestCase("ChatsOfUserSql", "attempts USING INDEX attempts_by_user (user_id=? AND started_at>? AND started_at<?)")]
    [TestCase("UsersSql", "attempts USING INDEX attempts_by_time (started_at>? AND started_at<?)")]
    [TestCase("UsersOfUserSql", "attempts USING INDEX attempts_by_user (user_id=? AND started_at>? AND started_at<?)")]
    [TestCase("ListFirstSql", "chats USING INDEX chats_by_user (user_id=?)")]
    [TestCase("ListAfterSql", "chats USING INDEX chats_by_user (user_id=? AND (updated_at,id)<(?,?))")]
    public async Task Plan_Page_StartsRightAtItsPlace(string statement, string expected)
    {
        var name = Statements.Single(s => s.EndsWith("." + statement, StringComparison.Ordinal));

        var plan = await ExplainAsync(RepositoryStatements.Read(name, database));

        Assert.That(plan, Has.Some.Contains(expected));
    }

    [Test]
    public async Task GetPageAsync_NewestPage_IsTheSameWorkInAShortAndALongChat()
    {
        var (shortChat, longChat) = await CreateChatsAsync();

        var work = await CountStepsAsync(
            ["order by sequence desc"], chatId => database.Messages.GetPageAsync("anna", chatId, default, 5, CancellationToken.None), shortChat, longChat);

        Assert.That(work[1], Is.EqualTo(work[0]).And.GreaterThan(0));
    }

    [Test]
    public async Task ReadBackwardsAsync_NewestFive_IsTheSameWorkInAShortAndALongChat()
    {
        var (shortChat, longChat) = await CreateChatsAsync();

        var work = await CountStepsAsync(
            ["order by sequence desc"],
            async chatId => await database.Messages.ReadBackwardsAsync("anna", chatId, int.MaxValue, CancellationToken.None).Take(5).ToListAsync(),
            shortChat, longChat);

        Assert.That(work[1], Is.EqualTo(work[0]).And.GreaterThan(0));
    }

    /// <summary>Compiling a statement costs SQLite several times what running it does.</summary>
    [Test]
    public async Task Repositories_SameReadsAgainAndAgain_CompileEachStatementOnce()
    {
        var (chatId, _) = await CreateChatsAsync();
        await WatchReaderAsync();

        for (var i = 0; i < 5; i++)
        {
            await database.Chats.GetAsync("anna", chatId, CancellationToken.None);
            var page = await database.Chats.ListAsync("anna", 1, after: null, CancellationToken.None);
            await database.Chats.ListAsync("anna", 1, page.Next, CancellationToken.None);
            await database.Messages.GetPageAsync("anna", chatId, default, 5, CancellationToken.None);
            await database.Messages.GetPageAsync("anna", chatId, new MessageRange { After = 2 }, 5, CancellationToken.None);
            await database.Messages.ReadBackwardsAsync("anna", chatId, 11, CancellationToken.None).Take(2).ToListAsync();
        }

        using var reader = await database.Sqlite.RentReaderAsync(CancellationToken.None);
        var runs = PreparedStatements.GetRuns(reader.Connection);
        Assert.That(runs.Select(r => r.Key), Has.Exactly(7).Items);
        // The total is sent with the first page and with those behind it, so it is compiled with both.
        Assert.That(runs.SelectMany(r => r), Is.All.EqualTo(5).Or.EqualTo(10));
    }

    [GeneratedRegex(@"^SCAN (TABLE )?runs USING (COVERING )?INDEX (runs_unfinished|runs_by_node)|^SCAN nodes$|^SCAN run_events AS e USING (COVERING )?INDEX run_events_marks|^SCAN attempts USING INDEX attempts_in_progress$|^SCAN budget_reservations$|CONSTANT ROW")]
    private static partial Regex HarmlessScan();

    [GeneratedRegex(@"@\w+")]
    private static partial Regex ParameterName();

    private async Task<IReadOnlyList<string>> ExplainAsync(string sql)
    {
        if (sql.Length == 0)
            return [];
        var parameters = new DynamicParameters();
        foreach (var name in ParameterName().Matches(sql).Select(m => m.Value).Distinct())
            parameters.Add(name, 1);

        var rows = await database.QueryAsync<PlanRow>("explain query plan " + sql, parameters);
        // Older versions of SQLite write "SEARCH TABLE messages", newer ones "SEARCH messages".
        return [.. rows.Select(r => r.Detail.Replace(" TABLE ", " ", StringComparison.Ordinal))];
    }

    /// <summary>How much more work the connection has done on matching statements after each call.</summary>
    private async Task<List<int>> CountStepsAsync(string[] texts, Func<string, Task> call, params string[] chatIds)
    {
        var work = new List<int>();
        await WatchReaderAsync();
        foreach (var chatId in chatIds.Prepend(chatIds[0]))
        {
            await call(chatId);
            using var reader = await database.Sqlite.RentReaderAsync(CancellationToken.None);
            work.Add(PreparedStatements.GetSteps(reader.Connection).Where(s => Array.TrueForAll(texts, s.Key.Contains)).Sum(s => s.Sum()));
        }

        // The first call only warms up.
        return [.. work.Zip(work.Skip(1), (before, after) => after - before)];
    }

    /// <summary>From here on one fresh reader does everything, and what it does is counted.</summary>
    private async Task WatchReaderAsync()
    {
        database.Restart();
        using var reader = await database.Sqlite.RentReaderAsync(CancellationToken.None);
        PreparedStatements.Watch(reader.Connection);
    }

    private async Task<(string Short, string Long)> CreateChatsAsync()
    {
        // Both are longer than the first page that a prompt reads.
        var ids = (Short: Guid.NewGuid().ToString(), Long: Guid.NewGuid().ToString());
        foreach (var (id, turns) in new[] { (ids.Short, 50), (ids.Long, 500) })
        {
            await database.Chats.CreateAsync(new Chat { Id = id, UserId = "anna", CreatedAt = default, UpdatedAt = default }, null, CancellationToken.None);
            for (var i = 0; i < turns; i++)
                await AddTurnAsync(id, (2 * i) + 1);
        }

        return ids;
    }

    private async Task AddTurnAsync(string chatId, int sequence)
    {
        var run = new NewRun
        {
            Id = Guid.NewGuid().ToString(),
            ChatId = chatId,
            UserId = "anna",
            UserMessageId = Guid.NewGuid().ToString(),
            AssistantMessageId = Guid.NewGuid().ToString(),
            Message = "Hi",
            Alias = "fast",
            CreatedAt = default,
        };
        await database.Runs.StartAsync(run, CancellationToken.None);
        await database.Runs.FinishAsync(new RunResult
        {
            RunId = run.Id,
            ChatId = chatId,
            UserId = run.UserId,
            Alias = run.Alias,
            UserMessageId = run.UserMessageId,
            AssistantMessageId = run.AssistantMessageId,
            AssistantSequence = sequence + 1,
            Status = RunStatus.Completed,
            Reply = "Yes.",
            Provider = "groq",
            Model = "oss",
            CompletedAt = default,
        }, CancellationToken.None);
    }

    /// <summary>One step of a plan, as SQLite describes it.</summary>
    private sealed record PlanRow
    {
        public required string Detail { get; init; }
    }
}
