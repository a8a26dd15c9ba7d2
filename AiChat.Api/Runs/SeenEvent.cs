using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace AiChat.Api.Runs;

/// <summary>An event a client has seen.</summary>
/// <param name="RunId">Its run; null when the client names only the position.</param>
/// <param name="Sequence">Its position in the run's log; 0 when the client has seen none.</param>
public readonly record struct SeenEvent(string? RunId, long Sequence) : IParsable<SeenEvent>
{
    public static SeenEvent Parse(string s, IFormatProvider? provider) =>
        TryParse(s, provider, out var result) ? result : throw new FormatException("The text is no id of an event.");

    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, out SeenEvent result)
    {
        var colon = s?.IndexOf(':', StringComparison.Ordinal) ?? -1;
        var run = Guid.Empty;
        result = default;
        if (s is null || (colon >= 0 && !Guid.TryParse(s.AsSpan(0, colon), out run))
            || !long.TryParse(s.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var sequence))
            return false;

        result = new SeenEvent(colon < 0 ? null : run.ToString(), sequence);
        return true;
    }
}
