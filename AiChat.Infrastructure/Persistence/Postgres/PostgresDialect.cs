using System.Collections.Concurrent;
using System.Data.Common;
using System.Linq.Expressions;
using System.Reflection;
using Npgsql;
using NpgsqlTypes;

namespace AiChat.Infrastructure.Persistence.Postgres;

internal sealed class PostgresDialect : ISqlDialect
{
    private static readonly ConcurrentDictionary<Type, Property[]> PropertiesOf = new();

    public static PostgresDialect Instance { get; } = new();

    public string Name => "postgres";

    public bool IsShared => true;

    public string Now => "(extract(epoch from clock_timestamp()) * 1000)::bigint";

    public string BeginSnapshot => "begin isolation level repeatable read read only";

    public string ForUpdate => "for update";

    public string LockRun => "for no key update of runs";

    public string ForShare => "for share";

    public string LockChat => "select 1 from chats where id = @ChatId for no key update";

    /// <summary>All of them in one go over the network.</summary>
    public async Task<IReadOnlyList<TResult>> QueryManyAsync<T, TResult>(
        DbConnection connection, string sql, IReadOnlyList<T> rows, Func<T, DbDataReader, CancellationToken, Task<TResult>> read,
        CancellationToken cancellationToken)
        where T : class
    {
        if (rows.Count == 0)
            return [];
        await using var batch = ToBatch(connection, rows.Select(row => new BoundStatement(sql, row)));
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
        await using var batch = ToBatch(connection, rows.Select(row => new BoundStatement(sql, row)));
        await batch.ExecuteNonQueryAsync();
    }

    internal static NpgsqlBatch ToBatch(DbConnection connection, IEnumerable<BoundStatement> statements)
    {
        var batch = new NpgsqlBatch((NpgsqlConnection)connection);
        foreach (var (sql, parameters) in statements)
        {
            var command = new NpgsqlBatchCommand(sql);
            foreach (var property in PropertiesOf.GetOrAdd(parameters.GetType(), ReadProperties))
            {
                // A parameter that the text does not have would be sent all the same.
                if (sql.Contains(property.Name, StringComparison.Ordinal))
                    command.Parameters.Add(property.ToParameter(parameters));
            }

            batch.BatchCommands.Add(command);
        }

        return batch;
    }

    /// <summary>How the properties of a type become parameters.</summary>
    private static Property[] ReadProperties(Type type) =>
        [.. type.GetProperties(BindingFlags.Public | BindingFlags.Instance).Select(p => new Property(p))];

    /// <summary>Instants are Unix milliseconds, as everywhere.</summary>
    private sealed class Property(PropertyInfo property)
    {
        private readonly Func<object, object?> read = Compile(property);
        private readonly NpgsqlDbType type = ToType(Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType);

        public string Name { get; } = "@" + property.Name;

        public NpgsqlParameter ToParameter(object parameters) => new(property.Name, type)
        {
            Value = read(parameters) switch
            {
                null => DBNull.Value,
                DateTimeOffset instant => instant.ToUnixTimeMilliseconds(),
                var value => value,
            },
        };

        private static Func<object, object?> Compile(PropertyInfo property)
        {
            var row = Expression.Parameter(typeof(object));
            var value = Expression.Property(Expression.Convert(row, property.DeclaringType!), property);
            return Expression.Lambda<Func<object, object?>>(Expression.Convert(value, typeof(object)), row).Compile();
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
