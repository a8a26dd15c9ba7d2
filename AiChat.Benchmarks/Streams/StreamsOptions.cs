using AiChat.Infrastructure.CommandLine;

namespace AiChat.Benchmarks.Streams;

/// <summary>What the streams verb is to do, as its command line says.</summary>
internal sealed record StreamsOptions
{
    public const string Usage = """
        Usage: streams --url URL [--streams N] [--tokens T] [--pace MS] [--rounds R] [--user U]
          --url URL    a server without a key, such as http://localhost:8000: its offline backend plays the model
          --streams N  replies open at the same time, 1 to 5000; 100 when not given
          --tokens T   words of each reply, 2 to 2000; 64 when not given
          --pace MS    milliseconds between two words, 0 to 1000; 20 when not given
          --rounds R   replies in each of the N streams, one after the other; 3 when not given, and one before to warm up
          --user U     the owner of the chats; "benchmark" when not given
        """;

    public required Uri Url { get; init; }

    public required int Streams { get; init; }

    public required int Tokens { get; init; }

    /// <summary>Milliseconds between two tokens.</summary>
    public required int Pace { get; init; }

    public required int Rounds { get; init; }

    public required string UserId { get; init; }

    /// <summary>The options, or every problem of the command line at once.</summary>
    public static (StreamsOptions? Options, IReadOnlyList<string> Problems) Parse(IReadOnlyList<string> args)
    {
        var given = new OptionPairs("streams", args, "--url", "--streams", "--tokens", "--pace", "--rounds", "--user");
        if (!Uri.TryCreate(given.Find("--url"), UriKind.Absolute, out var url) || url.Scheme != Uri.UriSchemeHttp)
            given.Problems.Add("--url is missing or no http address: write the server's, such as http://localhost:8000.");

        var options = new StreamsOptions
        {
            Url = url ?? new Uri("http://localhost"),
            Streams = given.ReadNumber("--streams", 1, 5000, otherwise: 100),
            Tokens = given.ReadNumber("--tokens", 2, 2000, otherwise: 64),
            Pace = given.ReadNumber("--pace", 0, 1000, otherwise: 20),
            Rounds = given.ReadNumber("--rounds", 1, 1000, otherwise: 3),
            UserId = given.Find("--user") ?? "benchmark",
        };
        return given.Problems.Count == 0 ? (options, given.Problems) : (null, given.Problems);
    }
}
