using System.Threading.Channels;
using AiChat.Core.Budgets;
using AiChat.Core.Errors;
using AiChat.Core.Runs;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Moq;

namespace AiChat.Tests.Core.Runs;

public sealed class RunCleanerTests : RunTestBase
{
    private static readonly TimeSpan Interval = TimeSpan.FromMinutes(10);

    private LoggerFactory loggers = null!;
    private RunCleaner cleaner = null!;
    private Channel<(string What, DateTimeOffset Before, int Limit)> calls = null!;
    private Queue<int> logs = null!;
    private Queue<int> keys = null!;
    private Queue<int> windows = null!;

    [SetUp]
    public void SetUp()
    {
        Settings.Retention = TimeSpan.FromDays(7);
        Settings.IdempotencyRetention = TimeSpan.FromHours(24);
        calls = Channel.CreateUnbounded<(string, DateTimeOffset, int)>();
        (logs, keys, windows) = (new Queue<int>(), new Queue<int>(), new Queue<int>());
        var budgets = new Mock<IBudgetRepository>(MockBehavior.Strict);
        budgets.Setup(b => b.DeleteExpiredAsync(It.IsAny<DateTimeOffset>(), It.IsAny<int>(), It.IsAny<CancellationToken>()))
            .ReturnsAsync((DateTimeOffset now, int limit, CancellationToken _) => Delete("windows", now, limit, windows));
        Runs.Setup(r => r.DeleteLogsAsync(It.IsAny<DateTimeOffset>(), It.IsAny<int>(), It.IsAny<CancellationToken>()))
            .ReturnsAsync((DateTimeOffset before, int limit, CancellationToken _) => Delete("logs", before, limit, logs));
        Keys.Setup(k => k.DeleteExpiredAsync(It.IsAny<DateTimeOffset>(), It.IsAny<int>(), It.IsAny<CancellationToken>()))
            .ReturnsAsync((DateTimeOffset before, int limit, CancellationToken _) => Delete("keys", before, limit, keys));
        Runs.Setup(r => r.EndOrphanedAsync(It.IsAny<DateTimeOffset>(), It.IsAny<DateTimeOffset>(), It.IsAny<CancellationToken>()))
            .Returns((DateTimeOffset before, DateTimeOffset _, CancellationToken _) => Task.FromResult(Delete("accounts", before, 0, new Queue<int>())));
        loggers = new LoggerFactory([Log]);
        cleaner = new RunCleaner(Runs.Object, Keys.Object, budgets.Object, Options.Create(Settings), Time, loggers.CreateLogger<RunCleaner>());
    }

    [TearDown]
    public async Task TearDown()
    {
        await InTime(cleaner.StopAsync(None));
        cleaner.Dispose();
        loggers.Dispose();
    }

    [Test]
    public async Task ExecuteAsync_Interval_RemovesLogsKeysAndBudgetsOfTheirAge()
    {
        await cleaner.StartAsync(None);

        var logs = await NextCallAsync();
        var keys = await NextCallAsync();
        var windows = await NextCallAsync();

        Assert.That((logs.What, keys.What, windows.What), Is.EqualTo(("logs", "keys", "windows")));
        Assert.That(logs.Before, Is.LessThanOrEqualTo(Time.GetUtcNow() - Settings.Retention));
        Assert.That(windows.Before - logs.Before, Is.EqualTo(Settings.Retention));
        Assert.That(keys.Before - logs.Before, Is.EqualTo(Settings.Retention - Settings.IdempotencyRetention));
    }

    /// <summary>Those of deleted chats whose process died before it could. A living one has noted by then that the chat is gone.</summary>
    [Test]
    public async Task ExecuteAsync_Interval_EndsTheAccountsThatNobodyElseWill()
    {
        await cleaner.StartAsync(None);

        var made = new List<(string What, DateTimeOffset Before, int Limit)>();
        while (made.Count < 4)
            made.Add(await NextCallAsync());

        Assert.That(made[3].What, Is.EqualTo("accounts"));
        Assert.That(made[2].Before - made[3].Before, Is.EqualTo(Settings.MaxDuration + TimeSpan.FromMinutes(1)));
    }

    [Test]
    public async Task ExecuteAsync_Batch_IsSmall()
    {
        await cleaner.StartAsync(None);

        Assert.That((await NextCallAsync()).Limit, Is.EqualTo(500));
    }

    [Test]
    public async Task ExecuteAsync_MuchToRemove_GoesOnUntilNothingIsLeft()
    {
        logs = new Queue<int>([500, 7]);
        keys = new Queue<int>([500, 500, 3]);
        windows = new Queue<int>([500]);
        await cleaner.StartAsync(None);

        var made = new List<string>();
        while (made.Count < 9)
            made.Add((await NextCallAsync()).What);

        Assert.That(made, Is.EqualTo(new[] { "logs", "logs", "logs", "keys", "keys", "keys", "keys", "windows", "windows" }));
    }

    [Test]
    public async Task ExecuteAsync_DatabaseFails_IsTriedAgainAtTheNextInterval()
    {
        Log.Expect("Old logs, keys and budgets could not be removed, or accounts of deleted chats not be ended; it is tried again later");
        var isFailing = true;
        Runs.Setup(r => r.DeleteLogsAsync(It.IsAny<DateTimeOffset>(), It.IsAny<int>(), It.IsAny<CancellationToken>()))
            .Returns((DateTimeOffset before, int limit, CancellationToken _) =>
            {
                if (!isFailing)
                    return Task.FromResult(Delete("logs", before, limit, logs));
                isFailing = false;
                return Task.FromException<int>(UnavailableException.ForDatabase(new IOException()));
            });

        await cleaner.StartAsync(None);

        Assert.That((await NextCallAsync()).What, Is.EqualTo("logs"));
    }

    [Test]
    public async Task StopAsync_Server_EndsQuietly()
    {
        await cleaner.StartAsync(None);

        await InTime(cleaner.StopAsync(None));

        Assert.That(Log.Entries, Is.Empty);
    }

    private int Delete(string what, DateTimeOffset before, int limit, Queue<int> removed)
    {
        calls.Writer.TryWrite((what, before, limit));
        return removed.TryDequeue(out var count) ? count : 0;
    }

    private async Task<(string What, DateTimeOffset Before, int Limit)> NextCallAsync()
    {
        var call = calls.Reader.ReadAsync().AsTask();
        await RunClockUntilAsync(call, Interval);
        return await call;
    }
}
