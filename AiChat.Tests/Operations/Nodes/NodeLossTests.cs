using System.Diagnostics;
using AiChat.Infrastructure.Persistence;
using AiChat.Infrastructure.Persistence.Postgres;
using AiChat.Tests.Support;
using Dapper;
using Npgsql;
using static AiChat.Tests.Operations.Nodes.NodeCluster;

namespace AiChat.Tests.Operations.Nodes;

/// <summary>One of several servers dies, is paused or ends while it writes replies.</summary>
[OwnDatabase]
public sealed class NodeLossTests
{
    private const string Text = "Once upon ";

    private static readonly (string Name, string Value) ShortLease = ("Runs__LeaseTime", "00:00:03");

    /// <summary>Many times the lease time, for busy machines, and less than streams are waited for.</summary>
    private static readonly TimeSpan LongestSettling = TimeSpan.FromSeconds(20);

    private SemaphoreSlim steps = null!;

    [SetUp]
    public void SetUp() => steps = new SemaphoreSlim(0);

    [TearDown]
    public void TearDown() => steps.Dispose();

    [Test]
    public async Task Kill_OwnerWithFollowersOnOtherNodes_IsSettledWithWhatWasStored()
    {
        await using var cluster = await NodeCluster.StartAsync(3, ShortLease);
        cluster.Answer("A story", LlmReplies.PausingStream(Text));
        await using var owner = await SendAsync(cluster.A, "A story");
        var started = (await owner.ReadTextAsync(Text.Length))[0];
        await using var onB = await FollowAsync(cluster.B, started.RunId);
        await using var onC = await FollowAsync(cluster.C, started.RunId);
        var seenOnB = await onB.ReadTextAsync(Text.Length);
        await onC.ReadTextAsync(Text.Length);
        await using var waiting = await SendAsync(cluster.B, "Next", started.Data.Text("chat_id"));
        await waiting.NextAsync();
        var clock = Stopwatch.StartNew();

        await cluster.A.KillAsync();

        StreamEvent[] ends = [(await onB.ReadToEndAsync()).Single(), (await onC.ReadToEndAsync()).Single()];
        Assert.That(clock.Elapsed, Is.LessThan(LongestSettling));
        await using var late = await FollowAsync(cluster.C, started.RunId, seenOnB[^1].Id);
        var run = await cluster.C.GetAsync($"/runs/{started.RunId}");
        Assert.Multiple(() =>
        {
            Assert.That(
                ends.Select(e => (e.Name, e.Data.Text("reply"), e.Data.GetProperty("error").Text("code"))),
                Is.All.EqualTo(("run.incomplete", Text, "run_interrupted")));
            Assert.That(run.GetProperty("attempts").Texts("status"), Is.EqualTo(new[] { "incomplete" }));
            Assert.That(run.GetProperty("attempts").Texts("reply"), Is.EqualTo(new[] { Text }));
        });
        Assert.That((await late.ReadToEndAsync()).Single().Id, Is.EqualTo(ends[0].Id));
        Assert.That((await waiting.ReadToEndAsync())[^1].Data.Text("reply"), Is.EqualTo("echo: Next"));
    }

    [Test]
    public async Task Kill_OwnerWhereRepliesGoOn_GoesOnElsewhereBehindASeam()
    {
        await using var cluster = await NodeCluster.StartAsync(3, ShortLease, ("Runs__OnRestart", "continue"));
        var calls = 0;
        cluster.Answer("A story", call => (Interlocked.Increment(ref calls) == 1
            ? LlmReplies.PausingStream(Text) : LlmReplies.SteppedStream(steps, "a time ", "it ", "ended."))(call));
        await using var owner = await SendAsync(cluster.A, "A story");
        var started = (await owner.ReadTextAsync(Text.Length))[0];
        await using var onB = await FollowAsync(cluster.B, started.RunId);
        await using var onC = await FollowAsync(cluster.C, started.RunId);
        await onB.ReadTextAsync(Text.Length);
        await onC.ReadTextAsync(Text.Length);

        await cluster.A.KillAsync();
        await cluster.Llm.WaitForRequestsAsync(2);
        steps.Release(4);

        foreach (var events in new[] { await onB.ReadToEndAsync(), await onC.ReadToEndAsync() })
        {
            Assert.That(events[0].Name, Is.EqualTo("run.continued"));
            Assert.That(StreamEvent.Join(events, Text), Is.EqualTo("Once upon a time it ended."));
            Assert.That((events[^1].Name, events[^1].Data.Text("reply")), Is.EqualTo(("run.completed", "Once upon a time it ended.")));
        }

        Assert.That(calls, Is.EqualTo(2));
    }

