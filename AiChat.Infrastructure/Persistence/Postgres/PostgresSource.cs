using Npgsql;

namespace AiChat.Infrastructure.Persistence.Postgres;

/// <summary>
/// Connections to the server of a URL. Where the URL names several hosts, that is the first one that is what it asks for with
/// <c>target_session_attrs</c>: one that takes writes, unless it says otherwise. It is used until that turns out to be wrong: our driver would
/// try a host that is away again every few seconds, or for each connection, and requests would wait for it.
/// </summary>
internal sealed class PostgresSource : IAsyncDisposable, IDisposable
{
    private const string TakesWrites = "read-write";

    private readonly NpgsqlDataSourceBuilder builder;
    private readonly string target;

    /// <summary>Finds the host to use; null where there is but one.</summary>
    private readonly NpgsqlMultiHostDataSource? hosts;

    private readonly Dictionary<(string Host, int Port), NpgsqlDataSource> sources = [];
    private readonly CancellationTokenSource closing = new();
    private readonly Lock gate = new();
    private Task<NpgsqlDataSource>? search;

    /// <summary>The host that is used; null while it has to be found.</summary>
    private NpgsqlDataSource? current;

    /// <param name="builder">Belongs to the source from now on.</param>
    /// <exception cref="Exception">The driver does not take the settings beside each other.</exception>
    public PostgresSource(NpgsqlDataSourceBuilder builder)
    {
        this.builder = builder;
        var settings = builder.ConnectionStringBuilder;
        target = settings.TargetSessionAttributes ?? TakesWrites;
        // The driver refuses it with one host, where there is nothing to choose from, and wants to hear it later with several.
        settings.TargetSessionAttributes = null;
        if (settings.Host!.Contains(','))
        {
            Location = $"{string.Join(',', settings.Host.Split(',').Select(h => HasPort(h) ? h : $"{h}:{settings.Port}"))}/{settings.Database}";
            settings.Pooling = false;
            hosts = builder.BuildMultiHost();
            settings.Pooling = true;
        }
        else
        {
            Location = $"{settings.Host}:{settings.Port}/{settings.Database}";
            current = GetSource(settings.Host, settings.Port);
        }
    }

    /// <inheritdoc cref="IDatabase.Location"/>
    public string Location { get; }

    /// <summary>An open connection, which belongs to the caller.</summary>
    /// <exception cref="NoHostException">All hosts that answer are others than the URL asks for.</exception>
    public async ValueTask<NpgsqlConnection> OpenConnectionAsync(CancellationToken cancellationToken)
    {
        var source = Volatile.Read(ref current) ?? await FindAsync().WaitAsync(cancellationToken);
        try
        {
            return await source.OpenConnectionAsync(cancellationToken);
        }
        catch (Exception failure) when (
            PostgresErrors.IsNoConnection(failure) && failure is not PostgresException { SqlState: PostgresErrorCodes.TooManyConnections })
        {
            Forget(source);
            throw;
        }
    }

    /// <summary>Connections from now on are new ones, to the host that is what the URL asks for by then.</summary>
    public void Clear()
    {
        if (Volatile.Read(ref current) is { } source)
        {
            source.Clear();
            Forget(source);
        }
    }

    public void Dispose()
    {
        closing.Cancel();
        hosts?.Dispose();
        lock (gate)
        {
            foreach (var source in sources.Values)
                source.Dispose();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await closing.CancelAsync();
        if (search is not null)
            await ((Task)search).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Dispose();
    }

    /// <summary>Does nothing where another host is used since, or there is no other.</summary>
    private void Forget(NpgsqlDataSource source)
    {
        if (hosts is not null)
            Interlocked.CompareExchange(ref current, null, source);
    }

    /// <summary>One looks for all who come meanwhile.</summary>
    private Task<NpgsqlDataSource> FindAsync()
    {
        lock (gate)
        {
            if (current is not null)
                return Task.FromResult(current);
            return search is { IsCompleted: false } ? search : search = SearchAsync();
        }
    }

    private async Task<NpgsqlDataSource> SearchAsync()
    {
        hosts!.ClearDatabaseStates();
        var wanted = Enum.Parse<TargetSessionAttributes>(target.Replace("-", "", StringComparison.Ordinal), ignoreCase: true);
        try
        {
            await using var connection = await hosts.OpenConnectionAsync(wanted, closing.Token);
            lock (gate)
                return current = GetSource(connection.Host!.Trim('[', ']'), connection.Port);
        }
        catch (NpgsqlException failure) when (failure is not PostgresException && failure.InnerException is null)
        {
            throw new NoHostException(target == TakesWrites
                ? "none of the hosts that answer takes writes"
                : $"none of the hosts that answer is {target}, which target_session_attrs asks for");
        }
    }

    private NpgsqlDataSource GetSource(string host, int port)
    {
        ObjectDisposedException.ThrowIf(closing.IsCancellationRequested, this);
        if (!sources.TryGetValue((host, port), out var source))
        {
            (builder.ConnectionStringBuilder.Host, builder.ConnectionStringBuilder.Port) = (host, port);
            sources[(host, port)] = source = builder.Build();
        }

        return source;
    }

    /// <summary>The colons of an IPv6 address are inside its brackets.</summary>
    private static bool HasPort(string host) => host.LastIndexOf(':') > host.LastIndexOf(']');
}
