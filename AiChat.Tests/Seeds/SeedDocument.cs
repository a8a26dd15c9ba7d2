using System.Text.Json;

namespace AiChat.Tests.Seeds;

/// <summary>
/// One of the documents whose clients AiChat serves: every call it shows or describes, in its order, with what it says of the answers.
/// Nothing about its routes is known beforehand.
/// </summary>
public sealed class SeedDocument
{
    private static readonly Dictionary<string, string> Nothing = [];

    private readonly SeedAnswers answers;
    private readonly SeedCalls calls;

    private SeedDocument(SeedText text)
    {
        answers = new SeedAnswers(text);
        calls = new SeedCalls(text, answers);
        Steps = [.. text.Entries.SelectMany(ToSteps)];
    }

    public IReadOnlyList<SeedStep> Steps { get; }

    /// <exception cref="FormatException">It shows something that cannot be run.</exception>
    public static SeedDocument Parse(string text) => new(new SeedText(text));

    /// <summary>One of those in the test data, by its number: <c>000</c>.</summary>
    public static SeedDocument Load(string number)
    {
        var file = Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "TestData", "Seeds"), $"seed-{number}-*.md").Single();
        return Parse(File.ReadAllText(file));
    }

    private IEnumerable<SeedStep> ToSteps(SeedEntry entry)
    {
        if (entry.Command is not null)
            return [ToStep(entry, entry.Command, entry.Command.Target.Split('?')[0])];
        if (entry.Function is not null)
            return [ToStep(entry, answers.GetEndpoint(entry.Function), entry.Arguments)];
        if (calls.FindExample(entry) is { } example)
            return [ToStep(entry, example, entry.Url)];
        return calls.GetVariants(entry).Select(values => ToStep(entry, entry, values));
    }

    private SeedStep ToStep(SeedEntry entry, CurlCommand command, string path)
    {
        var answer = answers.Find(entry, endpoint: null, command.Method, path);
        return ToStep(entry, command, $"{command.Method} {path}", answer, command.Data is null ? Nothing : GetTexts(JsonElement.Parse(command.Data)));
    }

    private SeedStep ToStep(SeedEntry entry, SeedEntry endpoint, IReadOnlyDictionary<string, string> values)
    {
        var answer = answers.Find(entry, endpoint, endpoint.Method, endpoint.Url);
        return ToStep(entry, calls.ToCommand(endpoint, values), $"{endpoint.Method} {endpoint.Url}", answer, values);
    }

    private static SeedStep ToStep(
        SeedEntry entry, CurlCommand command, string request, Shape? answer, IReadOnlyDictionary<string, string> sent)
    {
        return new SeedStep
        {
            Line = entry.Line,
            Request = request,
            Command = command,
            Answer = answer,
            ContentType = entry.IsEventStream ? "text/event-stream" : entry.ContentType,
            Echo = answer is ObjectShape { IsOrdered: false } stored ? GetEcho(stored, sent) : Nothing,
        };
    }

    /// <summary>What is stored as it was sent; JSON may come back written in another way.</summary>
    private static Dictionary<string, string> GetEcho(ObjectShape stored, IReadOnlyDictionary<string, string> sent) => stored.Fields
        .Where(f => f.Shape is not OptionalShape { Inner: JsonShape } && sent.ContainsKey(f.Name))
        .ToDictionary(f => f.Name, f => sent[f.Name]);

    private static Dictionary<string, string> GetTexts(JsonElement body) => body.EnumerateObject()
        .Where(p => p.Value.ValueKind == JsonValueKind.String)
        .ToDictionary(p => p.Name, p => p.Value.GetString()!);
}
