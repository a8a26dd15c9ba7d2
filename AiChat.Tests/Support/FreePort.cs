using System.Net;
using System.Net.Sockets;

namespace AiChat.Tests.Support;

/// <summary>
/// Ports for servers that are told where to listen. They are below those the system hands out by itself: until the server listens, and
/// while it is down, nobody else can be given its port, no other test's server and no client. One after the other from a random first,
/// so that runs of the tests beside each other do not meet.
/// </summary>
internal static class FreePort
{
    private const int First = 20_000;

    /// <summary>The first port Linux gives to sockets that ask for any (<c>net.ipv4.ip_local_port_range</c>).</summary>
    private const int End = 32_768;

    private static int last = Random.Shared.Next(End - First);

    /// <summary>A port of loopback where nobody listens.</summary>
    public static int Find()
    {
        while (true)
        {
            var port = First + (Interlocked.Increment(ref last) % (End - First));
            try
            {
                using var listener = new TcpListener(IPAddress.Loopback, port);
                listener.Start();
                return port;
            }
            catch (SocketException)
            {
                // Taken: the next one.
            }
        }
    }
}
