using System.Data.Common;

namespace AiChat.Infrastructure.Persistence;

/// <summary>Columns of a row as our types, for the few places that read by position.</summary>
internal static class RowReading
{
    public static string? GetTextOrNull(this DbDataReader row, int column) => row.IsDBNull(column) ? null : row.GetString(column);

    /// <summary>An instant, stored as Unix milliseconds.</summary>
    public static DateTimeOffset GetInstant(this DbDataReader row, int column) => DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(column));
}
