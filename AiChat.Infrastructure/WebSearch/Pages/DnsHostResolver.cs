using System.Net;

namespace AiChat.Infrastructure.WebSearch.Pages;

/// <summary>Asks what the operating system asks.</summary>
internal sealed class DnsHostResolver : IHostResolver
{
    public Task<IPAddress[]> ResolveAsync(string host, CancellationToken cancellationToken) => Dns.GetHostAddressesAsync(host, cancellationToken);
}
