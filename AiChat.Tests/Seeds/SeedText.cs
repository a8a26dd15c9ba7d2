using System.Text.Json;
using System.Text.RegularExpressions;

namespace AiChat.Tests.Seeds;

/// <summary>What stands in a document, in its order, before anything is made of it.</summary>
public sealed partial class SeedText
{
    private const string Fence = "```";

    private readonly string[] lines;
    private readonly List<SeedEntry> entries = [];
    private readonly List<SeedFunction> functions = [];
    private readonly List<(string Name, List<FieldShape> Fields)> models = [];
    private readonly Dictionary<string, Shape> enumerations = new(StringComparer.Ordinal);
    private string section = "";
    private string subsection = "";

    /// <exception cref="FormatException">Something that looks like a call or an example cannot be read.</exception>
    public SeedText(string text)
    {
        lines = text.ReplaceLineEndings("\n").Split('\n');
        for (var i = 0; i < lines.Length; i++)
        {
            if (lines[i].StartsWith(Fence, StringComparison.Ordinal))
                ReadBlock(ref i);
            else if (IsCurl(lines[i]))
                ReadCurl(ref i, lines.Length);
            else
                ReadLine(i);
        }

        var mentioned = Curl().Count(text);
        var read = entries.Count(e => e.Command is not null);
        if (mentioned != read)
            throw new FormatException($"The document mentions curl {mentioned} times, {read} of them could be read as a call.");
    }

    public IReadOnlyList<SeedEntry> Entries => entries;

    public IReadOnlyList<SeedFunction> Functions => functions;

    public IReadOnlyList<SeedModel> Models => [.. models.Select(m => new SeedModel(m.Name, m.Fields))];

    /// <summary>Fields that have one of a few words, wherever they stand.</summary>
    public IReadOnlyDictionary<string, Shape> Enumerations => enumerations;

    /// <summary>An instant the document shows; null when it shows none.</summary>
    public string? Instant => lines.Select(l => InstantText().Match(l)).FirstOrDefault(m => m.Success)?.Groups["text"].Value;

    private static bool IsCurl(string line) => line.TrimStart().StartsWith("curl ", StringComparison.Ordinal);

    private void ReadBlock(ref int position)
    {
        var language = lines[position][Fence.Length..].Trim();
        var start = position + 1;
        var end = Array.FindIndex(lines, start, l => l.StartsWith(Fence, StringComparison.Ordinal));
        if (end < 0)
            throw new FormatException($"The block of line {position + 1} does not end.");

        var text = string.Join('\n', lines[start..end]);
        if (language == "python")
            ReadPython(text, start);
        else if (language == "json" || text.TrimStart() is ['{' or '[', ..])
            ReadExample(ExampleReader.Parse(text), start);
        else
            ReadCurls(start, end);
        position = end;
    }

    private void ReadCurls(int start, int end)
    {
        for (var i = start; i < end; i++)
        {
            if (IsCurl(lines[i]))
                ReadCurl(ref i, end);
        }
    }

    private void ReadCurl(ref int position, int end)
    {
        var first = position;
        for (; position < end; position++)
        {
            if (ShellWords.Split(string.Join('\n', lines[first..(position + 1)])) is not { } words)
                continue;
            entries.Add(new SeedEntry { Line = first + 1, Command = CurlCommand.Parse([.. words.Skip(1)]) });
            return;
        }

        throw new FormatException($"The call of line {first + 1} does not end.");
    }

    private void ReadExample(JsonElement example, int start)
    {
        if (entries.Count == 0)
            throw new FormatException($"The example of line {start + 1} belongs to no call.");
        var label = lines.Take(start - 1).Last(l => l.Trim().Length > 0);
        if (label.Contains("Request Body", StringComparison.Ordinal))
            entries[^1].Body = example;
        else
            entries[^1].Answer = example;
    }

    private void ReadPython(string text, int start)
    {
        var imported = Import().Matches(text).SelectMany(m => m.Groups["names"].Value.Split(',', StringSplitOptions.TrimEntries)).ToList();
        foreach (Match call in Call().Matches(text))
        {
            var name = call.Groups["name"].Value;
            if (functions.Find(f => f.Name == name) is { } function)
                entries.Add(ToEntry(function, call, start + 1 + text[..call.Index].Count(c => c == '\n')));
            else if (imported.Contains(name) && char.IsLower(name[0]))
                throw new FormatException($"{name} is called, and described nowhere.");
        }
    }

    private static SeedEntry ToEntry(SeedFunction function, Match call, int line) =>
        new() { Line = line, Function = function, Arguments = function.ReadArguments(call.Groups["arguments"].Value) };

