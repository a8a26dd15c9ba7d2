using System.Globalization;
using System.Text;
using AiChat.Core.Models;

namespace AiChat.Infrastructure.Providers;

/// <summary>What an HTTP answer that is not a reply means. One table for every backend.</summary>
internal static class ProviderFailure
{
    /// <summary>As much of a vendor's text as goes into the log.</summary>
    private const int QuoteLength = 500;

    private static readonly TimeSpan LongestRetryAfter = TimeSpan.FromDays(1);

    public static ProviderError FromStatus(int status) => status switch
    {
        401 or 403 => ProviderError.Unauthorized,
        408 => ProviderError.Timeout,
        429 => ProviderError.RateLimited,
        >= 400 and < 500 => ProviderError.Rejected,
        >= 500 => ProviderError.Unavailable,
        // A redirect is one: chat completions have none, so the address is wrong.
        _ => ProviderError.InvalidResponse,
    };

    /// <summary>A <c>Retry-After</c> value, seconds or a date; null when there is none that can be read.</summary>
    public static TimeSpan? ParseRetryAfter(string? value, DateTimeOffset now)
    {
        if (double.TryParse(value, NumberStyles.AllowDecimalPoint | NumberStyles.AllowLeadingWhite | NumberStyles.AllowTrailingWhite,
            CultureInfo.InvariantCulture, out var seconds))
            return TimeSpan.FromSeconds(Math.Min(seconds, LongestRetryAfter.TotalSeconds));
        if (!DateTimeOffset.TryParseExact(value, "r", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var date))
            return null;
        return date <= now ? TimeSpan.Zero : TimeSpan.FromTicks(Math.Min((date - now).Ticks, LongestRetryAfter.Ticks));
    }

    /// <summary>A vendor's text as it may stand in the log: one line, not too long, without the key should the vendor repeat it.</summary>
    public static string Quote(string text, string? apiKey)
    {
        var safe = apiKey is null ? text : text.Replace(apiKey, "***", StringComparison.Ordinal);
        var quote = new StringBuilder(Math.Min(safe.Length, QuoteLength) + 1);
        foreach (var c in safe.AsSpan(0, Math.Min(safe.Length, QuoteLength)))
            quote.Append(char.IsControl(c) ? ' ' : c);
        return safe.Length > QuoteLength ? quote.Append('…').ToString() : quote.ToString();
    }
}
