using System.Text.Json;
using System.Text.RegularExpressions;

namespace AiChat.Tests.Seeds;

/// <summary>Makes calls of the routes that a document describes without showing a call.</summary>
/// <param name="text">The document.</param>
/// <param name="answers">What it says of its answers.</param>
public sealed class SeedCalls(SeedText text, SeedAnswers answers)
{
    private const string Host = "localhost:8000";
    private const string UserId = "user_id";
    private const string SomeText = "string";
    private const string SomeJson = """{"name":"string"}""";

    /// <summary>The document's own call of a route it describes elsewhere; null when it has none.</summary>
    public CurlCommand? FindExample(SeedEntry endpoint) => text.Entries
        .Select(e => e.Command)
        .FirstOrDefault(c => c is not null && c.Method == endpoint.Method && c.Target.Split('?')[0] == endpoint.Url);

    /// <summary>Every way the description leaves to call it: each word of a field that has a few, with and without what is optional.</summary>
    public IEnumerable<IReadOnlyDictionary<string, string>> GetVariants(SeedEntry endpoint)
    {
        var model = answers.FindModel(endpoint);
        var names = endpoint.PathParameters.Concat(endpoint.Query).Concat(GetBodyFields(endpoint, model)).ToList();
        var optional = endpoint.Query.Where(n => GetField(model, n) is OptionalShape).ToList();
        var values = names.Except(optional, StringComparer.Ordinal).ToDictionary(n => n, n => GetSample(endpoint, model, n), StringComparer.Ordinal);

        var variants = new List<Dictionary<string, string>> { values };
        foreach (var name in names)
        {
            if (GetField(model, name) is WordShape field)
                variants = [.. variants.SelectMany(v => field.Words.Select(word => With(v, name, word)))];
        }

        foreach (var name in optional)
            variants.Add(With(variants[^1], name, GetSample(endpoint, model, name)));
        return variants;

        static Dictionary<string, string> With(Dictionary<string, string> values, string name, string value) => new(values) { [name] = value };
    }

    /// <summary>The call with these values, by the names of its parameters.</summary>
    public CurlCommand ToCommand(SeedEntry endpoint, IReadOnlyDictionary<string, string> values)
    {
        var query = endpoint.Query.Where(values.ContainsKey).Select(n => $"{n}={Uri.EscapeDataString(values[n])}");
        // Whoever owns the document's chats has to be named where one is asked for.
        if (endpoint.PathParameters.Contains("chat_id") && FindUser() is { } user)
            query = query.Append($"{UserId}={user}");
        var target = endpoint.FillPath(values) + string.Concat(query.Select((q, i) => (i == 0 ? "?" : "&") + q));

        var body = values.Where(v => !endpoint.PathParameters.Contains(v.Key) && !endpoint.Query.Contains(v.Key)).ToDictionary();
        string[] data = body.Count == 0 ? [] : ["-H", "Content-Type: application/json", "-d", JsonSerializer.Serialize(body)];
        return CurlCommand.Parse(["-L", "-X", endpoint.Method, .. data, Host + target]);
    }

    private static Shape? GetField(SeedModel? model, string name) => model?.Fields.FirstOrDefault(f => f.Name == name)?.Shape;

    /// <summary>Those the document shows; where it shows none, the fields that its sentence speaks of.</summary>
    private static IEnumerable<string> GetBodyFields(SeedEntry endpoint, SeedModel? model)
    {
        if (endpoint.Body is { } body)
            return body.EnumerateObject().Select(p => p.Name);
        if (endpoint.Method is "GET" or "DELETE" || endpoint.Query.Count > 0)
            return [];
        var texts = model?.Fields.Where(f => f.Shape is TextShape or OptionalShape).Select(f => f.Name) ?? [];
        return texts.Where(name => Regex.IsMatch(endpoint.Description, $@"\b{name}\b", RegexOptions.None, TimeSpan.FromSeconds(1)));
    }

    private string GetSample(SeedEntry endpoint, SeedModel? model, string name)
    {
        if (endpoint.Body is { } body && body.TryGetProperty(name, out var type))
            return GetSample(name, type.GetString());

        var field = GetField(model, name);
        if (field is OptionalShape { Inner: JsonShape } or JsonShape)
            return SomeJson;
        if (field is UuidShape || (field is null && name != UserId && endpoint.PathParameters.Contains(name)))
            return SeedFunction.ChatId;
        return text.Entries.Select(e => e.Arguments.GetValueOrDefault(name)).FirstOrDefault(v => v is not null) ?? SomeText;
    }

    private string GetSample(string name, string? type) => type switch
    {
        "uuid" => SeedFunction.ChatId,
        "datetime" => text.Instant ?? throw new FormatException($"{name} is an instant, and the document shows none."),
        SomeText => SomeText,
        _ => throw new FormatException($"Nothing is known about the type {type} of {name}."),
    };

    /// <summary>The owner of the chats in the document's calls; null when they name nobody.</summary>
    private string? FindUser() => text.Entries
        .Where(e => e.Command?.Data is not null)
        .Select(e => JsonElement.Parse(e.Command!.Data!))
        .Select(data => data.TryGetProperty(UserId, out var user) ? user.GetString() : null)
        .FirstOrDefault(user => user is not null);
}
