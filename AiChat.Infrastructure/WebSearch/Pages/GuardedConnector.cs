using System.Net.Sockets;

namespace AiChat.Infrastructure.WebSearch.Pages;

/// <summary>Connects to addresses of the public internet alone, and to nothing but the addresses it has checked.</summary>
internal sealed class GuardedConnector(PageRules rules, IHostResolver resolver)
{
    /// <exception cref="PageRefusedException">
    /// One of the host's addresses is not public. The whole host is refused then: no public site has such an address, only one whose name was
    /// made to point here.
    /// </exception>
    /// <exception cref="SocketException">It has no address, or nobody answers at any.</exception>
    public async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        var (host, port) = (context.DnsEndPoint.Host, context.DnsEndPoint.Port);
        var addresses = await resolver.ResolveAsync(host, cancellationToken);
        if (addresses.Length == 0)
            throw new SocketException((int)SocketError.HostNotFound);
        if (!rules.IsAllowed(host, port) && !Array.TrueForAll(addresses, AddressGuard.IsPublic))
            throw new PageRefusedException(PageRefusal.Address);

        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(addresses, port, cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
