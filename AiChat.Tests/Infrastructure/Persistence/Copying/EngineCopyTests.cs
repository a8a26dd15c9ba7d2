using AiChat.Infrastructure.Persistence.Copying;

namespace AiChat.Tests.Infrastructure.Persistence.Copying;

/// <summary>What is so only when a database of a certain engine is copied or filled.</summary>
public sealed class EngineCopyTests
{
    private const string JournalSql = "select name from schema_migrations order by name";

    private static CancellationToken None => CancellationToken.None;

    /// <summary>SQLite's file is locked by its server.</summary>
    [TestCase(Engine.Sqlite)]
    [TestCase(Engine.Postgres)]
    public async Task RunAsync_SourceHasServers_IsRefused(Engine to)
    {
        using var source = await TestDatabase.CreateAsync(Engine.Postgres);
        using var target = await TestDatabase.CreateAsync(to);
        await source.Nodes.RenewAsync(TimeSpan.FromMinutes(1), None);

        Assert.That(() => CopyAsync(source, target), Throws.InstanceOf<CopyException>().With.Message.StartsWith("1 AiChat process uses the database"));
    }

    [TestCase(Engine.Sqlite)]
    [TestCase(Engine.Postgres)]
    public async Task RunAsync_TargetHasServers_IsRefused(Engine from)
    {
        using var source = await TestDatabase.CreateAsync(from);
        using var target = await TestDatabase.CreateAsync(Engine.Postgres);
        await target.Nodes.RenewAsync(TimeSpan.FromMinutes(1), None);

        Assert.That(() => CopyAsync(source, target), Throws.InstanceOf<CopyException>().With.Message.StartsWith("1 AiChat process uses the database"));
    }

    /// <summary>An older AiChat goes on with it.</summary>
    [TestCase(Engine.Sqlite, "insert into users (id, chat_count) values ('anna', 0)")]
    [TestCase(Engine.Postgres, "insert into chats (id, user_id, message_count, created_at, updated_at) values ('mine', 'anna', 0, 1, 1)")]
    public async Task RunAsync_TargetOfAnOlderVersionIsInUse_IsRefusedAndNotMigrated(Engine from, string use)
    {
        using var source = await TestDatabase.CreateAsync(from);
        using var target = await TestDatabase.CreateAsync();
        await target.ExecuteAsync("delete from schema_migrations where name like '0005%'");
        await target.ExecuteAsync(use);
        var journal = await target.QueryAsync<string>(JournalSql);

        Assert.That(() => CopyAsync(source, target), Throws.InstanceOf<CopyException>().With.Message.Contains(" of its own. "));
        Assert.That(await target.QueryAsync<string>(JournalSql), Is.EqualTo(journal));
    }

    [TestCase(Engine.Sqlite, 0, "Before\0after")]
    [TestCase(Engine.Postgres, 1, "Before\uFFFDafter")]
    public async Task RunAsync_NulInAText_IsReplacedWhereItCannotBeStored(Engine to, int mendedTexts, string title)
    {
        using var source = await TestDatabase.CreateAsync();
        using var target = await TestDatabase.CreateAsync(to);
        await source.ExecuteAsync("insert into chats (id, user_id, title, message_count, created_at, updated_at) values ('chat-1', 'anna', @Title, 0, 1, 1)",
            new { Title = "Before\0after" });

        var report = await CopyAsync(source, target);

        Assert.That(report.MendedTexts, Is.EqualTo(mendedTexts));
        Assert.That(await target.QuerySingleAsync<string>("select title from chats"), Is.EqualTo(title));
    }

    [Test]
    public async Task RunAsync_NulInAKey_IsNamedWhereItCannotBeStored()
    {
        using var source = await TestDatabase.CreateAsync();
        using var target = await TestDatabase.CreateAsync(Engine.Postgres);
        await source.ExecuteAsync("insert into users (id, chat_count) values (@Id, 0)", new { Id = "an\0na" });

        Assert.That(() => CopyAsync(source, target),
            Throws.InstanceOf<CopyException>().With.Message.Contains("A row of users has the character U+0000 in its key, id 'an\uFFFDna'"));
    }

    private static Task<CopyReport> CopyAsync(TestDatabase from, TestDatabase to) =>
        new DatabaseCopy(from.Current, to.Current, TimeProvider.System, _ => { }).RunAsync(None);
}
