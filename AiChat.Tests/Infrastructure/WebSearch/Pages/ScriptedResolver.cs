using System.Net;
using System.Net.Sockets;
using AiChat.Infrastructure.WebSearch.Pages;

namespace AiChat.Tests.Infrastructure.WebSearch.Pages;

/// <summary>A name server whose answers change with every question; the last one stays. Addresses stand for themselves, as they do for real.</summary>
internal sealed class ScriptedResolver : IHostResolver
{
    private readonly Dictionary<string, Queue<string[]>> answers = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>The names that were asked for.</summary>
    public List<string> Questions { get; } = [];

    /// <summary>Called with every question, before the answer.</summary>
    public Action? Asked { get; set; }

    /// <summary>Appends an answer for a name.</summary>
    public void Answer(string host, params string[] addresses)
    {
        answers.TryAdd(host, new Queue<string[]>());
        answers[host].Enqueue(addresses);
    }

    public Task<IPAddress[]> ResolveAsync(string host, CancellationToken cancellationToken)
    {
        Questions.Add(host);
        Asked?.Invoke();
        if (IPAddress.TryParse(host, out var address))
            return Task.FromResult(new[] { address });
        if (!answers.TryGetValue(host, out var queue))
            throw new SocketException((int)SocketError.HostNotFound);
        var addresses = queue.Count > 1 ? queue.Dequeue() : queue.Peek();
        return Task.FromResult(Array.ConvertAll(addresses, IPAddress.Parse));
    }
}
