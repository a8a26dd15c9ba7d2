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
        _ => false,
    };

    /// <summary>The transaction lost against another one; run again it may win.</summary>
    public static bool IsConflict(Exception failure) =>
        failure is PostgresException { SqlState: PostgresErrorCodes.SerializationFailure or PostgresErrorCodes.DeadlockDetected };

    /// <summary>The connection is gone, or could not be made; another one may do.</summary>
    public static bool IsConnectionLost(Exception failure) => failure switch
    {
        PostgresException { SqlState: [_, _, ..] state } => state[..2] is "08" || state is
            PostgresErrorCodes.AdminShutdown or PostgresErrorCodes.CrashShutdown or PostgresErrorCodes.CannotConnectNow
            or PostgresErrorCodes.TooManyConnections or IdleInTransactionTimeout,
        NpgsqlException { InnerException: TimeoutException } => false,
        NpgsqlException => true,
        _ => false,
    };
}
