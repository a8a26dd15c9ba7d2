using System.Buffers.Text;
using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using AiChat.Api.Errors;
using AiChat.Core.Usage;
using Microsoft.AspNetCore.Mvc;

namespace AiChat.Api.Usage;

/// <summary>Which usage to add up, and how.</summary>
public sealed record UsageRequestQuery
{
    /// <summary>The user whose usage is added up; left out for all users.</summary>
    [FromQuery(Name = "user_id"), StringLength(TextRules.LongestUserId, MinimumLength = 1), DisplayFormat(ConvertEmptyStringToNull = false)]
    public string? UserId { get; init; }

    /// <summary>The first instant or day, ISO 8601, such as <c>2026-03-01</c> or <c>2026-03-01T12:00:00Z</c>; left out for 30 days before <c>to</c>.</summary>
    [FromQuery(Name = "from")]
    public string? From { get; init; }

    /// <summary>The instant where it ends, or the last day; left out for now. At most 366 days behind <c>from</c>.</summary>
    [FromQuery(Name = "to")]
    public string? To { get; init; }

    /// <summary>What to group by: <c>day</c> (in UTC), <c>model</c>, <c>chat</c> or <c>user</c>; left out for the total alone.</summary>
    [FromQuery(Name = "group_by"), AllowedValues("day", "model", "chat", "user")]
    public string? GroupBy { get; init; }

    /// <summary>Most groups in the answer, 1 to 1000.</summary>
    [FromQuery(Name = "limit"), Range(1, UsageLimits.MostGroups), DefaultValue(UsageLimits.UsualGroups)]
    public int Limit { get; init; } = UsageLimits.UsualGroups;

    /// <summary>The <c>next_cursor</c> of the page before; left out for the first page.</summary>
    [FromQuery(Name = "cursor"), MaxLength(UsageLimits.LongestCursor)]
    public string? Cursor { get; init; }
}

/// <summary>What models were used for, and what that cost.</summary>
public sealed record UsageReportResponse
{
    /// <summary>Attempts that began then or later.</summary>
    public required DateTimeOffset From { get; init; }

    /// <summary>Attempts that began before.</summary>
    public required DateTimeOffset To { get; init; }

    /// <summary>Of all groups, not only of those on this page.</summary>
    public required UsageSumsResponse Total { get; init; }

    /// <summary>In the order of their keys; empty without <c>group_by</c>.</summary>
    public required IReadOnlyList<UsageGroupResponse> Groups { get; init; }

    /// <summary>Give it as <c>cursor</c> for the next page; null on the last one.</summary>
    public required string? NextCursor { get; init; }
}

/// <summary>What attempts to answer used together. One send can be several attempts; failed and cancelled ones count.</summary>
public record UsageSumsResponse
{
    /// <summary>Calls of a model that have ended.</summary>
    public required long Attempts { get; init; }

    /// <summary>Tokens of prompts.</summary>
    public required long InputTokens { get; init; }

    /// <summary>Tokens of replies.</summary>
    public required long OutputTokens { get; init; }

    /// <summary>Tokens among <c>input_tokens</c> that the provider had kept from earlier prompts.</summary>
    public required long CachedTokens { get; init; }

    /// <summary>Tokens among <c>output_tokens</c> that were not shown.</summary>
    public required long ReasoningTokens { get; init; }

    /// <summary>Attempts whose tokens are an estimate, because the provider reported none.</summary>
    public required long EstimatedAttempts { get; init; }

    /// <summary>How many of the input tokens are an estimate.</summary>
    public required long EstimatedInputTokens { get; init; }

    /// <summary>How many of the output tokens are an estimate.</summary>
    public required long EstimatedOutputTokens { get; init; }

    /// <summary>Attempts that used tokens without a configured price; they are not in the cost.</summary>
    public required long UnpricedAttempts { get; init; }

    /// <summary>In the currency of the configured prices, at the prices of that time.</summary>
    public required decimal Cost { get; init; }
}

