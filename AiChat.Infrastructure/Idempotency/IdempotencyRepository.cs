using System.Data.Common;
using AiChat.Core.Idempotency;
using AiChat.Infrastructure.Persistence;
using Dapper;

namespace AiChat.Infrastructure.Idempotency;

public sealed class IdempotencyRepository(IDatabase database) : IIdempotencyRepository
{
    /// <summary>Takes a key that is free or expired; changes nothing when it is taken.</summary>
    private const string ClaimSql = """
        insert into idempotency_keys (user_id, key, fingerprint, resource_id, created_at)
        values (@UserId, @Value, @Fingerprint, @ResourceId, @Now)
        on conflict (user_id, key) do update set
          fingerprint = excluded.fingerprint, resource_id = excluded.resource_id, created_at = excluded.created_at
        where idempotency_keys.created_at < @ExpiredBefore
        """;

    private const string FindSql = """
        select fingerprint, resource_id, created_at
        from idempotency_keys
        where user_id = @UserId and key = @Value and created_at >= @ExpiredBefore
        """;

    private const string ReleaseSql = "delete from idempotency_keys where user_id = @UserId and key = @Value";

    /// <summary>Takes the key inside the transaction that makes what it stands for; the earlier request when it is taken.</summary>
    internal static async Task<KeyedRequest?> ClaimAsync(DbConnection connection, IdempotencyKey key, string resourceId, DateTimeOffset now)
    {
        var claim = new { key.UserId, key.Value, key.Fingerprint, ResourceId = resourceId, Now = now, key.ExpiredBefore };
        while (await connection.ExecuteAsync(Statement.Of(ClaimSql, claim)) == 0)
        {
            // It may have been removed since, as an old one.
            if (await FindAsync(connection, key, CancellationToken.None) is { } earlier)
                return earlier;
        }

        return null;
    }

    /// <summary>Gives a key back that was claimed in this transaction.</summary>
    internal static Task ReleaseAsync(DbConnection connection, IdempotencyKey key) =>
        connection.ExecuteAsync(Statement.Of(ReleaseSql, new { key.UserId, key.Value }));

    public Task<KeyedRequest?> FindAsync(IdempotencyKey key, CancellationToken cancellationToken) =>
        database.ReadAsync(connection => FindAsync(connection, key, cancellationToken), cancellationToken);

    /// <summary>The age is looked at twice: a key may be claimed anew while it is waited for.</summary>
    private const string DeleteExpiredSql = """
        delete from idempotency_keys
        where created_at < @Before and (user_id, key) in (select user_id, key from idempotency_keys where created_at < @Before order by created_at limit @Limit)
        """;

    public Task<int> DeleteExpiredAsync(DateTimeOffset before, int limit, CancellationToken cancellationToken) =>
        database.WriteAsync(connection => connection.ExecuteAsync(Statement.Of(DeleteExpiredSql, new { Before = before, Limit = limit })));

    private static async Task<KeyedRequest?> FindAsync(DbConnection connection, IdempotencyKey key, CancellationToken cancellationToken)
    {
        var row = await connection.QuerySingleOrDefaultAsync<KeyRow>(
            Statement.Of(FindSql, new { key.UserId, key.Value, key.ExpiredBefore }, cancellationToken));
        return row is null ? null : new KeyedRequest(row.Fingerprint, row.ResourceId, row.CreatedAt);
    }

    private sealed record KeyRow
    {
        public required string Fingerprint { get; init; }
        public required string ResourceId { get; init; }
        public required DateTimeOffset CreatedAt { get; init; }
    }
}
