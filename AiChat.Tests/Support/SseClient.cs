using System.Net.Http.Headers;
using System.Net.Http.Json;

namespace AiChat.Tests.Support;

/// <summary>Opens streams of a server, each on a connection of its own.</summary>
public sealed class SseClient(Uri server)
{
    public Uri Server => server;

    /// <summary>Sends a message and asks for the reply as a stream.</summary>
    /// <param name="body">Becomes JSON with the names it has here; has to ask for the stream itself (<c>stream = true</c>).</param>
    /// <param name="idempotencyKey">Null for none.</param>
    /// <param name="receiveBuffer">Bytes the system takes before somebody reads; null for its usual number.</param>
    public Task<SseConnection> SendAsync(object body, string? idempotencyKey = null, int? receiveBuffer = null)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, new Uri(server, "/chat")) { Content = JsonContent.Create(body) };
        if (idempotencyKey is not null)
            request.Headers.Add("Idempotency-Key", idempotencyKey);
        return SseConnection.OpenAsync(request, receiveBuffer);
    }

    /// <summary>Follows a run from the beginning, or from behind the event the client had last.</summary>
    public Task<SseConnection> FollowAsync(string runId, string userId, string? lastEventId = null, int? receiveBuffer = null)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, new Uri(server, $"/runs/{runId}/events?user_id={Uri.EscapeDataString(userId)}"));
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("text/event-stream"));
        if (lastEventId is not null)
            request.Headers.Add("Last-Event-ID", lastEventId);
        return SseConnection.OpenAsync(request, receiveBuffer);
    }

    /// <summary>Tries a run again and asks for the reply as a stream.</summary>
    public Task<SseConnection> RetryAsync(string runId, string userId) =>
        SseConnection.OpenAsync(new HttpRequestMessage(
            HttpMethod.Post, new Uri(server, $"/runs/{runId}/retry?user_id={Uri.EscapeDataString(userId)}&stream=true")));
}
