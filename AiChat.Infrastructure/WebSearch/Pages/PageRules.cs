using System.Net;

namespace AiChat.Infrastructure.WebSearch.Pages;

/// <summary>What a URL has to look like before anything is resolved or connected for it.</summary>
internal sealed class PageRules(IEnumerable<string> allowedHosts)
{
    private const int HttpPort = 80;
    private const int HttpsPort = 443;
    private const int LongestName = 253;
    private const int LongestLabel = 63;

    /// <summary>Names that mean something else in every network: RFC 6761, RFC 6762, RFC 8375, and ICANN's choice for private use.</summary>
    private static readonly string[] PrivateSuffixes = [".localhost", ".local", ".internal", ".home.arpa"];

    private readonly HashSet<string> allowed = new(allowedHosts.Select(h => h.Trim()), StringComparer.OrdinalIgnoreCase);

    /// <summary>Null when it may be fetched, provided its addresses are public.</summary>
    public PageRefusal? FindRefusal(Uri url)
    {
        if (!url.IsAbsoluteUri || (url.Scheme != Uri.UriSchemeHttp && url.Scheme != Uri.UriSchemeHttps))
            return PageRefusal.Scheme;
        if (url.UserInfo.Length > 0)
            return PageRefusal.UserInfo;
        if (FindName(url) is not { } host)
            return PageRefusal.Host;
        if (IsAllowed(host, url.Port))
            return null;
        if (url.Port is not (HttpPort or HttpsPort))
            return PageRefusal.Port;
        return FindRefusal(host);
    }

    /// <summary>
    /// Whether the configuration vouches for it, whatever its address. An entry without a port stands for 80 and 443; brackets around IPv6
    /// addresses are for entries alone.
    /// </summary>
    public bool IsAllowed(string host, int port)
    {
        if (allowed.Count == 0)
            return false;
        var entry = host.Contains(':') ? $"[{host}]" : host;
        return allowed.Contains($"{entry}:{port}") || (port is HttpPort or HttpsPort && allowed.Contains(entry));
    }

    /// <summary>What is resolved for it; null where its characters make no name, which no URL is asked for when it is created.</summary>
    private static string? FindName(Uri url)
    {
        try
        {
            return url.IdnHost;
        }
        catch (UriFormatException)
        {
            return null;
        }
    }

    private static PageRefusal? FindRefusal(string host)
    {
        if (IPAddress.TryParse(host, out var address))
            return AddressGuard.IsPublic(address) ? null : PageRefusal.Address;
        return IsPublicName(host) ? null : PageRefusal.Host;
    }

    /// <summary>At least two labels of plain characters, the last no number: resolvers read such names as addresses.</summary>
    private static bool IsPublicName(string host)
    {
        var labels = host.Split('.');
        return host.Length <= LongestName
            && labels.Length > 1
            && Array.TrueForAll(labels, IsLabel)
            && char.IsAsciiLetter(labels[^1][0])
            && !Array.Exists(PrivateSuffixes, s => host.EndsWith(s, StringComparison.OrdinalIgnoreCase) || host.Equals(s[1..], StringComparison.OrdinalIgnoreCase));
    }

    private static bool IsLabel(string label) =>
        label.Length is > 0 and <= LongestLabel && label.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_');
}
