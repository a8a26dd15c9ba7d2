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

    private static readonly string[] UnknownModelCodes = ["model_not_found", "model_decommissioned", "model_not_available"];
    private static readonly string[] UnknownModelWords = ["does not exist", "not found", "decommissioned", "not a valid model"];

    /// <summary>Groq's word for a model that called a tool nobody had declared: the request was right, and another try may be, too.</summary>
    private const string UndeclaredCallCode = "tool_use_failed";

    private static readonly string[] TooLongCodes = ["context_length_exceeded", "exceed_context_size_error"];
    private static readonly string[] TooLongWords =
    [
        "context length", "context window", "context size", "context limit", "prompt is too long", "reduce the length",
    ];

    public static ProviderError FromStatus(int status, ReportedError error) => status switch
    {
        401 => ProviderError.Unauthorized,
        408 => ProviderError.Timeout,
        409 => ProviderError.Unavailable,
        429 => ProviderError.RateLimited,
        404 => ProviderError.UnknownModel,
        413 => ProviderError.PromptTooLong,
        >= 400 and < 500 => FromWords(status, error),
        >= 500 => ProviderError.Unavailable,
        // A redirect is one: chat completions have none, so the address is wrong.
        _ => ProviderError.InvalidResponse,
    };

    /// <summary>A <c>Retry-After</c> value, seconds or a date; null when there is none that can be read.</summary>
    public static TimeSpan? ParseRetryAfter(string? value, DateTimeOffset now)
    {
        if (double.TryParse(value, NumberStyles.AllowDecimalPoint | NumberStyles.AllowLeadingWhite | NumberStyles.AllowTrailingWhite,
            CultureInfo.InvariantCulture, out var seconds) && double.IsFinite(seconds))
            return TimeSpan.FromSeconds(Math.Min(seconds, LongestRetryAfter.TotalSeconds));
        if (!DateTimeOffset.TryParseExact(value, "r", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var date))
            return null;
        return date <= now ? TimeSpan.Zero : TimeSpan.FromTicks(Math.Min((date - now).Ticks, LongestRetryAfter.Ticks));
    }

    /// <summary>A vendor's text as it may stand in the log: one line, not too long, without the secrets should the vendor repeat them.</summary>
    public static string Quote(string text, IEnumerable<string> secrets)
    {
        var safe = secrets.Aggregate(text, (t, secret) => t.Replace(secret, "***", StringComparison.Ordinal));
        var quote = new StringBuilder(Math.Min(safe.Length, QuoteLength) + 1);
        foreach (var c in safe.AsSpan(0, Math.Min(safe.Length, QuoteLength)))
            quote.Append(char.IsControl(c) ? ' ' : c);
        return safe.Length > QuoteLength ? quote.Append('…').ToString() : quote.ToString();
    }

    private static ProviderError FromWords(int status, ReportedError error)
    {
        // With any of these statuses: OpenAI answers 403 for a model the key's project may not use, which is no reason to leave the others alone.
        if (UnknownModelCodes.Contains(error.Code))
            return ProviderError.UnknownModel;
        if (status == 403)
            return ProviderError.Unauthorized;
        if (error.Code == UndeclaredCallCode)
            return ProviderError.InvalidResponse;
        if (TooLongCodes.Contains(error.Code) || Says(error, TooLongWords))
            return ProviderError.PromptTooLong;
        return status == 400 && Says(error, ["model"]) && Says(error, UnknownModelWords) ? ProviderError.UnknownModel : ProviderError.Rejected;
    }

    private static bool Says(ReportedError error, string[] words) =>
        words.Any(w => error.Message.Contains(w, StringComparison.OrdinalIgnoreCase));
}
