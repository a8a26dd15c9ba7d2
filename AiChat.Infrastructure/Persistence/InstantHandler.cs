using System.Data;
using Dapper;

namespace AiChat.Infrastructure.Persistence;

/// <summary>Instants are stored as Unix milliseconds (<c>bigint</c>), alike on every engine.</summary>
internal sealed class InstantHandler : SqlMapper.ITypeHandler
{
    /// <summary>Makes Dapper map columns and instants our way. Calling it again changes nothing.</summary>
    public static void Register()
    {
        DefaultTypeMap.MatchNamesWithUnderscores = true;
        SqlMapper.RemoveTypeMap(typeof(DateTimeOffset));
        SqlMapper.RemoveTypeMap(typeof(DateTimeOffset?));
        SqlMapper.AddTypeHandler(typeof(DateTimeOffset), new InstantHandler());
    }

    public object Parse(Type destinationType, object value) => DateTimeOffset.FromUnixTimeMilliseconds((long)value);

    /// <summary>The type also where there is no value: PostgreSQL would take that for a text.</summary>
    public void SetValue(IDbDataParameter parameter, object value)
    {
        parameter.DbType = DbType.Int64;
        parameter.Value = value is DateTimeOffset instant ? instant.ToUnixTimeMilliseconds() : DBNull.Value;
    }
}
