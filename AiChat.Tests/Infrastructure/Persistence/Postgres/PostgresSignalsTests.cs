using System.Collections.Concurrent;
using AiChat.Core.Nodes;
using AiChat.Infrastructure.Persistence;
using AiChat.Infrastructure.Persistence.Postgres;
using AiChat.Tests.Support;
using Dapper;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace AiChat.Tests.Infrastructure.Persistence.Postgres;

/// <summary>What processes that share a database hear of each other.</summary>
public sealed class PostgresSignalsTests
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(20);

    private PostgresCopy copy = null!;
    private CapturedLog log = null!;
    private LoggerFactory loggers = null!;
    private Process sender = null!;
    private Process receiver = null!;

    [SetUp]
    public async Task SetUp()
    {
        copy = await TestDatabase.CreatePostgresAsync();
        log = new CapturedLog();
        loggers = new LoggerFactory([log]);
        (sender, receiver) = (new Process(copy.Url, loggers), new Process(copy.Url, loggers));
        await sender.StartAsync();
        await receiver.StartAsync();
        await WaitForListenersAsync(2);
    }

    [TearDown]
    public async Task TearDown()
    {
        if (copy is null)
            return;
        await sender.DisposeAsync();
        await receiver.DisposeAsync();
        await copy.DisposeAsync();
        loggers.Dispose();
        log.Dispose();
        log.AssertNothingUnexpected();
    }

    [TestCase(NodeSignalKind.RunChanged)]
    [TestCase(NodeSignalKind.TurnCame)]
    [TestCase(NodeSignalKind.CancelRequested)]
    [TestCase(NodeSignalKind.ChatDeleted)]
    public async Task Send_ToTheOthers_IsHeardAsItWasSaid(NodeSignalKind kind)
    {
        sender.Signals.Send(new NodeSignal(kind, "run-1"));

        Assert.That(await receiver.HearAsync(1), Is.EqualTo(new[] { new NodeSignal(kind, "run-1") }));
    }

    [Test]
    public async Task Send_MoreThanFitsIntoOneNotification_IsHeardWhole()
    {
        var ids = Enumerable.Range(0, 1000).Select(_ => Guid.CreateVersion7().ToString()).ToList();

        foreach (var id in ids)
            sender.Signals.Send(new NodeSignal(NodeSignalKind.RunChanged, id));

        var heard = await receiver.HearAsync(1000);
        Assert.That(heard.Select(s => s.Id).Order(StringComparer.Ordinal), Is.EqualTo(ids.Order(StringComparer.Ordinal)));
    }

    [Test]
    public async Task Send_AnyProcess_HearsItselfOnceAndAtOnce()
    {
        sender.Signals.Send(new NodeSignal(NodeSignalKind.RunChanged, "run-1"));
        var heardAtOnce = sender.Heard;
        await receiver.HearAsync(1);
        receiver.Signals.Send(new NodeSignal(NodeSignalKind.RunChanged, "run-2"));

        // What it had said itself would have come before.
        await sender.HearAsync(2);
        Assert.That(heardAtOnce.Select(s => s.Id), Is.EqualTo(new[] { "run-1" }));
        Assert.That(sender.Heard.Select(s => s.Id), Is.EqualTo(new[] { "run-1", "run-2" }));
    }

    [Test]
    public async Task Send_NobodyElseIsThere_TellsTheDatabaseNothing()
    {
        sender.Node.HasOthers = false;
        sender.Signals.Send(new NodeSignal(NodeSignalKind.RunChanged, "run-1"));
        sender.Node.HasOthers = true;

        sender.Signals.Send(new NodeSignal(NodeSignalKind.RunChanged, "run-2"));

        Assert.That((await receiver.HearAsync(1)).Select(s => s.Id), Is.EqualTo(new[] { "run-2" }));
    }

    [Test]
    public async Task StopAsync_SignalsThatWait_AreStillSent()
    {
        for (var i = 0; i < 500; i++)
            sender.Signals.Send(new NodeSignal(NodeSignalKind.RunChanged, $"run-{i}"));

        await sender.Signals.StopAsync(CancellationToken.None);

        Assert.That(await receiver.HearAsync(500), Has.Count.EqualTo(500));
    }

    [Test]
    public async Task Listen_ConnectionBreaks_SaysThatSignalsMayBeLostAndHearsAgain()
    {
        log.Expect("cannot be heard");
        await using (var connection = await PostgresServer.ConnectAsync(copy.Url))
            await connection.ExecuteAsync("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query = 'listen aichat'");

        var heard = await receiver.HearAsync(1);
        sender.Signals.Send(new NodeSignal(NodeSignalKind.TurnCame, "run-1"));

        Assert.That(heard, Is.EqualTo(new[] { new NodeSignal(NodeSignalKind.Missed, "") }));
        Assert.That((await receiver.HearAsync(2))[1], Is.EqualTo(new NodeSignal(NodeSignalKind.TurnCame, "run-1")));
    }

    [Test]
    public async Task Listen_WordsOfAnotherProgram_AreIgnored()
    {
        await using (var connection = await PostgresServer.ConnectAsync(copy.Url))
        {
            foreach (var payload in new[] { "", "x", "somebody Shouts run-1", $"{Guid.NewGuid()} RunChanged" })
                await connection.ExecuteAsync("select pg_notify('aichat', @payload)", new { payload });
        }

        sender.Signals.Send(new NodeSignal(NodeSignalKind.TurnCame, "run-1"));

        Assert.That(await receiver.HearAsync(1), Is.EqualTo(new[] { new NodeSignal(NodeSignalKind.TurnCame, "run-1") }));
    }

    private async Task WaitForListenersAsync(int count)
    {
        await using var connection = await PostgresServer.ConnectAsync(copy.Url);
        using var patience = new CancellationTokenSource(LongestWait);
        while (await connection.ExecuteScalarAsync<int>(
            "select count(*) from pg_stat_activity where datname = current_database() and query = 'listen aichat' and state = 'idle'") < count)
            await Task.Delay(10, patience.Token);
    }

    /// <summary>A process as far as signals need one.</summary>
    private sealed class Process : IAsyncDisposable
    {
        private readonly PostgresDatabase database;
        private readonly ConcurrentQueue<NodeSignal> heard = new();

        public Process(string url, ILoggerFactory loggers)
        {
            database = new PostgresDatabase(Options.Create(new DatabaseOptions { Url = url }), NullLoggerFactory.Instance);
            Signals = new PostgresSignals(database, Node, loggers.CreateLogger<PostgresSignals>());
            Signals.Subscribe(heard.Enqueue);
        }

        public Node Node { get; } = new() { HasOthers = true };

        public PostgresSignals Signals { get; }

        public IReadOnlyList<NodeSignal> Heard => [.. heard];

        public Task StartAsync() => Signals.StartAsync(CancellationToken.None);

        /// <summary>Everything it has heard, as soon as that is so much.</summary>
        public async Task<IReadOnlyList<NodeSignal>> HearAsync(int count)
        {
            using var patience = new CancellationTokenSource(LongestWait);
            while (heard.Count < count)
                await Task.Delay(5, patience.Token);
            return Heard;
        }

        public async ValueTask DisposeAsync()
        {
            await Signals.StopAsync(CancellationToken.None);
            Signals.Dispose();
            await database.DisposeAsync();
        }
    }
}
