using AiChat.Core.Chats;

namespace AiChat.Api.Chats;

/// <summary>The <c>Link</c> header (RFC 8288) of a page of messages: <c>prev</c> leads to older ones, <c>next</c> to newer ones.</summary>
internal static class PageLinks
{
    /// <summary>Empty when there is nothing beside the page.</summary>
    public static string Create(HttpRequest request, MessagePage page, ListMessagesQuery query)
    {
        if (page.Messages.Count == 0)
            return "";
        var user = request.Query["user_id"] is [{ } id] ? $"&user_id={Uri.EscapeDataString(id)}" : "";
        var before = query.Before is { } end ? $"&before={end}" : "";
        var links = new List<string>(2);
        if (page.HasOlder)
            links.Add(Link($"&before={page.Messages[0].Sequence}", "prev"));
        if (page.HasNewer)
            links.Add(Link($"&after={page.Messages[^1].Sequence}{before}", "next"));
        return string.Join(", ", links);

        string Link(string range, string relation) => $"<{request.Path}?limit={query.Limit}{range}{user}>; rel=\"{relation}\"";
    }
}
