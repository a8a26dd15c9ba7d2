using AiChat.Tests.Support;
using Dapper;
using static AiChat.Tests.Operations.Nodes.NodeCluster;

namespace AiChat.Tests.Operations.Nodes;

/// <summary>Servers that do not hear each other find by themselves what the others have done.</summary>
[TestFixture(SignalLoss.BrokenListeners)]
[TestFixture(SignalLoss.Silence)]
[OwnDatabase]
public sealed class LostSignalTests(SignalLoss loss)
{
    /// <summary>Takes the place of PostgreSQL's own function, and counts instead of telling.</summary>
    private const string SilenceSql = """
        create sequence lost_signals;
        create function public.pg_notify(text, text) returns void language sql as $$ select nextval('public.lost_signals') $$;
        do $$ begin execute format('alter database %I set search_path = public, pg_catalog', current_database()); end $$;
        """;

    private const string CountLostSql = "select count(*) from lost_signals where is_called";

    /// <summary>Those who listen have said so last, or have asked whether the connection still stands.</summary>
    private const string BreakListenersSql =
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query in ('listen aichat', 'select 1')";

    private SemaphoreSlim steps = null!;
    private CancellationTokenSource end = null!;
    private NodeCluster cluster = null!;
    private Task breaking = Task.CompletedTask;
    private long lost;

    [OneTimeSetUp]
    public async Task StartNodes()
    {
        end = new CancellationTokenSource();
        cluster = await NodeCluster.StartPreparedAsync(2, loss == SignalLoss.Silence ? SilenceSql : "");
        if (loss == SignalLoss.BrokenListeners)
            breaking = BreakListenersAsync();
    }

    [OneTimeTearDown]
    public async Task StopNodes()
    {
        await end.CancelAsync();
        await breaking;
        if (cluster is not null)
        {
            if (loss == SignalLoss.Silence)
                lost = (await cluster.QueryAsync<long>(CountLostSql)).Single();
            await cluster.DisposeAsync();
            Assert.That(lost, Is.Positive, "Everything was heard.");
        }

        end.Dispose();
    }

    [SetUp]
    public void SetUp() => steps = new SemaphoreSlim(0);

    [TearDown]
    public void TearDown() => steps.Dispose();

    [Test]
    public async Task Follow_RunOfAnotherNode_ShowsEachCharacterOnce()
    {
        cluster.Answer("A story", LlmReplies.SteppedStream(steps, "Once ", "upon ", "a time."));
        await using var owner = await SendAsync(cluster.A, "A story");
        await using var follower = await FollowAsync(cluster.B, (await owner.NextAsync()).RunId);
        var shown = new List<StreamEvent>();
        foreach (var piece in new[] { "Once ", "upon ", "a time." })
        {
            steps.Release();
            while (!StreamEvent.Join(shown).EndsWith(piece, StringComparison.Ordinal))
                shown.Add(await follower.NextAsync());
        }

        steps.Release();

        shown.AddRange(await follower.ReadToEndAsync());
        Assert.That(StreamEvent.Join(shown), Is.EqualTo("Once upon a time."));
        Assert.That(shown[^1].Name, Is.EqualTo("run.completed"));
        await owner.ReadToEndAsync();
    }

    [Test]
    public async Task Cancel_RunOfAnotherNode_EndsIt()
    {
        cluster.Answer("Stop me", LlmReplies.PausingStream("Once upon "));
        await using var owner = await SendAsync(cluster.A, "Stop me");
        var runId = (await owner.ReadTextAsync("Once upon ".Length))[0].RunId;

        var cancelled = await PostAsync(cluster.B, $"/runs/{runId}/cancel", new { });

        Assert.That(cancelled.Json.Text("status"), Is.EqualTo("cancelled"));
        Assert.That((await owner.ReadToEndAsync())[^1].Data.Text("reply"), Is.EqualTo("Once upon "));
    }

    [Test]
    public async Task Queue_BehindARunOfAnotherNode_GetsItsTurn()
    {
        cluster.Answer("First", LlmReplies.SteppedStream(steps, "Done"));
        await using var first = await SendAsync(cluster.A, "First");
        await using var second = await SendAsync(cluster.B, "Second", (await first.NextAsync()).Data.Text("chat_id"));
        await second.NextAsync();

        steps.Release(2);

        Assert.That((await second.ReadToEndAsync())[^1].Data.Text("reply"), Is.EqualTo("echo: Second"));
    }

    [Test]
    public async Task Delete_ChatOfARunOnAnotherNode_EndsIt()
    {
        cluster.Answer("Gone soon", LlmReplies.PausingStream("Once upon "));
        await using var owner = await SendAsync(cluster.A, "Gone soon");
        var started = (await owner.ReadTextAsync("Once upon ".Length))[0];

        using var deleted = await cluster.B.Client.DeleteAsync($"/chats/{started.Data.Text("chat_id")}");

        Assert.That(deleted.IsSuccessStatusCode, Is.True);
        Assert.That((await owner.ReadToEndAsync())[^1].Data.GetProperty("error").Text("code"), Is.EqualTo("chat_deleted"));
    }

    private async Task BreakListenersAsync()
    {
        await using var connection = await PostgresServer.ConnectAsync(cluster.Url);
        while (!end.IsCancellationRequested)
        {
            lost += (await connection.QueryAsync<bool>(BreakListenersSql)).Count(isBroken => isBroken);
            await Task.Delay(20);
        }
    }
}
