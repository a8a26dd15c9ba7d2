using Dapper;

namespace AiChat.Tests.Infrastructure.Persistence.Postgres;

/// <summary>A process that is paused in the middle of a transaction holds up the others for a moment only, and loses nothing itself.</summary>
public sealed class PausedTransactionTests
{
    private const string IsConnectedSql = "select exists (select 1 from pg_stat_activity where pid = @Process)";

    [Test]
    [CancelAfter(60_000)]
    public async Task WriteAsync_TransactionEndedByTheServerBeforeItsCommit_StoresItOnce(CancellationToken cancellationToken)
    {
        using var database = await TestDatabase.CreateAsync(Engine.Postgres);
        await database.ExecuteAsync("create table notes (note text)");
        var attempts = 0;

        await database.Current.WriteAsync(async connection =>
        {
            await connection.ExecuteAsync("insert into notes values ('once')");
            if (attempts++ == 0)
                await WaitUntilEndedAsync(database, await connection.ExecuteScalarAsync<int>("select pg_backend_pid()"), cancellationToken);
            return attempts;
        });

        Assert.That(attempts, Is.EqualTo(2));
        Assert.That(await database.QuerySingleAsync<int>("select count(*) from notes"), Is.EqualTo(1));
    }

    private static async Task WaitUntilEndedAsync(TestDatabase database, int process, CancellationToken cancellationToken)
    {
        while (await database.QuerySingleAsync<bool>(IsConnectedSql, new { Process = process }))
            await Task.Delay(50, cancellationToken);
    }
}
