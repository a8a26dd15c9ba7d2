using System.Text.Json;
using System.Text.RegularExpressions;

namespace AiChat.Tests.Seeds;

/// <summary>What a document says of its answers: by examples, by the types of functions, by descriptions of what paths are about.</summary>
public sealed partial class SeedAnswers
{
    private readonly SeedText text;
    private readonly HashSet<string> sentTexts;
    private readonly Dictionary<SeedEntry, SeedFunction> functionOf = [];

    public SeedAnswers(SeedText text)
    {
        this.text = text;
        sentTexts = [.. text.Entries.Where(e => e.Command?.Data is not null).SelectMany(e => GetTexts(JsonElement.Parse(e.Command!.Data!)))];
        foreach (var entry in text.Entries.Where(e => e.Url.Length > 0))
        {
            if (text.Functions.FirstOrDefault(f => !functionOf.ContainsValue(f) && StandsFor(f, entry)) is { } function)
                functionOf[entry] = function;
        }
    }

    /// <summary>The route a function stands for.</summary>
    /// <exception cref="FormatException">It stands for none.</exception>
    public SeedEntry GetEndpoint(SeedFunction function) => functionOf.FirstOrDefault(p => p.Value == function).Key
        ?? throw new FormatException($"{function.Name} is called, and no route stands for it.");

    /// <summary>What a route is about; null when that is described nowhere.</summary>
    public SeedModel? FindModel(SeedEntry endpoint) => functionOf.TryGetValue(endpoint, out var function)
        ? FindType(Type().Match(function.Returns).Groups["inner"].Value)
        : FindPathModel(endpoint.Url);

    /// <summary>Null when the document does not say.</summary>
    /// <param name="entry">Where the call stands.</param>
    /// <param name="endpoint">The description of its route; null when there is none.</param>
    /// <param name="method">Its method.</param>
    /// <param name="path">Its path, without a query.</param>
    public Shape? Find(SeedEntry entry, SeedEntry? endpoint, string method, string path)
    {
        if (entry.Answer is { } example)
            return ExampleReader.ToShape(example, sentTexts);
        if (FindFunction(entry, endpoint, path) is { } function)
            return ToShape(function.Returns);
        if (entry.IsEventStream || FindPathModel(path) is not { } model)
            return null;
        return method == "GET" && path.EndsWith(model.Plural, StringComparison.Ordinal) ? model.Many : model.One;
    }

    private static IEnumerable<string> GetTexts(JsonElement json) => json.ValueKind switch
    {
        JsonValueKind.Object => json.EnumerateObject().SelectMany(p => GetTexts(p.Value)),
        JsonValueKind.Array => json.EnumerateArray().SelectMany(GetTexts),
        JsonValueKind.String => [json.GetString()!],
        _ => [],
    };

    /// <summary>A function stands for a route that takes the same parameters; of several, the first in the order of both.</summary>
    private static bool StandsFor(SeedFunction function, SeedEntry endpoint) =>
        endpoint.PathParameters.Concat(endpoint.Query).ToHashSet().SetEquals(function.Parameters.Select(p => p.Name));

    private SeedFunction? FindFunction(SeedEntry entry, SeedEntry? endpoint, string path)
    {
        if (entry.Function is not null)
            return entry.Function;
        return endpoint is not null && functionOf.TryGetValue(endpoint, out var function)
            ? function
            : text.Functions.FirstOrDefault(f => f.Name == path.Split('/')[1]);
    }

    /// <summary>What the last word of a path names that is the plural of something described.</summary>
    private SeedModel? FindPathModel(string path) => path.Split('/').Reverse()
        .Select(word => text.Models.FirstOrDefault(m => m.Plural == word))
        .FirstOrDefault(m => m is not null);

    private SeedModel? FindType(string name) => text.Models.FirstOrDefault(m => m.Name == name);

    private Shape ToShape(string type)
    {
        var match = Type().Match(type);
        var inner = match.Groups["inner"].Value;
        return match.Groups["outer"].Value switch
        {
            "list" or "List" => FindType(inner)?.Many ?? new ListShape([ToShape(inner)]),
            "tuple" => new TupleShape([.. inner.Split(',', StringSplitOptions.TrimEntries).Select(ToShape)]),
            "" when inner == "str" => new TextShape(),
            "" => FindType(inner)?.One ?? ToSentShape(inner),
            _ => throw new FormatException($"Nothing is known about the type {type}."),
        };
    }

    /// <summary>A type the document does not describe, but sends: the body of a call that consists of nothing else.</summary>
    private ObjectShape ToSentShape(string type)
    {
        var bodies = from function in text.Functions
                     where function.Parameters.Any(p => p.Type == type)
                     from entry in text.Entries
                     let command = entry.Command
                     where command?.Data is not null && command.Target.Split('/')[1] == function.Name
                     select JsonElement.Parse(command.Data!);
        var body = bodies.FirstOrDefault(b => b.EnumerateObject().All(p => p.Value.ValueKind == JsonValueKind.String));
        if (body.ValueKind != JsonValueKind.Object)
            throw new FormatException($"Nothing is known about the type {type}.");

        var fields = from property in body.EnumerateObject()
                     select new FieldShape(property.Name, text.Enumerations.GetValueOrDefault(property.Name, new TextShape()));
        return new ObjectShape([.. fields], IsOrdered: true);
    }

    [GeneratedRegex(@"^((?<outer>\w+)\[(?<inner>.+)\]|(?<inner>\w+))$", RegexOptions.ExplicitCapture)]
    private static partial Regex Type();
}
