using System.Net;

namespace AiChat.Infrastructure.WebSearch.Pages;

/// <summary>Turns the names of hosts into addresses.</summary>
internal interface IHostResolver
{
    /// <summary>Its addresses; an address stands for itself.</summary>
    /// <exception cref="System.Net.Sockets.SocketException">It has none.</exception>
    Task<IPAddress[]> ResolveAsync(string host, CancellationToken cancellationToken);
}
