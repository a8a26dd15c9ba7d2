using AiChat.Core.Nodes;
using AiChat.Infrastructure.Persistence;
using Dapper;

namespace AiChat.Infrastructure.Nodes;

public sealed class NodeRepository(IDatabase database, Node node) : INodeRepository
{
    /// <summary>One that was dead for so long has nothing left that anybody would need its row for.</summary>
    private static readonly TimeSpan Burial = TimeSpan.FromHours(1);

    private readonly string renewSql = $"""
        insert into nodes (id, expires_at) values (@NodeId, {database.Dialect.Now} + @Lease)
        on conflict (id) do update set expires_at = excluded.expires_at
        """;

    private readonly string countOthersSql = $"select count(*) from nodes where id <> @NodeId and expires_at >= {database.Dialect.Now}";

    private readonly string forgetDeadSql = $"delete from nodes where expires_at < {database.Dialect.Now} - @Burial";

    private const string LeaveSql = "delete from nodes where id = @NodeId";

    public bool IsShared => database.Dialect.IsShared;

    public Task<int> RenewAsync(TimeSpan lease, CancellationToken cancellationToken) => database.WriteAtOnceAsync(async connection =>
    {
        await connection.ExecuteAsync(Statement.Of(renewSql, new { NodeId = node.Id, Lease = (long)lease.TotalMilliseconds }));
        await connection.ExecuteAsync(Statement.Of(forgetDeadSql, new { Burial = (long)Burial.TotalMilliseconds }));
        return await connection.ExecuteScalarAsync<int>(Statement.Of(countOthersSql, new { NodeId = node.Id }));
    });

    public Task LeaveAsync(CancellationToken cancellationToken) =>
        database.WriteAtOnceAsync(connection => connection.ExecuteAsync(Statement.Of(LeaveSql, new { NodeId = node.Id })));
}
