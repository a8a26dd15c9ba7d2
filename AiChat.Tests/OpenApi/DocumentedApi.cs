using System.Text.Json.Nodes;

namespace AiChat.Tests.OpenApi;

/// <summary>The served document, read as plain JSON.</summary>
internal sealed class DocumentedApi(string text)
{
    private static readonly string[] Methods = ["get", "put", "post", "delete", "patch", "head", "options"];

    public string Text { get; } = text;

    public JsonNode Root { get; } = JsonNode.Parse(text)!;

    public IReadOnlyList<DocumentedOperation> Operations =>
    [
        .. from path in Root["paths"]!.AsObject()
           from item in path.Value!.AsObject()
           where Methods.Contains(item.Key)
           select new DocumentedOperation($"{item.Key.ToUpperInvariant()} {path.Key}", item.Key.ToUpperInvariant(), path.Key, item.Value!),
    ];

    /// <summary>What a node stands for: itself, or what its <c>$ref</c> names.</summary>
    public JsonNode Resolve(JsonNode node)
    {
        if (node is not JsonObject { } named || named["$ref"]?.GetValue<string>() is not { } reference)
            return node;
        return reference.Split('/').Skip(1).Aggregate(Root, (at, part) => at[part.Replace("~1", "/", StringComparison.Ordinal)]!);
    }

    /// <summary>Every example of a request or an answer, with the schema it belongs to.</summary>
    public IEnumerable<DocumentedExample> GetExamples(DocumentedOperation operation) =>
        from content in GetContents(operation)
        from example in GetExamples(content.Media)
        select new DocumentedExample($"{operation.Name}, {content.Name}, {example.Key}", content.Media["schema"]!, example.Value);

    /// <summary>Every content of a request or an answer.</summary>
    public IEnumerable<(string Name, JsonNode Media)> GetContents(DocumentedOperation operation)
    {
        var bodies = operation.Responses.Select(r => (Name: r.Key, Body: Resolve(r.Value!))).ToList();
        if (operation.Json["requestBody"] is { } request)
            bodies.Add(("request", Resolve(request)));
        return bodies.SelectMany(b => b.Body["content"]?.AsObject().Select(c => ($"{b.Name} {c.Key}", c.Value!)) ?? []);
    }

    private IEnumerable<KeyValuePair<string, JsonNode?>> GetExamples(JsonNode media)
    {
        if (media.AsObject().TryGetPropertyValue("example", out var single))
            return [KeyValuePair.Create("example", single)];
        return media["examples"]?.AsObject().Select(e => KeyValuePair.Create(e.Key, Resolve(e.Value!)["value"])) ?? [];
    }
}

/// <summary>One method of one path.</summary>
internal sealed record DocumentedOperation(string Name, string Method, string Path, JsonNode Json)
{
    public string Id => Json["operationId"]!.GetValue<string>();

    public JsonObject Responses => Json["responses"]!.AsObject();

    public IEnumerable<JsonNode> Parameters => Json["parameters"]?.AsArray().Select(p => p!) ?? [];
}

internal sealed record DocumentedExample(string Name, JsonNode Schema, JsonNode? Value);
