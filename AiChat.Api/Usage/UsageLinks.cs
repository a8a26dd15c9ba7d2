using System.Globalization;
using AiChat.Core.Usage;

namespace AiChat.Api.Usage;

/// <summary>Where the next page of groups is. It names its time, so that pages asked for later are of the same one.</summary>
internal static class UsageLinks
{
    public static string ToNext(HttpRequest request, UsageRequestQuery query, UsageQuery asked, string cursor)
    {
        var user = query.UserId is { } id ? $"&user_id={Uri.EscapeDataString(id)}" : "";
        return $"{request.Path}?group_by={query.GroupBy}&from={ToText(asked.From)}&to={ToText(asked.To)}{user}&limit={query.Limit}&cursor={cursor}";
    }

    private static string ToText(DateTimeOffset instant) => instant.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.FFFFFFF'Z'", CultureInfo.InvariantCulture);
}
