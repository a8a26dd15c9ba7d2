using AiChat.Core.Models;
using AiChat.Core.Nodes;
using AiChat.Core.Runs;
using AiChat.Tests.Support;
using Dapper;
using Npgsql;

namespace AiChat.Tests.Infrastructure.Persistence.Postgres;

/// <summary>What PostgreSQL does when transactions meet at a row, with the meeting held open so that it happens each time.</summary>
public sealed class RunLockTests() : RepositoryTestBase(Engine.Postgres)
{
    private static readonly TimeSpan Lease = TimeSpan.FromMinutes(5);

    private readonly Node other = new();

    /// <summary>The second sees everything as it was when it began to wait, except for the run's own row.</summary>
    [Test]
    public async Task TakeOverAsync_AnotherSurvivorWasQuicker_LeavesTheRunToIt()
    {
        var third = new Node();
        await Database.NodesOf(other).RenewAsync(Lease, None);
        await Database.NodesOf(third).RenewAsync(Lease, None);
        await BeginInOwnChatAsync("run-1");
        var hold = await HoldAsync("update runs set alias = alias");

        var taking = new[] { Database.RunsOf(other).TakeOverAsync(None), Database.RunsOf(third).TakeOverAsync(None) };
        await WaitForWaitingAsync(2);
        await hold.DisposeAsync();

        Assert.That((await Task.WhenAll(taking)).Order(), Is.EqualTo(new[] { 0, 1 }));
        Assert.That(await Database.QuerySingleAsync<int>("select lease_number from runs"), Is.EqualTo(2));
    }

    /// <summary>Otherwise an attempt could stand in the ledger for ever as one that goes on, and be paid for beside those of the survivor.</summary>
    [Test]
    public async Task AppendAsync_AttemptsBeforeTheirCommit_KeepTheRunFromBeingTakenOver()
    {
        var runs = new[] { await BeginInOwnChatAsync("run-1"), await BeginInOwnChatAsync("run-2") };
        await AppendAsync(runs[1], NewAttempt());
        var hold = await HoldAsync("update attempts set model = model");

        var appending = Database.Runs.AppendAsync([.. runs.Select(run => new RunProgress { Run = run, Texts = [], Attempts = [NewAttempt()] })], None);
        await WaitForWaitingAsync(1);
        var settling = SettleAsync(Database.RunsOf(other));
        await WaitForWaitingAsync(2);
        await hold.DisposeAsync();
        await Task.WhenAll(appending, settling);

        Assert.That(await Database.QueryAsync<(string, string)>("select run_id, outcome from attempts order by run_id"), Is.EqualTo(new[]
        {
            ("run-1", "incomplete"), ("run-2", "incomplete"),
        }));
    }

    [Test]
    public async Task AppendAsync_OwnerWasPausedWhileItsRunWasTaken_ChangesNothing()
    {
        var run = await BeginInOwnChatAsync("run-1");
        var hold = await HoldAsync("update runs set node_id = 'other', lease_number = lease_number + 1");

        var appending = Database.Runs.AppendAsync(
            [new RunProgress { Run = run, Texts = [new RunText(run.Id, 4, 0, "Hel")], Attempts = [NewAttempt()] }], None);
        await WaitForWaitingAsync(1);
        await hold.CommitAsync();
        await appending;

        Assert.That(await GetEventsAsync(), Is.Empty);
        Assert.That(await Database.QueryAsync<string>("select run_id from attempts"), Is.Empty);
    }

    [Test]
    public async Task FinishAsync_OwnerWasPausedWhileItsRunWasTaken_ChangesNothing()
    {
        var run = await BeginInOwnChatAsync("run-1");
        var hold = await HoldAsync("update runs set node_id = 'other', lease_number = lease_number + 1");

        var finishing = Database.Runs.FinishAsync(Reply(run, 1) with { Attempts = [NewAttempt(1, AttemptOutcome.Completed)] }, None);
        await WaitForWaitingAsync(1);
        await hold.CommitAsync();

        Assert.That((await finishing).Outcome, Is.EqualTo(FinishOutcome.TakenOver));
        Assert.That(await Database.QuerySingleAsync<(string, string)>("select r.status, m.status from runs r join messages m on m.run_id = r.id"), Is.EqualTo(
            ("in_progress", "in_progress")));
        Assert.That(await Database.QueryAsync<string>("select run_id from attempts"), Is.Empty);
    }

    [Test]
    public async Task WriteAsync_TwoWaitForEachOther_BothAreStored()
    {
        await Database.ExecuteAsync("create table counters (id integer primary key, n integer not null); insert into counters values (1, 0), (2, 0)");
        var hasFirst = new[] { new TaskCompletionSource(), new TaskCompletionSource() };

        await Task.WhenAll(AddAsync(0), AddAsync(1));

        Assert.That(await Database.QueryAsync<int>("select n from counters"), Is.EqualTo(new[] { 2, 2 }));
        Assert.That(await Database.CountDeadlocksAsync(), Is.EqualTo(1));

        Task<int> AddAsync(int i) => Database.Current.WriteAsync(async connection =>
        {
            await connection.ExecuteAsync("update counters set n = n + 1 where id = @Id", new { Id = 1 + i });
            hasFirst[i].TrySetResult();
            await hasFirst[1 - i].Task;
            return await connection.ExecuteAsync("update counters set n = n + 1 where id = @Id", new { Id = 2 - i });
        });
    }

    private static async Task SettleAsync(IRunRepository survivor)
    {
        await survivor.TakeOverAsync(None);
        foreach (var run in await survivor.GetHeldAsync(None))
            await survivor.SettleAsync(run.Id, run.LeaseNumber, At(60), None);
    }

    private async Task<NewRun> BeginInOwnChatAsync(string runId)
    {
        await CreateChatAsync("chat-of-" + runId);
        return await BeginAsync(runId, "chat-of-" + runId);
    }

    private Task WaitForWaitingAsync(int count) => Database.WaitAsync(
        $"select count(*) = {count} from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'");

    private async Task<Hold> HoldAsync(string sql)
    {
        var connection = await PostgresServer.ConnectAsync(Database.Url);
        var transaction = await connection.BeginTransactionAsync();
        await connection.ExecuteAsync(sql, transaction: transaction);
        return new Hold(connection, transaction);
    }

    /// <summary>A transaction that keeps the rows it has changed until it ends.</summary>
    private sealed class Hold(NpgsqlConnection connection, NpgsqlTransaction transaction) : IAsyncDisposable
    {
        public async Task CommitAsync()
        {
            await transaction.CommitAsync();
            await DisposeAsync();
        }

        public async ValueTask DisposeAsync()
        {
            await transaction.DisposeAsync();
            await connection.DisposeAsync();
        }
    }
}
