using AiChat.Infrastructure.Persistence;
using AiChat.Infrastructure.Persistence.Copying;

namespace AiChat.Tests.Infrastructure.Persistence.Copying;

[TestFixture(Engine.Sqlite, Engine.Sqlite)]
[TestFixture(Engine.Sqlite, Engine.Postgres)]
[TestFixture(Engine.Postgres, Engine.Sqlite)]
[TestFixture(Engine.Postgres, Engine.Postgres)]
public sealed class DatabaseCopyTests(Engine from, Engine to)
{
    private TestDatabase source = null!;
    private TestDatabase target = null!;

    private static CancellationToken None => CancellationToken.None;

    [SetUp]
    public async Task SetUp()
    {
        source = await TestDatabase.CreateAsync(from);
        target = await TestDatabase.CreateAsync(to);
    }

    [TearDown]
    public void TearDown()
    {
        target.Dispose();
        source.Dispose();
    }

    [Test]
    public async Task RunAsync_EveryTable_HasTheSameRows()
    {
        await CopySample.FillAsync(source.Current);

        var report = await CopyAsync();

        var rows = await CopySample.DumpAsync(source.Current);
        Assert.That(await CopySample.DumpAsync(target.Current), Is.EqualTo(rows));
        Assert.That(report.Tables.Sum(t => t.Rows), Is.EqualTo(rows.Count));
        Assert.That(report.Tables.Select(t => t.Rows), Is.All.Positive);
        Assert.That(report.Tables.Select(t => t.Hash), Is.Unique);
        Assert.That((report.ResumedRows, report.HasBegunAnew, report.MendedTexts), Is.EqualTo((0, false, 0)));
        Assert.That(await TestDatabase.NewMigrator(target.Current, TimeProvider.System).IsUsableAsync(None), Is.True);
    }

    [Test]
    public async Task RunAsync_EmptyDatabase_IsCopied()
    {
        var report = await CopyAsync();

        Assert.That(report.Tables.Select(t => t.Rows), Is.All.Zero);
    }

    [Test]
    public async Task RunAsync_StoppedInTheMiddle_GoesOnWhereItWas()
    {
        await CopySample.FillAsync(source.Current);
        await StopAfterAsync(rows: 6000);

        var report = await CopyAsync();

        Assert.That(report.ResumedRows, Is.InRange(6000, CopySample.DeepChatMessages));
        Assert.That(report.HasBegunAnew, Is.False);
        Assert.That(await CopySample.DumpAsync(target.Current), Is.EqualTo(await CopySample.DumpAsync(source.Current)));
    }

    [TestCase("update messages set content = 'Another' where id = 'deep-77'")]
    [TestCase("delete from messages where id = 'deep-1'")]
    [TestCase("insert into users (id, chat_count) values ('Aaron', 0)")]
    public async Task RunAsync_SourceHasChangedSinceItWasStopped_BeginsAnew(string change)
    {
        await CopySample.FillAsync(source.Current);
        await StopAfterAsync(rows: 6000);
        await source.ExecuteAsync(change);

        var report = await CopyAsync();

        Assert.That((report.ResumedRows, report.HasBegunAnew), Is.EqualTo((0, true)));
        Assert.That(await CopySample.DumpAsync(target.Current), Is.EqualTo(await CopySample.DumpAsync(source.Current)));
    }

    [Test]
    public async Task RunAsync_CopyIsChangedBeforeItIsWhole_IsNoticed()
    {
        await CopySample.FillAsync(source.Current);
        await StopAfterAsync(rows: 6000);
        await target.ExecuteAsync("update messages set content = content || ' ' where id = 'deep-77'");

        Assert.That(CopyAsync, Throws.InstanceOf<CopyException>().With.Message.StartsWith("The copy of messages is not what was read: 11005 rows"));
    }

    [Test]
    public async Task RunAsync_TargetHasChats_IsRefusedAndLeftAlone()
    {
        await CopySample.FillAsync(source.Current);
        await target.ExecuteAsync("insert into chats (id, user_id, message_count, created_at, updated_at) values ('mine', 'anna', 0, 1, 1)");

        Assert.That(CopyAsync, Throws.InstanceOf<CopyException>().With.Message.Contains("has chats of its own"));
        Assert.That(await target.QueryAsync<string>("select id from chats"), Is.EqualTo(new[] { "mine" }));
    }

    [Test]
    public async Task RunAsync_CopiedTwice_IsRefused()
    {
        await CopySample.FillAsync(source.Current);
        await CopyAsync();

        Assert.That(CopyAsync, Throws.InstanceOf<CopyException>().With.Message.Contains("has users of its own"));
    }

    [Test]
    public async Task RunAsync_OlderSource_IsToldToMigrate()
    {
        await source.ExecuteAsync("delete from schema_migrations where name like '0005%'");

        Assert.That(CopyAsync, Throws.InstanceOf<CopyException>().With.Message.Contains("is of an older AiChat").And.Message.Contains("run migrate"));
    }

    [Test]
    public async Task RunAsync_NewerSource_IsRefused()
    {
        await source.ExecuteAsync("insert into schema_migrations (name, applied_at) values ('9999_future', 1)");

        Assert.That(CopyAsync, Throws.InstanceOf<CopyException>().With.Message.Contains("was changed by a newer AiChat (migration 9999_future)"));
    }

    [Test]
    public async Task RunAsync_UnfinishedCopyAsTheSource_IsRefused()
    {
        await CopySample.FillAsync(source.Current);
        await StopAfterAsync(rows: 6000);
        using var third = await TestDatabase.CreateAsync();

        Assert.That(() => CopyAsync(target, third), Throws.InstanceOf<CopyException>().With.Message.Contains("is itself a copy that has not come to its end"));
    }

    [Test]
    public async Task MigrateAsync_UnfinishedCopy_IsRefusedToServers()
    {
        await CopySample.FillAsync(source.Current);
        await StopAfterAsync(rows: 6000);

        Assert.That(() => TestDatabase.NewMigrator(target.Current, TimeProvider.System).MigrateAsync(),
            Throws.InstanceOf<DatabaseStartupException>().With.Message.Contains("is a copy that has not come to its end"));
    }

    [Test]
    public async Task RunAsync_ServersThatDied_AreNoReasonToRefuse()
    {
        await source.Nodes.RenewAsync(TimeSpan.FromMinutes(-1), None);

        Assert.That((await CopyAsync()).Tables, Is.Not.Empty);
    }

    private Task<CopyReport> CopyAsync() => CopyAsync(source, target);

    private static Task<CopyReport> CopyAsync(TestDatabase from, TestDatabase to) =>
        new DatabaseCopy(from.Current, to.Current, TimeProvider.System, _ => { }).RunAsync(None);

    private async Task StopAfterAsync(int rows)
    {
        using var stop = new CancellationTokenSource();
        var copy = new DatabaseCopy(source.Current, target.Current, TimeProvider.System, step =>
        {
            if (step.Rows >= rows)
                stop.Cancel();
        });
        try
        {
            await copy.RunAsync(stop.Token);
            Assert.Fail("It came to its end.");
        }
        catch (OperationCanceledException)
        {
            // As it was asked to.
        }
    }
}
