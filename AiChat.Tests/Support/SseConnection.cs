using System.Net.ServerSentEvents;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace AiChat.Tests.Support;

/// <summary>
/// One request on a connection of its own, whose answer is read event by event: nothing is read before the test asks for it, and the
/// connection can be broken off at any point.
/// </summary>
public sealed class SseConnection : IDisposable
{
    /// <summary>Twice as long as a server may be silent.</summary>
    private static readonly TimeSpan LongestSilence = TimeSpan.FromSeconds(30);

    private readonly SocketsHttpHandler handler;
    private readonly HttpMessageInvoker client;
    private readonly CancellationTokenSource silence = new();
    private Socket? socket;
    private HttpResponseMessage? response;
    private IAsyncEnumerator<SseItem<(string Data, JsonElement Json)>>? items;

    private SseConnection(int? receiveBuffer)
    {
        handler = new SocketsHttpHandler
        {
            UseProxy = false,
            UseCookies = false,
            AllowAutoRedirect = false,
            // What is not read is not wanted: no reading on behind the test's back.
            MaxResponseDrainSize = 0,
            ConnectCallback = async (context, cancellationToken) =>
            {
                socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
                if (receiveBuffer is { } size)
                    socket.ReceiveBufferSize = size;
                await socket.ConnectAsync(context.DnsEndPoint, cancellationToken);
                return new NetworkStream(socket, ownsSocket: true);
            },
        };
        client = new HttpMessageInvoker(handler);
    }

    public int Status => (int)Response.StatusCode;

    public HttpResponseMessage Response => response ?? throw new InvalidOperationException("There is no answer.");

    public bool IsEventStream => Response.Content.Headers.ContentType?.MediaType == "text/event-stream";

    /// <summary>Sends a request and returns when the head of the answer is there.</summary>
    /// <param name="request">With an absolute address; belongs to the connection from here on.</param>
    /// <param name="receiveBuffer">Bytes the system takes before somebody reads; null for its usual number.</param>
    /// <exception cref="HttpRequestException">There was no answer.</exception>
    /// <exception cref="TimeoutException">Nothing came for a long time.</exception>
    public static async Task<SseConnection> OpenAsync(HttpRequestMessage request, int? receiveBuffer = null)
    {
        var connection = new SseConnection(receiveBuffer);
        try
        {
            connection.silence.CancelAfter(LongestSilence);
            connection.response = await connection.client.SendAsync(request, connection.silence.Token);
            return connection;
        }
        catch (OperationCanceledException)
        {
            connection.Dispose();
            throw new TimeoutException($"{request.Method} {request.RequestUri} was not answered for {LongestSilence}.");
        }
        catch
        {
            connection.Dispose();
            throw;
        }
        finally
        {
            request.Dispose();
        }
    }

    /// <summary>The next event; null at the end of the body.</summary>
    /// <exception cref="IOException">The connection broke.</exception>
    /// <exception cref="TimeoutException">Nothing came for a long time.</exception>
    public async Task<SseEvent?> ReadEventAsync()
    {
        silence.CancelAfter(LongestSilence);
        try
        {
            items ??= SseParser.Create(await Response.Content.ReadAsStreamAsync(silence.Token), ParseData)
                .EnumerateAsync(silence.Token).GetAsyncEnumerator(silence.Token);
            if (!await items.MoveNextAsync())
                return null;
        }
        catch (OperationCanceledException) when (silence.IsCancellationRequested)
        {
            throw new TimeoutException($"No event came for {LongestSilence}.");
        }

        var (data, json) = items.Current.Data;
        return new SseEvent(items.Current.EventId, items.Current.EventType, data, json);
    }

    /// <summary>The answer as a whole, for one that is no stream of events.</summary>
    public async Task<ApiReply> ReadReplyAsync()
    {
        silence.CancelAfter(LongestSilence);
        var text = await Response.Content.ReadAsStringAsync(silence.Token);
        return new ApiReply(Status, Response.Headers, Response.Content.Headers, text);
    }

    /// <summary>Breaks the connection off (a reset, no good-bye), as a client does that lost its network.</summary>
    public void Drop()
    {
        Break();
        Dispose();
    }

    /// <summary>Breaks the connection off under whoever waits for its answer or its next event.</summary>
    public void Break() => socket?.Close(0);

    public void Dispose()
    {
        response?.Dispose();
        client.Dispose();
        socket?.Dispose();
        silence.Dispose();
    }

    private static (string Data, JsonElement Json) ParseData(string eventType, ReadOnlySpan<byte> data)
    {
        try
        {
            return (Encoding.UTF8.GetString(data), JsonElement.Parse(data));
        }
        catch (JsonException)
        {
            return (Encoding.UTF8.GetString(data), default);
        }
    }
}
