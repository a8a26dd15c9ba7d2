using AiChat.Api.Chats;
using AiChat.Core.Chats;

namespace AiChat.Api.Dialects;

/// <summary>The <c>Link</c> header (RFC 8288) of a page of a dialect's list, whose body has no place for a cursor.</summary>
internal static class ChatLinks
{
    private const string Cursor = "cursor";

    /// <summary>Adds the header to the answer; nothing on the last page.</summary>
    /// <param name="http">The request of the page.</param>
    /// <param name="next">The cursor of the page behind it; null when there is none.</param>
    /// <param name="path">The list's path as it is sent; null for the request's.</param>
    public static void Announce(HttpContext http, ChatCursor? next, string? path = null)
    {
        if (next is { } cursor)
            http.Response.Headers.Link = ToNext(path ?? http.Request.Path, http.Request.Query, cursor);
    }

    /// <summary>Leads to the next page: the same path and query, from the cursor on.</summary>
    /// <param name="path">As it is sent, with everything escaped that has to be.</param>
    /// <param name="query">The query.</param>
    /// <param name="next">The cursor.</param>
    public static string ToNext(string path, IQueryCollection query, ChatCursor next)
    {
        var others = from parameter in query
                     where !parameter.Key.Equals(Cursor, StringComparison.OrdinalIgnoreCase)
                     from value in parameter.Value
                     select KeyValuePair.Create(parameter.Key, value);
        return $"<{path}{QueryString.Create([.. others, KeyValuePair.Create(Cursor, (string?)next.ToText())])}>; rel=\"next\"";
    }
}
