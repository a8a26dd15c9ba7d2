namespace AiChat.Infrastructure.Persistence.Copying;

/// <summary>
/// PostgreSQL stores no U+0000, which a model or an older version may have brought into SQLite's texts. One cannot see it, so a copy goes on
/// with U+FFFD in its place rather than not at all.
/// </summary>
internal static class NulCharacters
{
    /// <returns>How many texts of the row had some.</returns>
    /// <exception cref="CopyException">One is in the key, which other rows refer to.</exception>
    public static int Replace(Table table, object?[] row)
    {
        var count = 0;
        for (var i = 0; i < row.Length; i++)
        {
            if (row[i] is not string text || !text.Contains('\0'))
                continue;
            row[i] = text.Replace('\0', '\uFFFD');
            if (i < table.Key.Count)
                throw new CopyException($"A row of {table.Name} has the character U+0000 in its key, {Describe(table, row)}, which PostgreSQL cannot store. Change it in the source.");
            count++;
        }

        return count;
    }

    private static string Describe(Table table, object?[] row) => string.Join(", ", table.Key.Select((column, i) => $"{column.Name} '{row[i]}'"));
}
