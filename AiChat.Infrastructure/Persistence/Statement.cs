using System.Data;
using Dapper;

namespace AiChat.Infrastructure.Persistence;

internal static class Statement
{
    /// <summary>A statement for Dapper. Says that it is one: otherwise Dapper searches every text for signs of a stored procedure.</summary>
    public static CommandDefinition Of(string sql, object? parameters = null, CancellationToken cancellationToken = default) =>
        new(sql, parameters, commandType: CommandType.Text, cancellationToken: cancellationToken);
}
