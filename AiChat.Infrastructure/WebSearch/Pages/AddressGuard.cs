using System.Net;
using System.Net.Sockets;

namespace AiChat.Infrastructure.WebSearch.Pages;

/// <summary>
/// Tells the public internet from what only this server's network reaches. The ranges are those of IANA's registries,
/// https://www.iana.org/assignments/iana-ipv4-special-registry and https://www.iana.org/assignments/iana-ipv6-special-registry; the few of
/// them that are reachable from everywhere serve protocols, not pages, and are refused with their neighbours.
/// </summary>
internal static class AddressGuard
{
    private const int EmbeddedStart = 12;

    private static readonly IPNetwork[] SpecialIPv4 =
    [
        IPNetwork.Parse("0.0.0.0/8"), // this network
        IPNetwork.Parse("10.0.0.0/8"), // private
        IPNetwork.Parse("100.64.0.0/10"), // shared behind carriers' NAT; Alibaba's metadata
        IPNetwork.Parse("127.0.0.0/8"), // loopback
        IPNetwork.Parse("168.63.129.16/32"), // Azure's platform: in no registry, as the address is Microsoft's own
        IPNetwork.Parse("169.254.0.0/16"), // link-local; metadata of most clouds
        IPNetwork.Parse("172.16.0.0/12"), // private
        IPNetwork.Parse("192.0.0.0/24"), // protocol assignments; Oracle's metadata
        IPNetwork.Parse("192.0.2.0/24"), // documentation
        IPNetwork.Parse("192.88.99.0/24"), // relays of 6to4
        IPNetwork.Parse("192.168.0.0/16"), // private
        IPNetwork.Parse("198.18.0.0/15"), // benchmarks
        IPNetwork.Parse("198.51.100.0/24"), // documentation
        IPNetwork.Parse("203.0.113.0/24"), // documentation
        IPNetwork.Parse("224.0.0.0/4"), // multicast
        IPNetwork.Parse("240.0.0.0/4"), // reserved, and broadcast
    ];

    /// <summary>All that is handed out of IPv6; loopback, mapped, unique-local, link-local, site-local, discard and multicast lie outside.</summary>
    private static readonly IPNetwork GlobalIPv6 = IPNetwork.Parse("2000::/3");

    private static readonly IPNetwork[] SpecialIPv6 =
    [
        IPNetwork.Parse("2001::/23"), // protocol assignments: Teredo, benchmarks, ORCHID
        IPNetwork.Parse("2001:db8::/32"), // documentation
        IPNetwork.Parse("2002::/16"), // 6to4, which holds an IPv4 address
        IPNetwork.Parse("3fff::/20"), // documentation
    ];

    /// <summary>How a network that speaks IPv6 alone reaches the IPv4 internet, so what is inside decides.</summary>
    private static readonly IPNetwork Nat64 = IPNetwork.Parse("64:ff9b::/96");

    /// <summary>Whether anybody could reach it from anywhere. IPv4 addresses in the clothes of IPv6 are refused, but for those of NAT64.</summary>
    public static bool IsPublic(IPAddress address)
    {
        if (address.AddressFamily == AddressFamily.InterNetwork)
            return !Array.Exists(SpecialIPv4, n => n.Contains(address));
        // Asked first, because a network of IPv6 compares a mapped address as if it were IPv4, and then 2000::/3 contains ::ffff:8.8.8.8.
        if (address.AddressFamily != AddressFamily.InterNetworkV6 || address.IsIPv4MappedToIPv6)
            return false;
        return Nat64.Contains(address)
            ? IsPublic(new IPAddress(address.GetAddressBytes().AsSpan(EmbeddedStart)))
            : GlobalIPv6.Contains(address) && !Array.Exists(SpecialIPv6, n => n.Contains(address));
    }
}
