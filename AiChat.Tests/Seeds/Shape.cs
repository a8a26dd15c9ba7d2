using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace AiChat.Tests.Seeds;

/// <summary>What a document says a JSON value looks like.</summary>
public abstract partial record Shape
{
    /// <summary>Compares a value with the shape, and notes what differs.</summary>
    public ShapeReport Check(JsonElement value)
    {
        var report = new ShapeReport();
        Check(value, "$", report);
        return report;
    }

    internal abstract void Check(JsonElement value, string path, ShapeReport report);

    [GeneratedRegex(@"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$", RegexOptions.ExplicitCapture)]
    internal static partial Regex Instant();
}

/// <summary>How an answer differs from its document.</summary>
public sealed class ShapeReport
{
    /// <summary>What is missing, of another type, in another format or at another place.</summary>
    public List<string> Problems { get; } = [];

    /// <summary>Names of fields the document does not have.</summary>
    public SortedSet<string> Extras { get; } = new(StringComparer.Ordinal);
}

/// <summary>Any text.</summary>
public sealed record TextShape : Shape
{
    internal override void Check(JsonElement value, string path, ShapeReport report)
    {
        if (value.ValueKind != JsonValueKind.String || string.IsNullOrWhiteSpace(value.GetString()))
            report.Problems.Add($"{path} is {value.GetRawText()}, expected a text");
    }
}

/// <summary>One of a few texts.</summary>
public sealed record WordShape(params IReadOnlyList<string> Words) : Shape
{
    internal override void Check(JsonElement value, string path, ShapeReport report)
    {
        if (value.ValueKind != JsonValueKind.String || !Words.Contains(value.GetString()!, StringComparer.Ordinal))
            report.Problems.Add($"{path} is {value.GetRawText()}, expected {string.Join(" or ", Words)}");
    }
}

/// <summary>A UUID in its usual form.</summary>
public sealed record UuidShape : Shape
{
    internal override void Check(JsonElement value, string path, ShapeReport report)
    {
        if (value.ValueKind != JsonValueKind.String || !Guid.TryParseExact(value.GetString(), "D", out _))
            report.Problems.Add($"{path} is {value.GetRawText()}, expected a UUID");
    }
}

/// <summary>An instant in ISO 8601, in UTC.</summary>
public sealed record InstantShape : Shape
{
    internal override void Check(JsonElement value, string path, ShapeReport report)
    {
        if (value.ValueKind != JsonValueKind.String || !Instant().IsMatch(value.GetString()!)
            || !DateTimeOffset.TryParse(value.GetString(), CultureInfo.InvariantCulture, out _))
            report.Problems.Add($"{path} is {value.GetRawText()}, expected an instant");
    }
}

/// <summary>A number, a boolean or null, of which the document shows one.</summary>
public sealed record LiteralShape(params IReadOnlyList<JsonValueKind> Kinds) : Shape
{
    internal override void Check(JsonElement value, string path, ShapeReport report)
    {
        if (!Kinds.Contains(value.ValueKind))
            report.Problems.Add($"{path} is {value.GetRawText()}, expected {string.Join(" or ", Kinds)}");
    }
}

/// <summary>Whatever JSON it is.</summary>
public sealed record JsonShape : Shape
{
    internal override void Check(JsonElement value, string path, ShapeReport report)
    {
    }
}

/// <summary>Null, or what the document describes.</summary>
public sealed record OptionalShape(Shape Inner) : Shape
{
    internal override void Check(JsonElement value, string path, ShapeReport report)
    {
        if (value.ValueKind != JsonValueKind.Null)
            Inner.Check(value, path, report);
    }
}

/// <summary>An object with these fields.</summary>
/// <param name="Fields">In the document's order.</param>
/// <param name="IsOrdered">Whether the document shows an object, and so an order; a mere list of fields has none.</param>
public sealed record ObjectShape(IReadOnlyList<FieldShape> Fields, bool IsOrdered) : Shape
{
    internal override void Check(JsonElement value, string path, ShapeReport report)
    {
        if (value.ValueKind != JsonValueKind.Object)
        {
            report.Problems.Add($"{path} is {value.GetRawText()}, expected an object");
            return;
        }

        foreach (var field in Fields)
        {
            if (value.TryGetProperty(field.Name, out var inner))
                field.Shape.Check(inner, $"{path}.{field.Name}", report);
            else
                report.Problems.Add($"{path}.{field.Name} is missing");
        }

        CheckNames([.. value.EnumerateObject().Select(p => p.Name)], path, report);
    }

    private void CheckNames(IReadOnlyList<string> actual, string path, ShapeReport report)
    {
        var documented = Fields.Select(f => f.Name).ToList();
        report.Extras.UnionWith(actual.Except(documented, StringComparer.Ordinal));
        var inOrder = documented.Intersect(actual, StringComparer.Ordinal);
        if (IsOrdered && !actual.Intersect(documented, StringComparer.Ordinal).SequenceEqual(inOrder))
            report.Problems.Add($"{path} has its fields in the order {string.Join(", ", actual)}, expected {string.Join(", ", documented)}");
    }
}

/// <summary>A field of an object.</summary>
public sealed record FieldShape(string Name, Shape Shape);

/// <summary>A list.</summary>
/// <param name="Examples">
/// What its items look like: as many as there are at least, and again from the first one where there are more. Without any, the list is empty.
/// </param>
/// <param name="Name">The field the list may stand in when an object is around it; null when it stands alone.</param>
public sealed record ListShape(IReadOnlyList<Shape> Examples, string? Name = null) : Shape
{
    internal override void Check(JsonElement value, string path, ShapeReport report)
    {
        if (Name is not null && value.ValueKind == JsonValueKind.Object && value.TryGetProperty(Name, out var inner))
        {
            report.Extras.UnionWith(value.EnumerateObject().Select(p => p.Name).Where(n => n != Name));
            Check(inner, $"{path}.{Name}", report);
            return;
        }

        if (value.ValueKind != JsonValueKind.Array)
            report.Problems.Add($"{path} is {value.GetRawText()}, expected a list");
        else if (value.GetArrayLength() < Examples.Count || (Examples.Count == 0 && value.GetArrayLength() > 0))
            report.Problems.Add($"{path} has {value.GetArrayLength()} items, the document shows {Examples.Count}");
        else
            CheckItems(value, path, report);
    }

    /// <summary>Whether the value is such a list, without items.</summary>
    internal bool IsEmptyIn(JsonElement value)
    {
        var list = Name is not null && value.ValueKind == JsonValueKind.Object && value.TryGetProperty(Name, out var inner) ? inner : value;
        return list.ValueKind == JsonValueKind.Array && list.GetArrayLength() == 0;
    }

    private void CheckItems(JsonElement list, string path, ShapeReport report)
    {
        for (var i = 0; i < list.GetArrayLength(); i++)
            Examples[i % Examples.Count].Check(list[i], $"{path}[{i}]", report);
    }
}

/// <summary>A list of values that each have a meaning of their own.</summary>
public sealed record TupleShape(IReadOnlyList<Shape> Items) : Shape
{
    internal override void Check(JsonElement value, string path, ShapeReport report)
    {
        if (value.ValueKind != JsonValueKind.Array || value.GetArrayLength() != Items.Count)
        {
            report.Problems.Add($"{path} is {value.GetRawText()}, expected {Items.Count} values");
            return;
        }

        for (var i = 0; i < Items.Count; i++)
            Items[i].Check(value[i], $"{path}[{i}]", report);
    }
}
