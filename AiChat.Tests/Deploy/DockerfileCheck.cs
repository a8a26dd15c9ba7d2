using System.Text.RegularExpressions;
using AiChat.Api.Configuration;

namespace AiChat.Tests.Deploy;

/// <summary>Finds what is wrong with the Dockerfile, beyond its syntax.</summary>
internal sealed partial class DockerfileCheck
{
    /// <summary>Where the image listens.</summary>
    public const int Port = 8000;

    /// <summary>The image's name in every file that runs it.</summary>
    public static readonly string Image = $"aichat:{Banner.Version}";

    private const string Program = "/app/AiChat.Api.dll";

    private readonly List<(int Stage, string Name, string Arguments)> instructions = [];
    private readonly string[] ignoreExceptions;

    public DockerfileCheck(string dockerfile, string dockerignore)
    {
        ignoreExceptions = [.. dockerignore.Split('\n').Where(l => l.StartsWith('!')).Select(l => l[1..].Trim())];
        var lines = dockerfile.Split('\n').Where(l => !l.StartsWith('#') && l.Trim().Length > 0);
        var stage = -1;
        foreach (var line in string.Join('\n', lines).Replace("\\\n", " ", StringComparison.Ordinal).Split('\n'))
        {
            var (name, arguments) = (line.Split(' ')[0], line[line.IndexOf(' ', StringComparison.Ordinal)..].Trim());
            if (name == "FROM")
                stage++;
            instructions.Add((stage, name, arguments));
        }
    }

    private int LastStage => instructions[^1].Stage;

    public IEnumerable<string> FindProblems()
    {
        if (Last("USER") is null or "root" or "0")
            yield return "it runs as root";
        if (Last("HEALTHCHECK") is not { } check || !check.EndsWith($"""CMD ["dotnet", "{Program}", "health"]""", StringComparison.Ordinal))
            yield return "nobody asks whether it lives";
        if (Last("ENTRYPOINT") != $"""["dotnet", "{Program}"]""")
            yield return "signals do not reach the program";
        if (Last("STOPSIGNAL") != "SIGTERM")
            yield return "it is not asked to stop";
        if (Last("VOLUME") != "/data" || GetSetting("Database__Url") != "sqlite:////data/ai_chat.db")
            yield return "the database is on no volume";
        if (Last("EXPOSE") != $"{Port}" || GetSetting("Urls") != $"http://+:{Port}")
            yield return "it listens elsewhere";
        if (!(Last("LABEL") ?? "").Contains($"org.opencontainers.image.version=\"{Banner.Version}\"", StringComparison.Ordinal))
            yield return "its label names another version";
        foreach (var name in Settings().Select(s => s.Key).Where(n => !KnownSettings.Contains(n)))
            yield return $"{name} is no setting";
        foreach (var copy in instructions.Where(i => i.Name == "COPY").SelectMany(i => CheckCopy(i.Stage, i.Arguments)))
            yield return copy;
    }

    [GeneratedRegex(@"(?<name>\w+)=(?<value>\S*)")]
    private static partial Regex Assignment();

    private IEnumerable<string> CheckCopy(int stage, string arguments)
    {
        var words = arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        var origin = words.FirstOrDefault(w => w.StartsWith("--from=", StringComparison.Ordinal))?["--from=".Length..];
        if (stage == LastStage && origin is null)
            yield return "the image is made of files that were not built";
        if (origin is not null && !instructions.Any(i => i.Stage < stage && i.Name == "FROM" && i.Arguments.EndsWith($" AS {origin}", StringComparison.Ordinal)))
            yield return $"there is no stage {origin}";
        if (origin is not null)
            yield break;
        foreach (var source in words[..^1])
        {
            if (!Path.Exists(Path.Combine(DeployFolder.Repository, source)))
                yield return $"there is no {source}";
            if (!ignoreExceptions.Contains(source.Split('/')[0]))
                yield return $"{source} is ignored";
        }
    }

    private IEnumerable<KeyValuePair<string, string>> Settings() => instructions
        .Where(i => i.Stage == LastStage && i.Name == "ENV")
        .SelectMany(i => Assignment().Matches(i.Arguments))
        .Select(m => KeyValuePair.Create(m.Groups["name"].Value, m.Groups["value"].Value));

    private string? GetSetting(string name) => Settings().Where(s => s.Key == name).Select(s => s.Value).FirstOrDefault();

    /// <summary>What the image's stage says last.</summary>
    private string? Last(string name) => instructions.Where(i => i.Stage == LastStage && i.Name == name).Select(i => i.Arguments).LastOrDefault();
}