    [Test]
    public async Task Pause_PastTheLease_ChangesNothingOfWhatTheOthersDid()
    {
        await using var cluster = await NodeCluster.StartAsync(2, ShortLease);
        cluster.Answer("A story", LlmReplies.SteppedStream(steps, Text, "a time ", "it ended."));
        await using var owner = await SendAsync(cluster.A, "A story");
        steps.Release();
        var started = (await owner.ReadTextAsync(Text.Length))[0];
        await using var follower = await FollowAsync(cluster.B, started.RunId);
        await follower.ReadTextAsync(Text.Length);
        var waiting = PostAsync(cluster.A, "/chat", new { message = "A story" });
        await cluster.Llm.WaitForRequestsAsync(2);

        cluster.A.Pause();
        steps.Release(10);
        var end = (await follower.ReadToEndAsync()).Single();
        await WaitUntilAsync(async () => (await cluster.QueryAsync<int>("select count(*) from runs where completed_at is null")).Single() == 0);
        var before = await DumpAsync(cluster);
        cluster.A.Resume();

        var (seen, refused) = (await ReadWhatComesAsync(owner), await waiting);
        await using var again = await FollowAsync(cluster.A, started.RunId);
        var settled = await again.ReadToEndAsync();
        await WaitUntilAsync(() => Task.FromResult(cluster.A.Output.Count(l => l.Contains("was taken over", StringComparison.Ordinal)) == 2));
        Assert.Multiple(() =>
        {
            Assert.That((end.Name, end.Data.Text("reply")), Is.EqualTo(("run.incomplete", Text)));
            Assert.That(seen.Select(e => e.Name), Is.SubsetOf(new[] { "message.delta" }));
            Assert.That((refused.Status, refused.Code), Is.EqualTo((503, "database_unavailable")));
            Assert.That((settled[^1].Name, settled[^1].Id, StreamEvent.Join(settled)), Is.EqualTo(("run.incomplete", end.Id, Text)));
        });
        Assert.That(await DumpAsync(cluster), Is.EqualTo(before));
        var next = await PostAsync(cluster.A, "/chat", new { chat_id = started.Data.Text("chat_id"), message = "And now?" });
        Assert.That((next.Status, next.Json.Text("reply")), Is.EqualTo((200, "echo: And now?")));
    }

    [Test]
    public async Task Pause_ShorterThanTheLease_ChangesNothing()
    {
        await using var cluster = await NodeCluster.StartAsync(2);
        cluster.Answer("A story", LlmReplies.SteppedStream(steps, Text, "a time"));
        await using var owner = await SendAsync(cluster.A, "A story");
        steps.Release();
        var started = (await owner.ReadTextAsync(Text.Length))[0];

        cluster.A.Pause();
        await Task.Delay(TimeSpan.FromSeconds(1));
        cluster.A.Resume();
        steps.Release(2);

        Assert.That((await owner.ReadToEndAsync())[^1].Name, Is.EqualTo("run.completed"));
        Assert.That(await cluster.QueryAsync<int>("select lease_number from runs"), Is.EqualTo(new[] { 1 }));
        Assert.That((await cluster.B.GetAsync($"/runs/{started.RunId}")).Text("status"), Is.EqualTo("completed"));
    }

