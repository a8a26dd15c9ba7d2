using System.Threading.Channels;
using AiChat.Core.Nodes;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace AiChat.Infrastructure.Persistence.Postgres;

/// <summary>
/// Signals by <c>LISTEN</c> and <c>NOTIFY</c> (https://www.postgresql.org/docs/15/sql-notify.html). They are sent behind the transactions they
/// tell of, on a connection of their own: a transaction with a notification in it would make all others that have one wait for its commit.
/// </summary>
public sealed partial class PostgresSignals(PostgresDatabase database, Node node, ILogger<PostgresSignals> logger) : BackgroundService, INodeSignals
{
    private const string Channel = "aichat";

    private const string NotifySql = "select pg_notify('aichat', @Payload)";

    /// <summary>Less than the 8,000 bytes a notification may have.</summary>
    private const int MostIds = 150;

    /// <summary>More than this is forgotten: the others find it by themselves.</summary>
    private const int MostWaiting = 10_000;

    /// <summary>How often the connection is tried while nobody says anything.</summary>
    private static readonly TimeSpan CheckInterval = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan ReconnectDelay = TimeSpan.FromMilliseconds(500);

    private readonly Channel<NodeSignal> outgoing = System.Threading.Channels.Channel.CreateBounded<NodeSignal>(
        new BoundedChannelOptions(MostWaiting) { FullMode = BoundedChannelFullMode.DropWrite, SingleReader = true });

    /// <summary>One listens and one tells; neither waits for the connections of requests.</summary>
    private readonly PostgresSource connections = database.CreateSource(maxConnections: 2);

    private Action<NodeSignal> handlers = _ => { };
    private Task sending = Task.CompletedTask;
    private bool isNotifyFailing;
    private bool isListenFailing;

    public void Send(NodeSignal signal)
    {
        handlers(signal);
        if (node.HasOthers)
            outgoing.Writer.TryWrite(signal);
    }

    public void Subscribe(Action<NodeSignal> handler) => handlers += handler;

    /// <summary>What was said until now is still told.</summary>
    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        outgoing.Writer.TryComplete();
        await sending.WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        try
        {
            await base.StopAsync(cancellationToken);
        }
        catch (AggregateException failure) when (failure.InnerExceptions.All(e => e is ObjectDisposedException))
        {
            // Our driver's: the connection that listens was lost in the moment it was told to end.
        }
    }

    public override void Dispose()
    {
        connections.Dispose();
        base.Dispose();
    }

    protected override Task ExecuteAsync(CancellationToken stoppingToken)
    {
        sending = SendAllAsync(stoppingToken);
        return Task.WhenAll(sending, ListenAsync(stoppingToken));
    }

    private async Task SendAllAsync(CancellationToken stoppingToken)
    {
        var waiting = new List<NodeSignal>();
        while (await WaitAsync(stoppingToken))
        {
            while (waiting.Count < MostWaiting && outgoing.Reader.TryRead(out var signal))
                waiting.Add(signal);
            foreach (var payload in waiting.Distinct().GroupBy(s => s.Kind).SelectMany(kind => kind.Select(s => s.Id).Chunk(MostIds), ToPayload))
                await NotifyAsync(payload, stoppingToken);
            waiting.Clear();
        }
    }

    private string ToPayload(IGrouping<NodeSignalKind, NodeSignal> kind, string[] ids) => $"{node.Id} {kind.Key} {string.Join(' ', ids)}";

    private async Task<bool> WaitAsync(CancellationToken stoppingToken)
    {
        try
        {
            return await outgoing.Reader.WaitToReadAsync(stoppingToken);
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    private async Task NotifyAsync(string payload, CancellationToken stoppingToken)
    {
        try
        {
            await using var connection = await connections.OpenConnectionAsync(stoppingToken);
            await using var command = new NpgsqlCommand(NotifySql, connection);
            command.Parameters.AddWithValue("Payload", payload);
            await command.ExecuteNonQueryAsync(stoppingToken);
            isNotifyFailing = false;
        }
        catch (Exception failure)
        {
            // The others look by themselves now and then.
            if (!isNotifyFailing && !stoppingToken.IsCancellationRequested)
                LogNotifyFailed(failure);
            isNotifyFailing = true;
        }
    }

    private async Task ListenAsync(CancellationToken stoppingToken)
    {
        for (var isFirst = true; !stoppingToken.IsCancellationRequested; isFirst = false)
        {
            try
            {
                await using var connection = await connections.OpenConnectionAsync(stoppingToken);
                var takesWrites = await TakesWritesAsync(connection, stoppingToken);
                connection.Notification += (_, notification) => Take(notification.Payload);
                await using (var command = new NpgsqlCommand($"listen {Channel}", connection))
                    await command.ExecuteNonQueryAsync(stoppingToken);
                isListenFailing = false;
                if (!isFirst)
                    handlers(new NodeSignal(NodeSignalKind.Missed, ""));
                await ReceiveAsync(connection, takesWrites, stoppingToken);
                connections.Clear();
            }
            catch (Exception failure)
            {
                if (!isListenFailing && !stoppingToken.IsCancellationRequested)
                    LogListenFailed(failure);
                isListenFailing = true;
                await Task.Delay(ReconnectDelay, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    /// <summary>Returns when the server takes no more writes: the others may be at another one by now.</summary>
    private static async Task ReceiveAsync(NpgsqlConnection connection, bool takesWrites, CancellationToken stoppingToken)
    {
        while (true)
        {
            if (await connection.WaitAsync(CheckInterval, stoppingToken))
                continue;
            var hasTakenWrites = takesWrites;
            takesWrites = await TakesWritesAsync(connection, stoppingToken);
            if (hasTakenWrites && !takesWrites)
                return;
        }
    }

    private static async Task<bool> TakesWritesAsync(NpgsqlConnection connection, CancellationToken stoppingToken)
    {
        await using var check = new NpgsqlCommand(PostgresDatabase.IsWritableSql, connection);
        return (bool)(await check.ExecuteScalarAsync(stoppingToken))!;
    }

    private void Take(string payload)
    {
        var parts = payload.Split(' ');
        if (parts.Length < 3 || parts[0] == node.Id || !Enum.TryParse<NodeSignalKind>(parts[1], out var kind))
            return;
        foreach (var id in parts.Skip(2))
            handlers(new NodeSignal(kind, id));
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Other processes could not be told what has changed; they find it a little later")]
    private partial void LogNotifyFailed(Exception failure);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Signals of other processes cannot be heard; what they say is found a little later")]
    private partial void LogListenFailed(Exception failure);
}
