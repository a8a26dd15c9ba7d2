using System.Text.RegularExpressions;

namespace AiChat.Tests.Seeds;

/// <summary>A function of the original server, which a route stands for.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Parameters">Without the database session.</param>
/// <param name="Returns">The type of what it returns, as the document writes it.</param>
public sealed partial record SeedFunction(string Name, IReadOnlyList<(string Name, string Type)> Parameters, string Returns)
{
    /// <summary>Stands for the id of the chat that was made before.</summary>
    public const string ChatId = "{chat_id}";

    private const string Session = "session";

    public static SeedFunction Parse(string name, string parameters, string returns)
    {
        var pairs = from parameter in parameters.Split(',', StringSplitOptions.RemoveEmptyEntries)
                    let parts = parameter.Split(':', 2, StringSplitOptions.TrimEntries)
                    where parts[0] != Session
                    select (parts[0], parts[1]);
        return new SeedFunction(name, [.. pairs], returns);
    }

    /// <summary>The arguments of a call in Python: texts, and ids of what was made before.</summary>
    public IReadOnlyDictionary<string, string> ReadArguments(string text)
    {
        var arguments = new Dictionary<string, string>(StringComparer.Ordinal);
        var position = 0;
        foreach (Match match in Argument().Matches(text))
        {
            var value = match.Groups["value"].Value;
            if (value == Session)
                continue;
            var name = match.Groups["name"].Success ? match.Groups["name"].Value : Parameters[position].Name;
            position++;
            arguments[name] = ToValue(value);
        }

        return arguments;
    }

    private string ToValue(string value)
    {
        if (value is ['"', .. var text, '"'])
            return text;
        return value.EndsWith(".id", StringComparison.Ordinal)
            ? ChatId
            : throw new FormatException($"{Name} is called with {value}, whose value is not known.");
    }

    [GeneratedRegex(@"((?<name>\w+)\s*=\s*)?(?<value>""[^""]*""|[\w.]+)\s*(,|$)", RegexOptions.ExplicitCapture)]
    private static partial Regex Argument();
}
