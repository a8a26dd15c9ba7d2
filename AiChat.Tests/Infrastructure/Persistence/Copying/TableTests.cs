using AiChat.Infrastructure.Persistence.Copying;

namespace AiChat.Tests.Infrastructure.Persistence.Copying;

/// <summary>A table or a column that a migration adds is copied, or is named here.</summary>
[TestFixtureSource(typeof(TestDatabase), nameof(TestDatabase.Engines))]
public sealed class TableTests(Engine engine)
{
    private const string SqliteColumnsSql = """
        select t.name || '.' || c.name || ' ' || c.type || case when c.pk > 0 then ' key ' || c.pk else '' end
        from sqlite_master t join pragma_table_info(t.name) c
        where t.type = 'table' and t.name not in ('nodes', 'schema_migrations')
        """;

    private const string PostgresColumnsSql = """
        select c.table_name || '.' || c.column_name || ' ' || c.data_type || coalesce(' key ' || k.ordinal_position, '')
        from information_schema.columns c left join information_schema.key_column_usage k on k.table_schema = c.table_schema
          and k.table_name = c.table_name and k.column_name = c.column_name and k.position_in_unique_constraint is null
        where c.table_schema = 'public' and c.table_name not in ('nodes', 'schema_migrations')
        """;

    [Test]
    public async Task All_AreTheTablesOfTheSchema()
    {
        using var database = await TestDatabase.CreateAsync(engine);

        var columns = await database.QueryAsync<string>(engine == Engine.Sqlite ? SqliteColumnsSql : PostgresColumnsSql);

        Assert.That(Table.All.SelectMany(t => t.Columns.Select((c, i) => $"{t.Name}.{c.Name} {Describe(c.Type)}{(i < t.Key.Count ? $" key {i + 1}" : "")}")),
            Is.EquivalentTo(columns));
    }

    private static string Describe(ColumnType type) => type == ColumnType.Double ? "double precision" : type.ToString().ToLowerInvariant();
}
