namespace AiChat.Infrastructure.Persistence.Copying;

/// <summary>A column, as both engines have it.</summary>
internal sealed record Column(string Name, ColumnType Type)
{
    public static Column Text(string name) => new(name, ColumnType.Text);

    public static Column Integer(string name) => new(name, ColumnType.Integer);

    public static Column Bigint(string name) => new(name, ColumnType.Bigint);

    public static Column Boolean(string name) => new(name, ColumnType.Boolean);

    public static Column Double(string name) => new(name, ColumnType.Double);
}

/// <summary>What a column holds. A value on its way is null, a string, a double, or a long for everything else.</summary>
internal enum ColumnType
{
    /// <summary>A string.</summary>
    Text,
    /// <summary>A number of 32 bits.</summary>
    Integer,
    /// <summary>A number of 64 bits.</summary>
    Bigint,
    /// <summary>Zero or one.</summary>
    Boolean,
    /// <summary>A floating-point number of 64 bits.</summary>
    Double,
}
