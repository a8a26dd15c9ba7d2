using System.Data.Common;

namespace AiChat.Infrastructure.Persistence;

/// <summary>A statement with its parameters, the properties of an object.</summary>
public readonly record struct BoundStatement(string Sql, object Parameters);

/// <summary>How a transaction ends: with statements that go to the database together with the commit, and what comes of it.</summary>
public sealed class Ending<T>
{
    internal Ending(IReadOnlyList<BoundStatement> statements, T result, Func<DbDataReader, Task<T>>? read) =>
        (Statements, Result, Read) = (statements, result, read);

    /// <summary>In their order.</summary>
    public IReadOnlyList<BoundStatement> Statements { get; }

    /// <summary>What comes of it, where that does not depend on the statements.</summary>
    public T Result { get; }

    /// <summary>Reads what comes of it from the rows of the last statement; null where <see cref="Result"/> is it.</summary>
    public Func<DbDataReader, Task<T>>? Read { get; }
}

public static class Ending
{
    /// <summary>With a result that is known before.</summary>
    public static Ending<T> With<T>(T result, params IReadOnlyList<BoundStatement> statements) => new(statements, result, read: null);

    /// <summary>With what the rows of the last statement say.</summary>
    public static Ending<T> Reading<T>(Func<DbDataReader, Task<T>> read, params IReadOnlyList<BoundStatement> statements) => new(statements, default!, read);
}
