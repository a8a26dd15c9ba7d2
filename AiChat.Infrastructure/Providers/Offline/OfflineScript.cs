using System.Globalization;
using System.Text.RegularExpressions;

namespace AiChat.Infrastructure.Providers.Offline;

/// <summary>
/// What a message tells the offline backend to do. Directives stand anywhere in the newest user message, apart from other words:
/// <list type="bullet">
/// <item><c>#delay 200</c> answers after that many milliseconds;</item>
/// <item><c>#pace 20</c> waits that many milliseconds between the pieces of a streamed reply;</item>
/// <item><c>#fail 429</c> fails like a server that answers with this HTTP status;</item>
/// <item><c>#cut 5</c> breaks off after that many streamed pieces; a reply that is not streamed just fails;</item>
/// <item><c>#empty</c> answers with no text;</item>
/// <item><c>#say some text</c> answers exactly the rest of the message, in which nothing is a directive any more.</item>
/// </list>
/// </summary>
internal sealed partial record OfflineScript
{
    public TimeSpan Delay { get; private init; }

    public TimeSpan Pace { get; private init; }

    /// <summary>The HTTP status to fail with; null to answer.</summary>
    public int? FailStatus { get; private init; }

    /// <summary>Pieces to send before breaking off; null to send all.</summary>
    public int? CutAfter { get; private init; }

    /// <summary>The reply; null for the ordinary one.</summary>
    public string? Reply { get; private init; }

    public static OfflineScript Parse(string message)
    {
        var script = new OfflineScript();
        if (!message.Contains('#', StringComparison.Ordinal))
            return script;

        foreach (Match match in Directive().Matches(message))
            script = script.With(match);
        return script;
    }

    private OfflineScript With(Match match)
    {
        var number = match.Groups["number"] is { Success: true } digits ? int.Parse(digits.ValueSpan, CultureInfo.InvariantCulture) : 0;
        return match.Groups["name"].Value switch
        {
            "delay" => this with { Delay = TimeSpan.FromMilliseconds(number) },
            "pace" => this with { Pace = TimeSpan.FromMilliseconds(number) },
            "fail" => this with { FailStatus = number },
            "cut" => this with { CutAfter = number },
            "empty" => this with { Reply = "" },
            _ => this with { Reply = match.Groups["text"].Value },
        };
    }

    // The last alternative takes everything behind it, so the search ends there.
    [GeneratedRegex(
        """
        (?<!\S) \# (?:
            (?<name>delay|pace|cut) \s+ (?<number>[0-9]{1,6}) (?!\S)
          | (?<name>fail) \s+ (?<number>[1-5][0-9]{2}) (?!\S)
          | (?<name>empty) (?!\S)
          | (?<name>say) \s (?<text>[\s\S]*)
        )
        """,
        RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant | RegexOptions.IgnorePatternWhitespace)]
    private static partial Regex Directive();
}