    [Test]
    public async Task Terminate_OneNode_EndsItsRunsAndNoOthers()
    {
        await using var cluster = await NodeCluster.StartAsync(2, ("Runs__ShutdownTimeout", "00:00:00.5"));
        cluster.Answer("On A", LlmReplies.SteppedStream(steps, Text, "a time"));
        cluster.Answer("On B", LlmReplies.PausingStream(Text));
        await using var ownerA = await SendAsync(cluster.A, "On A");
        await using var ownerB = await SendAsync(cluster.B, "On B");
        steps.Release();
        var (ofA, ofB) = ((await ownerA.ReadTextAsync(Text.Length))[0], (await ownerB.ReadTextAsync(Text.Length))[0]);
        await using var onA = await FollowAsync(cluster.A, ofB.RunId);
        await using var onB = await FollowAsync(cluster.B, ofA.RunId);
        var (_, seenOnB) = (await onA.ReadTextAsync(Text.Length), await onB.ReadTextAsync(Text.Length));

        cluster.B.Terminate();

        StreamEvent[] ends = [(await ownerB.ReadToEndAsync()).Single(), (await onA.ReadToEndAsync()).Single()];
        Assert.That(ends.Select(e => (e.Name, e.Data.Text("reply"))), Is.All.EqualTo(("run.incomplete", Text)));
        Assert.That(await ReadWhatComesAsync(onB), Is.Empty);
        Assert.That(await cluster.B.WaitForExitAsync(), Is.Zero);
        await using var back = await FollowAsync(cluster.A, ofA.RunId, seenOnB[^1].Id);
        steps.Release(2);
        Assert.That(StreamEvent.Join(await back.ReadToEndAsync(), Text), Is.EqualTo("Once upon a time"));
        Assert.That((await ownerA.ReadToEndAsync())[^1].Name, Is.EqualTo("run.completed"));
        Assert.That(await cluster.QueryAsync<int>("select count(*) from nodes"), Is.EqualTo(new[] { 1 }));
    }

    /// <summary>The lock of a node that was paused in the middle of a transaction; it may never wake up.</summary>
    [Test]
    public async Task Send_ChatLockedByAPausedNode_IsAnsweredWhenTheServerEndsItsTransaction()
    {
        await using var cluster = await NodeCluster.StartAsync(1);
        var chatId = (await PostAsync(cluster.A, "/chat", new { message = "Hello" })).Json.Text("chat_id");
        var options = new DatabaseOptions { Url = cluster.Url, CommandTimeout = TimeSpan.FromSeconds(1) };
        await using var paused = new NpgsqlConnection(PostgresUrl.Parse(options) + ";Pooling=false");
        await paused.OpenAsync();
        await using var transaction = await paused.BeginTransactionAsync();
        await paused.ExecuteAsync("select from chats for update");

        var answer = await PostAsync(cluster.A, "/chat", new { chat_id = chatId, message = "Still there?" });

        Assert.That((answer.Status, answer.Json.Text("reply")), Is.EqualTo((200, "echo: Still there?")));
        Assert.That(async () => await paused.ExecuteAsync("select 1"), Throws.InstanceOf<NpgsqlException>());
    }

    /// <summary>Everything that is stored of chats and of what they cost.</summary>
    private static async Task<string> DumpAsync(NodeCluster cluster) => string.Join('\n', await cluster.QueryAsync<string>("""
        select 'chat ' || t::text from chats t
        union all select 'message ' || t::text from messages t
        union all select 'run ' || t::text from runs t
        union all select 'event ' || t::text from run_events t
        union all select 'reply ' || t::text from run_replies t
        union all select 'attempt ' || t::text from attempts t
        order by 1
        """));

    /// <summary>Every event up to the end of the connection, whether it ends well or breaks off.</summary>
    private static async Task<IReadOnlyList<StreamEvent>> ReadWhatComesAsync(EventStream stream)
    {
        var events = new List<StreamEvent>();
        try
        {
            while (await stream.TryNextAsync() is { } next)
                events.Add(next);
        }
        catch (Exception failure) when (failure is HttpRequestException or IOException)
        {
            // It was broken off.
        }

        return events;
    }

    private static async Task WaitUntilAsync(Func<Task<bool>> isSo)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (!await isSo())
            await Task.Delay(20, patience.Token);
    }
}
