using System.Diagnostics;
using AiChat.Core.Errors;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace AiChat.Infrastructure.Persistence.Postgres;

/// <summary>
/// The connections to a PostgreSQL server, of which so many are in use at a time; whoever comes then waits for his turn. While the server
/// cannot be reached, one looks for it and the others wait for him, and after the first moment nobody waits any more: an outage costs no
/// request a time-out, and a server that comes back is not overrun.
/// </summary>
internal sealed partial class PostgresConnections : IAsyncDisposable, IDisposable
{
    /// <summary>How long an outage is waited out: a server that restarts, or hands over to another one, is back by then.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan LookInterval = TimeSpan.FromMilliseconds(100);

    /// <summary>Between two tries on a server that takes no further connection; one of ours may be free by then.</summary>
    private static readonly TimeSpan FullDelay = TimeSpan.FromMilliseconds(50);

    private static readonly TimeSpan FullLogInterval = TimeSpan.FromMinutes(1);

    /// <summary>One to look for a server that was away, and one to say that this process lives.</summary>
    private const int UncountedConnections = 2;

    private readonly DatabaseOptions options;
    private readonly ILogger logger;
    private readonly ILoggerFactory loggers;
    private readonly SemaphoreSlim slots;
    private readonly CancellationTokenSource closing = new();
    private readonly Lock gate = new();
    private Outage? outage;
    private bool hasBeenReached;
    private long fullLoggedAt;

    public PostgresConnections(DatabaseOptions options, ILoggerFactory loggers)
    {
        this.options = options;
        logger = loggers.CreateLogger<PostgresDatabase>();
        slots = new SemaphoreSlim(options.MaxConnections);
        this.loggers = loggers;
        Source = CreateSource(options.MaxConnections + UncountedConnections);
    }

    /// <inheritdoc cref="IDatabase.Location"/>
    public string Location => Source.Location;

    /// <summary>Connections beside those that are counted.</summary>
    public PostgresSource Source { get; }

    /// <summary>Further connections to the same database, which belong to the caller.</summary>
    public PostgresSource CreateSource(int maxConnections)
    {
        var builder = new NpgsqlDataSourceBuilder(PostgresUrl.Parse(options)) { ConnectionStringBuilder = { MaxPoolSize = maxConnections } };
        builder.UseLoggerFactory(loggers);
        // All types are built in: the first connection need not read the server's catalogue.
        builder.ConfigureTypeLoading(types => types.EnableTypeLoading(false));
        return new PostgresSource(builder);
    }

    /// <summary>Does something with a connection beside those that are counted: it does not wait for its turn.</summary>
    /// <exception cref="UnavailableException">There is none to be had.</exception>
    public async Task<T> UseAtOnceAsync<T>(Func<NpgsqlConnection, Task<T>> work, CancellationToken cancellationToken)
    {
        await using var connection = await OpenAsync(cancellationToken);
        return await work(connection);
    }

    /// <summary>Does something with a connection.</summary>
    /// <exception cref="UnavailableException">There is none to be had.</exception>
    public async Task<T> UseAsync<T>(Func<NpgsqlConnection, Task<T>> work, CancellationToken cancellationToken)
    {
        if (!await slots.WaitAsync(options.CommandTimeout, cancellationToken))
        {
            throw UnavailableException.ForDatabase(new TimeoutException(
                $"All {options.MaxConnections} connections (Database:MaxConnections) were in use for {options.CommandTimeout}."));
        }

        try
        {
            return await UseAtOnceAsync(work, cancellationToken);
        }
        finally
        {
            slots.Release();
        }
    }

    public void Dispose()
    {
        closing.Cancel();
        Source.Dispose();
    }

    public async ValueTask DisposeAsync()
    {
        await closing.CancelAsync();
        if (Volatile.Read(ref outage) is { } current)
            await current.Looking.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await Source.DisposeAsync();
    }

