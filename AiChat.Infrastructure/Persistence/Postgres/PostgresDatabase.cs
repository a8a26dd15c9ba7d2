using System.Data.Common;
using AiChat.Core.Errors;
using Dapper;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Npgsql;

namespace AiChat.Infrastructure.Persistence.Postgres;

/// <summary>A PostgreSQL server, used by this process and perhaps by others.</summary>
public sealed class PostgresDatabase : IDatabase, IAsyncDisposable
{
    /// <summary>How long is waited before each further try of work that lost its connection, or against other work.</summary>
    private static readonly TimeSpan[] RetryDelays =
        [TimeSpan.FromMilliseconds(20), TimeSpan.FromMilliseconds(100), TimeSpan.FromMilliseconds(300), TimeSpan.FromMilliseconds(600)];

    internal const string IsWritableSql = "select not pg_is_in_recovery() and current_setting('transaction_read_only') = 'off'";

    private static readonly BoundStatement Commit = new("commit", new { });

    private readonly PostgresConnections connections;

    public PostgresDatabase(IOptions<DatabaseOptions> options, ILoggerFactory loggers)
    {
        InstantHandler.Register();
        connections = new PostgresConnections(options.Value, loggers);
    }

    public ISqlDialect Dialect => PostgresDialect.Instance;

    public string Location => connections.Location;

    public string WhyNotWritable => "the database takes no writes; its server is a standby, or was told to be read-only";

    /// <summary>Connections beside those of <see cref="ReadAsync"/> and <see cref="WriteAsync"/>.</summary>
    internal PostgresSource Source => connections.Source;

    public Task<string> GetVersionAsync(CancellationToken cancellationToken) => ReadAsync(
        connection => Task.FromResult("PostgreSQL " + ((NpgsqlConnection)connection).PostgreSqlVersion), cancellationToken);

    /// <summary>What the server itself says is for the operator's eyes: it names users and databases.</summary>
    public string DescribeFailure(Exception failure) =>
        $"the PostgreSQL database {Location} cannot be used: {PostgresErrors.Describe(failure)} Check {DatabaseOptions.UrlVariable}, and that the server runs and takes connections from here.";

    public async Task<T> ReadAsync<T>(Func<DbConnection, Task<T>> work, CancellationToken cancellationToken)
    {
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                return await connections.UseAsync(work, cancellationToken);
            }
            catch (Exception failure) when (MayRetry(failure, attempt))
            {
                await Task.Delay(RetryDelays[attempt], cancellationToken);
            }
            catch (Exception failure) when (PostgresErrors.IsUnavailable(failure))
            {
                throw UnavailableException.ForDatabase(failure);
            }
        }
    }

    public Task<T> WriteAsync<T>(Func<DbConnection, Task<T>> work) => WriteEndingAsync(async connection => Ending.With<T>(await work(connection)));

    public Task<T> WriteAtOnceAsync<T>(Func<DbConnection, Task<T>> work) =>
        TransactAsync(async connection => Ending.With<T>(await work(connection)), connections.UseAtOnceAsync);

    public Task<T> WriteEndingAsync<T>(Func<DbConnection, Task<Ending<T>>> work) => TransactAsync(work, connections.UseAsync);

    private async Task<T> TransactAsync<T>(
        Func<DbConnection, Task<Ending<T>>> work, Func<Func<NpgsqlConnection, Task<T>>, CancellationToken, Task<T>> useAsync)
    {
        for (var attempt = 0; ; attempt++)
        {
            var isCommitting = false;
            try
            {
                return await useAsync(async connection =>
                {
                    // Goes to the server with the first statement.
                    await using var transaction = await connection.BeginTransactionAsync();
                    var ending = await work(connection);
                    isCommitting = true;
                    return await EndAsync(connection, ending);
                }, CancellationToken.None);
            }
            catch (Exception failure) when (isCommitting && !PostgresErrors.IsRolledBack(failure) && PostgresErrors.IsUnavailable(failure))
            {
                // It may be stored or not: running it again would have to find that out.
                throw UnavailableException.ForUnknownCommit(failure);
            }
            catch (Exception failure) when (MayRetry(failure, attempt))
            {
                await Task.Delay(RetryDelays[attempt]);
            }
            catch (PostgresException failure) when (failure.SqlState == PostgresErrorCodes.ReadOnlySqlTransaction)
            {
                // The server may have become a standby: connections made from now on find the one that leads.
                connections.Source.Clear();
                throw UnavailableException.ForDatabase(failure);
            }
            catch (Exception failure) when (PostgresErrors.IsUnavailable(failure))
            {
                throw UnavailableException.ForDatabase(failure);
            }
        }
    }

    /// <summary>The last statements and the commit in one go. Where a statement fails, the commit behind it is left out by the server.</summary>
    private static async Task<T> EndAsync<T>(NpgsqlConnection connection, Ending<T> ending)
    {
        await using var batch = PostgresDialect.ToBatch(connection, [.. ending.Statements, Commit]);
        await using var reader = await batch.ExecuteReaderAsync();
        var result = ending.Result;
        if (ending.Read is not null)
        {
            // Statements without rows are passed over; locks have some.
            foreach (var _ in ending.Statements.SkipLast(1).Where(s => s.Sql.StartsWith("select", StringComparison.Ordinal)))
                await reader.NextResultAsync();
            result = await ending.Read(reader);
        }

        // To the end: only there is known that nothing has failed.
        while (await reader.NextResultAsync())
        {
        }

        return result;
    }

    public Task<bool> IsWritableAsync(CancellationToken cancellationToken) => ReadAsync(
        connection => connection.ExecuteScalarAsync<bool>(Statement.Of(IsWritableSql, cancellationToken: cancellationToken)), cancellationToken);

    /// <inheritdoc cref="PostgresConnections.CreateSource"/>
    internal PostgresSource CreateSource(int maxConnections) => connections.CreateSource(maxConnections);

    public void Dispose() => connections.Dispose();

    public ValueTask DisposeAsync() => connections.DisposeAsync();

    private static bool MayRetry(Exception failure, int attempt) =>
        attempt < RetryDelays.Length && (PostgresErrors.IsConflict(failure) || PostgresErrors.IsConnectionLost(failure));
}
