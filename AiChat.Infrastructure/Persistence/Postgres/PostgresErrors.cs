using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using Npgsql;

namespace AiChat.Infrastructure.Persistence.Postgres;

/// <summary>What PostgreSQL's errors mean for us (https://www.postgresql.org/docs/15/errcodes-appendix.html).</summary>
internal static class PostgresErrors
{
    private const string IdleInTransactionTimeout = "25P03";

    /// <summary>True for trouble of the server, its disk or the way to it; false for a defect of a statement.</summary>
    public static bool IsUnavailable(Exception failure) => failure switch
    {
        // Class 08 connection, 53 resources, 57 operator intervention, 58 system; a standby; a lock that was not to be had.
        PostgresException { SqlState: [_, _, ..] state } =>
            state[..2] is "08" or "53" or "57" or "58" || state is PostgresErrorCodes.ReadOnlySqlTransaction or PostgresErrorCodes.LockNotAvailable
                or IdleInTransactionTimeout || IsConflict(failure),
        NpgsqlException or TimeoutException => true,
        _ => IsClosedByThePool(failure),
    };

    /// <summary>The transaction lost against another one; run again it may win.</summary>
    public static bool IsConflict(Exception failure) =>
        failure is PostgresException { SqlState: PostgresErrorCodes.SerializationFailure or PostgresErrorCodes.DeadlockDetected };

    /// <summary>
    /// Nothing of the transaction is stored, also when this is the answer to its commit: the server says that it has failed, or had ended it
    /// before, because nothing came for too long.
    /// </summary>
    public static bool IsRolledBack(Exception failure) =>
        failure is PostgresException { InvariantSeverity: "ERROR" } or PostgresException { SqlState: IdleInTransactionTimeout };

    /// <summary>The connection is gone; another one may do.</summary>
    public static bool IsConnectionLost(Exception failure) => failure switch
    {
        PostgresException { SqlState: [_, _, ..] state } => state[..2] is "08" || state is
            PostgresErrorCodes.AdminShutdown or PostgresErrorCodes.CrashShutdown or IdleInTransactionTimeout,
        NpgsqlException { InnerException: TimeoutException } => false,
        NpgsqlException => true,
        _ => IsClosedByThePool(failure),
    };

    /// <summary>
    /// When one connection breaks, the pool closes all that are idle, also one that is handed out in this moment. The driver does not say so,
    /// but trips over what it has disposed of.
    /// </summary>
    private static bool IsClosedByThePool(Exception failure) =>
        failure is ObjectDisposedException disposed && disposed.ObjectName == typeof(ManualResetEventSlim).FullName;

    /// <summary>While a connection is being made: it cannot be. Whatever the reason, no statement is to blame.</summary>
    public static bool IsNoConnection(Exception failure) =>
        failure is NpgsqlException or SocketException or IOException or TimeoutException or AuthenticationException or CryptographicException;

    /// <summary>Whether the reason for having no connection may go away by itself; a wrong password does not.</summary>
    public static bool MayPass(Exception failure) => failure switch
    {
        PostgresException { SqlState: [_, _, ..] state } => state[..2] is "08" or "53" or "57" or "58",
        SocketException or TimeoutException or EndOfStreamException or NoHostException => true,
        IOException { InnerException: SocketException } => true,
        AggregateException hosts => hosts.InnerExceptions.Any(MayPass),
        { InnerException: { } inner } => MayPass(inner),
        _ => false,
    };

    /// <summary>What is wrong, in the words of those who noticed. They name users and databases, but neither passwords nor contents.</summary>
    public static string Describe(Exception failure)
    {
        if (failure is PostgresException refused)
            return refused.MessageText + ".";
        if (failure.InnerException is AggregateException hosts)
            return $"none of its hosts can be used: {string.Join(' ', hosts.InnerExceptions.Select(Describe).Distinct())}";
        var words = failure.Message.TrimEnd('.');
        return failure.InnerException is null ? words + "." : $"{words}: {Describe(failure.InnerException)}";
    }
}