    private async Task<NpgsqlConnection> OpenAsync(CancellationToken cancellationToken)
    {
        var begin = Stopwatch.GetTimestamp();
        for (var hasFailed = false; ;)
        {
            if (Volatile.Read(ref outage) is { } current)
                await current.WaitAsync(cancellationToken);
            try
            {
                var connection = await Source.OpenConnectionAsync(cancellationToken);
                hasBeenReached = true;
                return connection;
            }
            catch (PostgresException full) when (
                full.SqlState == PostgresErrorCodes.TooManyConnections && Stopwatch.GetElapsedTime(begin) < options.ConnectTimeout)
            {
                NoteFull(full);
                await Task.Delay(FullDelay, cancellationToken);
            }
            catch (PostgresException full) when (full.SqlState == PostgresErrorCodes.TooManyConnections)
            {
                throw UnavailableException.ForDatabase(full);
            }
            catch (Exception failure) when (PostgresErrors.IsNoConnection(failure))
            {
                Begin(failure);
                if (hasFailed)
                    throw UnavailableException.ForDatabase(failure);
                hasFailed = true;
            }
        }
    }

    private void NoteFull(PostgresException full)
    {
        lock (gate)
        {
            if (fullLoggedAt != 0 && Stopwatch.GetElapsedTime(fullLoggedAt) < FullLogInterval)
                return;
            fullLoggedAt = Stopwatch.GetTimestamp();
        }

        LogFull(Location, full.MessageText);
    }

    private void Begin(Exception failure)
    {
        lock (gate)
        {
            if (outage is not null || closing.IsCancellationRequested)
                return;
            outage = new Outage(failure, !PostgresErrors.MayPass(failure) ? TimeSpan.Zero : hasBeenReached ? Patience : options.ConnectTimeout);
            outage.Looking = LookAsync(outage);
        }

        LogAway(Location, PostgresErrors.Describe(failure));
    }

    /// <summary>Looks for the server until it is there.</summary>
    private async Task LookAsync(Outage current)
    {
        while (true)
        {
            await Task.Delay(LookInterval, closing.Token);
            try
            {
                await using (await Source.OpenConnectionAsync(closing.Token))
                {
                    // Whoever waits opens one of his own.
                }

                break;
            }
            catch (Exception failure) when (!closing.IsCancellationRequested)
            {
                // Whatever it is: who gave up would leave everybody waiting for ever.
                current.Cause = failure;
            }
        }

        hasBeenReached = true;
        Volatile.Write(ref outage, null);
        LogBack(Location, current.Elapsed);
        current.End();
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "The database {Location} cannot be reached; it is looked for until it can: {Reason}")]
    private partial void LogAway(string location, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "The database {Location} can be reached again, after {Duration}")]
    private partial void LogBack(string location, TimeSpan duration);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The server of the database {Location} takes no further connections; lower Database:MaxConnections, or let it take more: {Reason}")]
    private partial void LogFull(string location, string reason);

    /// <summary>From the first connection that could not be made to the next one that could.</summary>
    private sealed class Outage(Exception cause, TimeSpan patience)
    {
        private readonly long begin = Stopwatch.GetTimestamp();
        private readonly TaskCompletionSource end = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>Why the newest connection could not be made.</summary>
        public Exception Cause { get; set; } = cause;

        public Task Looking { get; set; } = Task.CompletedTask;

        public TimeSpan Elapsed => Stopwatch.GetElapsedTime(begin);

        public void End() => end.TrySetResult();

        /// <summary>Returns when it is over.</summary>
        /// <exception cref="UnavailableException">It takes too long.</exception>
        public async Task WaitAsync(CancellationToken cancellationToken)
        {
            var left = patience - Elapsed;
            if (left <= TimeSpan.Zero)
                throw UnavailableException.ForDatabase(Cause);
            try
            {
                await end.Task.WaitAsync(left, cancellationToken);
            }
            catch (TimeoutException)
            {
                throw UnavailableException.ForDatabase(Cause);
            }
        }
    }
}
