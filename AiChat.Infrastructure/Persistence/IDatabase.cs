using System.Data.Common;

namespace AiChat.Infrastructure.Persistence;

/// <summary>The database behind the repositories: a file of SQLite, or PostgreSQL.</summary>
public interface IDatabase : IDisposable
{
    /// <summary>What is said differently to this engine.</summary>
    ISqlDialect Dialect { get; }

    /// <summary>Where it is, for operators; without a password.</summary>
    string Location { get; }

    /// <summary>The engine and its version, such as <c>SQLite 3.35.5</c>.</summary>
    Task<string> GetVersionAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Runs statements that change nothing. The work may be run again when the connection is lost, so it must have no effect outside.
    /// </summary>
    /// <exception cref="Core.Errors.UnavailableException">The database cannot be read.</exception>
    Task<T> ReadAsync<T>(Func<DbConnection, Task<T>> work, CancellationToken cancellationToken);

    /// <summary>
    /// Runs the statements of one transaction and returns when they are on the disk. The work may be run again after a rollback, so it must
    /// have no effect outside.
    /// </summary>
    /// <exception cref="Core.Errors.UnavailableException">The database fails.</exception>
    Task<T> WriteAsync<T>(Func<DbConnection, Task<T>> work);

    /// <summary>The same for what must not wait until others are done with their connections.</summary>
    /// <inheritdoc cref="WriteAsync"/>
    Task<T> WriteAtOnceAsync<T>(Func<DbConnection, Task<T>> work);

    /// <summary>The same for a transaction whose last statements are known before any of them is run: one way to the database less for each.</summary>
    /// <inheritdoc cref="WriteAsync"/>
    Task<T> WriteEndingAsync<T>(Func<DbConnection, Task<Ending<T>>> work);

    /// <summary>A sentence for the operator: what is wrong when the database cannot be used, and what to do.</summary>
    string DescribeFailure(Exception failure);

    /// <summary>Whether transactions reach the disk.</summary>
    /// <exception cref="Core.Errors.UnavailableException">That cannot even be asked.</exception>
    Task<bool> IsWritableAsync(CancellationToken cancellationToken);

    /// <summary>What to think of when they do not, for everybody who may ask about the server's health.</summary>
    string WhyNotWritable { get; }
}
