using Dapper;

namespace AiChat.Infrastructure.Persistence.Copying;

/// <summary>Keeps a copy away from a database that servers use; SQLite's file is locked by its server anyway.</summary>
internal static class LivingNodes
{
    /// <exception cref="CopyException">Servers use the database.</exception>
    public static async Task RefuseAsync(IDatabase database, CancellationToken cancellationToken)
    {
        if (!database.Dialect.IsShared)
            return;
        var sql = $"select count(*) from nodes where expires_at >= {database.Dialect.Now}";
        var count = await database.ReadAsync(connection => connection.ExecuteScalarAsync<long>(Statement.Of(sql, null, cancellationToken)), cancellationToken);
        if (count > 0)
        {
            throw new CopyException(
                $"{count} AiChat {(count == 1 ? "process uses" : "processes use")} the database {database.Location}, or did so some seconds ago. Stop all of them, wait for Runs:LeaseTime (10 s unless it was changed), and run this again.");
        }
    }
}
