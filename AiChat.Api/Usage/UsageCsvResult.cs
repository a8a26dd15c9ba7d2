using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Net.Http.Headers;

namespace AiChat.Api.Usage;

/// <summary>
/// Answers with usage as a table (RFC 4180): a row for every group, or one for the total where nothing is grouped. Texts that a spreadsheet
/// would take for a formula get an apostrophe in front (https://owasp.org/www-community/attacks/CSV_Injection).
/// </summary>
internal sealed class UsageCsvResult(UsageReportResponse report, string? groupBy) : IActionResult
{
    public const string ContentType = "text/csv";

    private static readonly string[] SumColumns =
    [
        "attempts", "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "estimated_attempts", "estimated_input_tokens",
        "estimated_output_tokens", "unpriced_attempts", "cost",
    ];

    /// <summary>Whether the client would rather have a table than JSON.</summary>
    public static bool IsAskedFor(HttpRequest request)
    {
        if (!MediaTypeHeaderValue.TryParseList(request.Headers.Accept, out var accepted))
            return false;
        return GetQuality(accepted, ContentType) > GetQuality(accepted, "application/json");
    }

    /// <summary>The table as it is sent.</summary>
    public static string ToText(UsageReportResponse report, string? groupBy)
    {
        var text = new StringBuilder();
        AddRow(text, [.. GetKeyColumns(groupBy), .. SumColumns]);
        if (groupBy is null)
            AddRow(text, ToCells(report.Total));
        foreach (var group in report.Groups)
            AddRow(text, [.. GetKeys(group).Select(GuardAndQuote), .. ToCells(group)]);
        return text.ToString();
    }

    public Task ExecuteResultAsync(ActionContext context)
    {
        var response = context.HttpContext.Response;
        response.ContentType = ContentType + "; charset=utf-8; header=present";
        return response.WriteAsync(ToText(report, groupBy), context.HttpContext.RequestAborted);
    }

    /// <summary>How much the client wants the type: of the entries that fit, the most exact one says so. 0 when none does.</summary>
    private static double GetQuality(IList<MediaTypeHeaderValue> accepted, string type)
    {
        var wanted = new MediaTypeHeaderValue(type);
        var best = accepted.Where(wanted.IsSubsetOf).MaxBy(a => (!a.MatchesAllTypes, !a.MatchesAllSubTypes));
        return best is null ? 0 : best.Quality ?? 1;
    }

    private static string[] GetKeyColumns(string? groupBy) => groupBy switch
    {
        null => [],
        "model" => ["provider", "model"],
        "day" => ["day"],
        _ => [groupBy + "_id"],
    };

    private static IEnumerable<string> GetKeys(UsageGroupResponse group)
    {
        string?[] keys = [group.Day?.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture), group.Provider, group.Model, group.ChatId, group.UserId];
        return keys.OfType<string>();
    }

    private static string[] ToCells(UsageSumsResponse sums)
    {
        long[] counts =
        [
            sums.Attempts, sums.InputTokens, sums.OutputTokens, sums.CachedTokens, sums.ReasoningTokens, sums.EstimatedAttempts,
            sums.EstimatedInputTokens, sums.EstimatedOutputTokens, sums.UnpricedAttempts,
        ];
        return [.. counts.Select(c => c.ToString(CultureInfo.InvariantCulture)), sums.Cost.ToString(CultureInfo.InvariantCulture)];
    }

    private static string GuardAndQuote(string text)
    {
        if (text.Length > 0 && text[0] is '=' or '+' or '-' or '@' or '\t' or '\r' or '\n')
            text = "'" + text;
        return text.AsSpan().ContainsAny(",\"\r\n") ? $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"" : text;
    }

    private static void AddRow(StringBuilder text, string[] cells) => text.AppendJoin(',', cells).Append("\r\n");
}