/// <summary>What the attempts of one group used; of the keys only those are there that it is grouped by.</summary>
public sealed record UsageGroupResponse : UsageSumsResponse
{
    /// <summary>The day in UTC, such as <c>2026-03-14</c>.</summary>
    [JsonPropertyOrder(-1), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public DateOnly? Day { get; init; }

    /// <summary>The provider; only together with the model.</summary>
    [JsonPropertyOrder(-1), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Provider { get; init; }

    /// <summary>The model's id at the provider.</summary>
    [JsonPropertyOrder(-1), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Model { get; init; }

    /// <summary>The chat; it may have been deleted since.</summary>
    [JsonPropertyOrder(-1), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? ChatId { get; init; }

    /// <summary>The user.</summary>
    [JsonPropertyOrder(-1), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? UserId { get; init; }
}

internal static class UsageMapper
{
    private static readonly TimeSpan UsualTime = TimeSpan.FromDays(30);

    /// <summary>Instants are stored in milliseconds: what began in this one belongs to the time up to now.</summary>
    private static readonly TimeSpan Precision = TimeSpan.FromMilliseconds(1);

    /// <summary>The query is valid.</summary>
    public static UsageQuery ToQuery(this UsageRequestQuery query, DateTimeOffset now)
    {
        var (from, to) = ToTime(query, now);
        return new UsageQuery
        {
            UserId = query.UserId,
            From = from,
            To = to,
            GroupBy = query.GroupBy is null ? null : Enum.Parse<UsageGrouping>(query.GroupBy, ignoreCase: true),
            After = TryParseCursor(query.Cursor, query.GroupBy, out var after) ? after : null,
            Limit = query.Limit,
        };
    }

    /// <summary>The time that is asked for; its ends are readable.</summary>
    public static (DateTimeOffset From, DateTimeOffset To) ToTime(UsageRequestQuery query, DateTimeOffset now)
    {
        var to = TryParse(query.To, isEnd: true, out var end) ? end : now + Precision;
        if (TryParse(query.From, isEnd: false, out var from))
            return (from, to);
        return (to - DateTimeOffset.MinValue > UsualTime ? to - UsualTime : DateTimeOffset.MinValue, to);
    }

    /// <summary>An instant, or a day as its begin or its end. False for anything else.</summary>
    public static bool TryParse(string? text, bool isEnd, out DateTimeOffset instant)
    {
        instant = default;
        if (DateOnly.TryParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var day))
        {
            if (isEnd && day == DateOnly.MaxValue)
                return false;
            instant = new DateTimeOffset((isEnd ? day.AddDays(1) : day).ToDateTime(TimeOnly.MinValue), TimeSpan.Zero);
            return true;
        }

        return DateTimeOffset.TryParseExact(
            text, ["yyyy-MM-dd'T'HH:mmK", "yyyy-MM-dd'T'HH:mm:ssK", "yyyy-MM-dd'T'HH:mm:ss.FFFFFFFK"], CultureInfo.InvariantCulture,
            DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out instant);
    }

    /// <summary>The key a cursor stands for; false for a text that is none of ours, or one of another grouping. Null stands for the first page.</summary>
    public static bool TryParseCursor(string? text, string? groupBy, out UsageKey? key)
    {
        key = null;
        if (text is null)
            return true;
        if (text.Length > UsageLimits.LongestCursor || !Base64Url.IsValid(text))
            return false;

        try
        {
            var parts = JsonSerializer.Deserialize<string[]>(Base64Url.DecodeFromChars(text));
            if (parts?.Any(p => p?.Contains('\0') == true) == true)
                return false;
            key = (groupBy, parts) switch
            {
                ("day", [{ } day]) when DateOnly.TryParseExact(day, "yyyy-MM-dd", out var date) && date < DateOnly.MaxValue => new UsageKey { Day = date },
                ("model", [{ } provider, { } model]) => new UsageKey { Provider = provider, Model = model },
                ("chat", [{ } chatId]) => new UsageKey { ChatId = chatId },
                ("user", [{ } userId]) => new UsageKey { UserId = userId },
                _ => null,
            };
            return key is not null;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    /// <summary>Opaque to clients, safe in a URL.</summary>
    public static string ToCursor(UsageKey key)
    {
        string?[] parts = [key.Day?.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture), key.Provider, key.Model, key.ChatId, key.UserId];
        return Base64Url.EncodeToString(JsonSerializer.SerializeToUtf8Bytes(parts.OfType<string>()));
    }

    public static UsageReportResponse ToResponse(this UsageReport report, UsageQuery query) => new()
    {
        From = query.From,
        To = query.To,
        Total = report.Total.ToResponse(),
        Groups = [.. report.Groups.Select(ToResponse)],
        NextCursor = report.Next is { } next ? ToCursor(next) : null,
    };

    private static UsageSumsResponse ToResponse(this UsageSums sums) => new()
    {
        Attempts = sums.Attempts,
        InputTokens = sums.InputTokens,
        OutputTokens = sums.OutputTokens,
        CachedTokens = sums.CachedTokens,
        ReasoningTokens = sums.ReasoningTokens,
        EstimatedAttempts = sums.EstimatedAttempts,
        EstimatedInputTokens = sums.EstimatedInputTokens,
        EstimatedOutputTokens = sums.EstimatedOutputTokens,
        UnpricedAttempts = sums.UnpricedAttempts,
        Cost = Normalize(sums.Cost),
    };

    private static UsageGroupResponse ToResponse(UsageGroup group) => new()
    {
        Day = group.Key.Day,
        Provider = group.Key.Provider,
        Model = group.Key.Model,
        ChatId = group.Key.ChatId,
        UserId = group.Key.UserId,
        Attempts = group.Sums.Attempts,
        InputTokens = group.Sums.InputTokens,
        OutputTokens = group.Sums.OutputTokens,
        CachedTokens = group.Sums.CachedTokens,
        ReasoningTokens = group.Sums.ReasoningTokens,
        EstimatedAttempts = group.Sums.EstimatedAttempts,
        EstimatedInputTokens = group.Sums.EstimatedInputTokens,
        EstimatedOutputTokens = group.Sums.EstimatedOutputTokens,
        UnpricedAttempts = group.Sums.UnpricedAttempts,
        Cost = Normalize(group.Sums.Cost),
    };

    /// <summary>Without zeros at the end, which say nothing here.</summary>
    private static decimal Normalize(decimal amount) => amount / 1.0000000000000000000000000000m;
}
