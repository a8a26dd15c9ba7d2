using AiChat.Infrastructure.CommandLine;

namespace AiChat.Benchmarks.Seed;

/// <summary>What the seed verb is to make, as its command line says.</summary>
internal sealed record SeedOptions
{
    public const string Usage = """
        Usage: seed --database URL --chats N --messages M [--user U] [--ids FILE]
          --database URL  the database to fill, as in DATABASE_URL: sqlite:///./ai_chat.db (made when it is not there) or postgresql://...
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
        var given = new OptionPairs("seed", args, "--database", "--chats", "--messages", "--user", "--ids");
        var problems = given.Problems;

        var options = new SeedOptions
        {
            DatabaseUrl = ReadUrl(),
            Chats = given.ReadNumber("--chats", 1, int.MaxValue),
            Messages = given.ReadNumber("--messages", 0, MostMessages),
            UserId = given.Find("--user") ?? "default",
            IdsFile = given.Find("--ids"),
        };
        if (options.Messages % 2 != 0)
            problems.Add($"--messages is {options.Messages}: write an even number, every question has its reply.");
        if (options.UserId.Length == 0)
            problems.Add("--user is empty: write a name, or leave it out.");
        return problems.Count == 0 ? (options, problems) : (null, problems);

        string ReadUrl()
        {
            if (given.Find("--database") is not { } url)
                problems.Add("--database is missing: write the URL of the database to fill, such as sqlite:///./ai_chat.db.");
            else if (Infrastructure.Persistence.DatabaseUrl.FindProblem(url) is { } problem)
                problems.Add($"--database {problem}");
            else
                return url;
            return "";
        }
    }
}
