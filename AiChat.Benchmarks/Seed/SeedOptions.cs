using System.Globalization;
using AiChat.Infrastructure.Persistence;

namespace AiChat.Benchmarks.Seed;

/// <summary>What the seed verb is to make, as its command line says.</summary>
internal sealed record SeedOptions
{
    public const string Usage = """
        Usage: seed --database URL --chats N --messages M [--user U] [--ids FILE]
          --database URL  the file to fill, as in DATABASE_URL: sqlite:///./ai_chat.db; made when it is not there
          --chats N       how many chats to make, 1 or more
          --messages M    messages in each of them, an even number: every question has its reply
          --user U        their owner; "default" when not given, who owns what is sent without a user_id
          --ids FILE      write the chats' ids there, one a line
        """;

    private const int MostMessages = 1_000_000;

    public required string DatabaseUrl { get; init; }

    public required int Chats { get; init; }

    /// <summary>Messages in each chat.</summary>
    public required int Messages { get; init; }

    public required string UserId { get; init; }

    /// <summary>The file the chats' ids are written to; null for none.</summary>
    public string? IdsFile { get; init; }

    /// <summary>The options, or every problem of the command line at once.</summary>
    public static (SeedOptions? Options, IReadOnlyList<string> Problems) Parse(IReadOnlyList<string> args)
    {
        var problems = new List<string>();
        var given = ReadPairs(args, problems);

        var options = new SeedOptions
        {
            DatabaseUrl = ReadUrl(),
            Chats = ReadNumber("--chats", 1, int.MaxValue),
            Messages = ReadNumber("--messages", 0, MostMessages),
            UserId = given.GetValueOrDefault("--user", "default"),
            IdsFile = given.GetValueOrDefault("--ids"),
        };
        if (options.Messages % 2 != 0)
            problems.Add($"--messages is {options.Messages}: write an even number, every question has its reply.");
        if (options.UserId.Length == 0)
            problems.Add("--user is empty: write a name, or leave it out.");
        return problems.Count == 0 ? (options, problems) : (null, problems);

        string ReadUrl()
        {
            if (!given.TryGetValue("--database", out var url))
                problems.Add("--database is missing: write the URL of the file to fill, such as sqlite:///./ai_chat.db.");
            else if (!SqliteUrl.TryParse(url, out _, out var problem))
                problems.Add($"--database {problem}");
            return url ?? "";
        }

        int ReadNumber(string name, int least, int most)
        {
            if (!given.TryGetValue(name, out var text))
                problems.Add($"{name} is missing: write a number from {least} to {most}.");
            else if (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number < least || number > most)
                problems.Add($"{name} is '{text}': write a number from {least} to {most}.");
            else
                return number;
            return least;
        }
    }

    private static Dictionary<string, string> ReadPairs(IReadOnlyList<string> args, List<string> problems)
    {
        string[] known = ["--database", "--chats", "--messages", "--user", "--ids"];
        var given = new Dictionary<string, string>(StringComparer.Ordinal);
        for (var i = 0; i < args.Count; i += 2)
        {
            if (!known.Contains(args[i]))
                problems.Add($"'{args[i]}' is no option of seed.");
            else if (i + 1 == args.Count)
                problems.Add($"{args[i]} has no value behind it.");
            else if (!given.TryAdd(args[i], args[i + 1]))
                problems.Add($"{args[i]} is given twice.");
        }

        return given;
    }
}