    private void ReadLine(int position)
    {
        var line = lines[position];
        if (line.StartsWith("## ", StringComparison.Ordinal))
            (section, subsection) = (line[3..].Trim(), "");
        else if (ReadEndpoint(line, position + 1))
            return;
        else if (FunctionLine().Match(line) is { Success: true } function)
            functions.Add(ToFunction(function.Groups));
        else if (line.StartsWith("### ", StringComparison.Ordinal))
            subsection = line[4..].Trim();
        else if (!ReadModel(line))
            ReadDetail(line);
    }

    private static SeedFunction ToFunction(GroupCollection line) =>
        SeedFunction.Parse(line["name"].Value, line["parameters"].Value, line["type"].Value.Trim());

    private bool ReadEndpoint(string line, int number)
    {
        var match = EndpointLine().Match(line);
        if (match.Success)
        {
            subsection = "";
            entries.Add(new SeedEntry
            {
                Line = number,
                Method = match.Groups["method"].Value,
                Url = match.Groups["url"].Value,
                Description = match.Groups["description"].Value,
            });
        }
        else if (EndpointLike().IsMatch(line))
        {
            throw new FormatException($"Line {number} names a route and cannot be read: {line}");
        }

        return match.Success;
    }

    private bool ReadModel(string line)
    {
        foreach (Match words in EnumerationLine().Matches(line))
            enumerations[words.Groups["name"].Value] = new WordShape(GetAll(Quoted(), words.Value));

        var isSchema = subsection == "Database Schema";
        if (isSchema && TableLine().Match(line) is { Success: true } table)
            models.Add((table.Groups["name"].Value, []));
        else if ((isSchema || section == "Models") && line.TrimStart().StartsWith("- `", StringComparison.Ordinal))
            GetModel(isSchema).AddRange(SeedModel.ReadFields(line));
        else
            return false;
        return true;
    }

    private List<FieldShape> GetModel(bool isSchema)
    {
        if (!isSchema && (models.Count == 0 || models[^1].Name != subsection))
            models.Add((subsection, []));
        return models[^1].Fields;
    }

    /// <summary>A line below the heading of an endpoint.</summary>
    private void ReadDetail(string line)
    {
        if (!line.StartsWith("- ", StringComparison.Ordinal) || entries is not [.., { Command: null, Function: null } endpoint])
            return;
        if (LabelledLine().Match(line) is { Success: true } labelled)
            endpoint.Set(labelled.Groups["label"].Value, labelled.Groups["value"].Value.Trim('`'));
        else if (line.Contains("Query parameter", StringComparison.Ordinal))
            endpoint.Query = GetAll(Backticks(), line);
        else if (endpoint.Description.Length == 0)
            endpoint.Description = line[2..];
    }

    private static string[] GetAll(Regex words, string line) => [.. words.Matches(line).Select(m => m.Groups["text"].Value)];

    [GeneratedRegex(@"\bcurl ")]
    private static partial Regex Curl();

    [GeneratedRegex(@"^(def |### `)(?<name>\w+)\((?<parameters>.*)\) -> (?<type>[^:`]+)", RegexOptions.ExplicitCapture)]
    private static partial Regex FunctionLine();

    [GeneratedRegex(
        """
        ^ (?: \#\#\#[ ] (?<method>[A-Z]+) [ ]`(?<url>/[^`]*)`
            | -[ ]` (?<method>[A-Z]+) [ ] (?<url>/[^`]*) `[ ]-[ ] (?<description>.*)
            | -[ ]\*\*URL\*\*:[ ] `(?<url>/[^`]*)` ) $
        """,
        RegexOptions.ExplicitCapture | RegexOptions.IgnorePatternWhitespace)]
    private static partial Regex EndpointLine();

    [GeneratedRegex(@"\b(GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS)\b.*[ `]/|\*\*URL\*\*", RegexOptions.ExplicitCapture)]
    private static partial Regex EndpointLike();

    [GeneratedRegex(@"^- \*\*(?<label>[^*]+)\*\*: ?(?<value>.*)$")]
    private static partial Regex LabelledLine();

    [GeneratedRegex(@"^- \*\*(?<name>\w+)\*\*: ")]
    private static partial Regex TableLine();

    [GeneratedRegex("^\\s*(?<name>\\w+): \"\\w+\"( \\| \"\\w+\")+", RegexOptions.ExplicitCapture)]
    private static partial Regex EnumerationLine();

    [GeneratedRegex("\"(?<text>[^\"]+)\"")]
    private static partial Regex Quoted();

    [GeneratedRegex("`(?<text>[^`]+)`")]
    private static partial Regex Backticks();

    [GeneratedRegex("^from .* import (?<names>.+)$", RegexOptions.Multiline)]
    private static partial Regex Import();

    [GeneratedRegex(@"\b(?<name>\w+)\((?<arguments>(""[^""]*""|[^()""])*)\)", RegexOptions.ExplicitCapture)]
    private static partial Regex Call();

    [GeneratedRegex(@"""(?<text>\d{4}-\d\d-\d\dT[\d:.]+Z)""")]
    private static partial Regex InstantText();
}
