using System.Reflection;
using AiChat.Infrastructure.Nodes;
using AiChat.Infrastructure.Persistence;
using AiChat.Infrastructure.Usage;

namespace AiChat.Tests.Infrastructure.Persistence;

/// <summary>Every statement of the repositories, and of the ledger that they write through: the texts whose names end in Sql.</summary>
internal static class RepositoryStatements
{
    private static readonly Dictionary<string, FieldInfo> Fields = typeof(DatabaseOptions).Assembly.GetTypes()
        .Where(type => type.Name == nameof(Ledger) || type.Name.EndsWith("Repository", StringComparison.Ordinal))
        .SelectMany(type => type.GetFields(BindingFlags.Static | BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic))
        .Where(field => field.FieldType == typeof(string) && field.Name.EndsWith("Sql", StringComparison.Ordinal))
        .ToDictionary(field => $"{field.DeclaringType!.Name}.{field.Name}");

    /// <summary>As <c>RunRepository.HeldSql</c>.</summary>
    public static string[] Names { get; } = [.. Fields.Keys];

    /// <summary>The text as it is said to this database; empty where it is not said to its engine.</summary>
    public static string Read(string name, TestDatabase database)
    {
        var field = Fields[name];
        return field.IsLiteral ? (string)field.GetRawConstantValue()! : (string)field.GetValue(GetOwner(field.DeclaringType!, database))!;
    }

    private static object GetOwner(Type type, TestDatabase database) =>
        type == typeof(NodeRepository) ? database.Nodes
        : type == typeof(Ledger) ? new Ledger(database.Current.Dialect)
        : database.Runs;
}
