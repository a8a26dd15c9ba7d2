using System.Data.Common;
using System.Linq.Expressions;
using System.Reflection;
using Npgsql;
using NpgsqlTypes;

namespace AiChat.Infrastructure.Persistence.Postgres;

internal sealed class PostgresDialect : ISqlDialect
{
    public static PostgresDialect Instance { get; } = new();

    public string Name => "postgres";

    public bool IsShared => true;

    public string Now => "(extract(epoch from clock_timestamp()) * 1000)::bigint";

    public string BeginSnapshot => "begin isolation level repeatable read read only";

    public string ForUpdate => "for update";

    public string ForShare => "for share";

    public string LockChat => "select from chats where id = @ChatId for no key update;";

    /// <summary>All of them in one go over the network.</summary>
    public async Task<IReadOnlyList<TResult>> QueryManyAsync<T, TResult>(
        DbConnection connection, string sql, IReadOnlyList<T> rows, Func<T, DbDataReader, CancellationToken, Task<TResult>> read,
        CancellationToken cancellationToken)
        where T : class
    {
        if (rows.Count == 0)
            return [];
        await using var batch = ToBatch(connection, sql, rows);
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        var results = new List<TResult>(rows.Count);
        foreach (var row in rows)
        {
            results.Add(await read(row, reader, cancellationToken));
            await reader.NextResultAsync(cancellationToken);
        }

        return results;
    }

    /// <summary>All of them in one go over the network.</summary>
    public async Task ExecuteManyAsync<T>(DbConnection connection, string sql, IReadOnlyList<T> rows)
        where T : class
    {
        if (rows.Count == 0)
            return;
        await using var batch = ToBatch(connection, sql, rows);
        await batch.ExecuteNonQueryAsync();
    }

    private static NpgsqlBatch ToBatch<T>(DbConnection connection, string sql, IReadOnlyList<T> rows)
    {
        var batch = new NpgsqlBatch((NpgsqlConnection)connection);
        foreach (var row in rows)
        {
            var command = new NpgsqlBatchCommand(sql);
            foreach (var property in Properties<T>.All)
                command.Parameters.Add(property.ToParameter(row));
            batch.BatchCommands.Add(command);
        }

        return batch;
    }

    /// <summary>How the properties of a type become parameters; instants as Unix milliseconds, as everywhere.</summary>
    private static class Properties<T>
    {
        public static IReadOnlyList<Property<T>> All { get; } =
            [.. typeof(T).GetProperties(BindingFlags.Public | BindingFlags.Instance).Select(p => new Property<T>(p))];
    }

    private sealed class Property<T>(PropertyInfo property)
    {
        private readonly Func<T, object?> read = Compile(property);
        private readonly NpgsqlDbType type = ToType(Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType);

        public NpgsqlParameter ToParameter(T row) => new(property.Name, type)
        {
            Value = read(row) switch
            {
                null => DBNull.Value,
                DateTimeOffset instant => instant.ToUnixTimeMilliseconds(),
                var value => value,
            },
        };

        private static Func<T, object?> Compile(PropertyInfo property)
        {
            var row = Expression.Parameter(typeof(T));
            return Expression.Lambda<Func<T, object?>>(Expression.Convert(Expression.Property(row, property), typeof(object)), row).Compile();
        }

        private static NpgsqlDbType ToType(Type type) =>
            type == typeof(string) ? NpgsqlDbType.Text
            : type == typeof(int) ? NpgsqlDbType.Integer
            : type == typeof(long) || type == typeof(DateTimeOffset) ? NpgsqlDbType.Bigint
            : type == typeof(bool) ? NpgsqlDbType.Boolean
            : type == typeof(double) ? NpgsqlDbType.Double
            : throw new NotSupportedException($"Rows with a {type} are not stored.");
    }
}
