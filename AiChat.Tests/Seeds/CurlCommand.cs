using System.Text.RegularExpressions;

namespace AiChat.Tests.Seeds;

/// <summary>A call of <c>curl</c>, as far as the documents use it.</summary>
public sealed partial record CurlCommand
{
    private CurlCommand(IReadOnlyList<string> arguments) => Arguments = arguments;

    /// <summary>What stands behind <c>curl</c>, in its order.</summary>
    public IReadOnlyList<string> Arguments { get; private init; }

    public string Method { get; private init; } = "";

    /// <summary>As it was written, with or without a scheme.</summary>
    public string Url { get; private init; } = "";

    /// <summary>Path and query.</summary>
    public string Target => Address().Match(Url).Groups["target"].Value is { Length: > 0 } target ? target : "/";

    public IReadOnlyList<(string Name, string Value)> Headers { get; private init; } = [];

    /// <summary>Null when nothing is sent.</summary>
    public string? Data { get; private init; }

    public bool FollowsRedirects { get; private init; }

    /// <exception cref="FormatException">It has an option that is not known here, or no address.</exception>
    public static CurlCommand Parse(IReadOnlyList<string> arguments)
    {
        var headers = new List<(string, string)>();
        var command = new CurlCommand(arguments) { Headers = headers };
        var method = (string?)null;
        for (var i = 0; i < arguments.Count; i++)
        {
            switch (arguments[i])
            {
                case "-X" or "--request":
                    method = Next(arguments, ref i);
                    break;
                case "-H" or "--header":
                    headers.Add(ToHeader(Next(arguments, ref i)));
                    break;
                case "-d" or "--data":
                    command = command with { Data = Next(arguments, ref i) };
                    break;
                case "-N" or "--no-buffer":
                    break;
                case "-L" or "--location":
                    command = command with { FollowsRedirects = true };
                    break;
                case ['-', ..] option:
                    throw new FormatException($"curl's option {option} is not known here.");
                case var url when command.Url.Length == 0:
                    command = command with { Url = url };
                    break;
                case var other:
                    throw new FormatException($"curl was given a second address: {other}");
            }
        }

        if (command.Url.Length == 0)
            throw new FormatException($"curl was given no address: {string.Join(' ', arguments)}");
        return command with { Method = method ?? (command.Data is null ? "GET" : "POST") };
    }

    /// <summary>The same call of another server: only host and port change.</summary>
    public CurlCommand At(Uri server)
    {
        var url = Address().Replace(Url, $"${{scheme}}{server.Authority}${{target}}");
        return this with { Url = url, Arguments = [.. Arguments.Select(a => a == Url ? url : a)] };
    }

    /// <summary>The same call with every argument changed, wherever a text to replace stands.</summary>
    public CurlCommand Map(Func<string, string> change) => Parse([.. Arguments.Select(change)]);

    private static string Next(IReadOnlyList<string> arguments, ref int position) => ++position < arguments.Count
        ? arguments[position]
        : throw new FormatException($"curl's option {arguments[position - 1]} has no value.");

    private static (string Name, string Value) ToHeader(string text) => text.Split(':', 2) is [var name, var value]
        ? (name.Trim(), value.Trim())
        : throw new FormatException($"This is no header: {text}");

    [GeneratedRegex("^(?<scheme>https?://)?(?<authority>[^/?]+)(?<target>.*)$", RegexOptions.Singleline)]
    private static partial Regex Address();
}
