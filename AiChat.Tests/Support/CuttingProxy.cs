using System.Net;
using System.Net.Sockets;
using System.Text;

namespace AiChat.Tests.Support;

/// <summary>
/// The network between an application and its PostgreSQL server, which a test makes fail: connections are reset, refused or kept silent, at
/// once or at a moment that the bytes of the application tell.
/// </summary>
public sealed class CuttingProxy : IAsyncDisposable
{
    /// <summary>The server's word that it has committed.</summary>
    private static readonly byte[] Committed = "COMMIT\0"u8.ToArray();

    private readonly int serverPort;
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource stopping = new();
    private readonly Lock state = new();
    private readonly List<Link> links = [];
    private readonly List<Task> serving = [];
    private readonly Task accepting;
    private TaskCompletionSource flowing = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long? bytesLeft;
    private (byte[] Mark, bool IsDelivered)? markToCut;
    private int accepted;

    private CuttingProxy(int serverPort)
    {
        this.serverPort = serverPort;
        flowing.SetResult();
        listener.Start();
        Port = ((IPEndPoint)listener.LocalEndpoint).Port;
        accepting = AcceptAsync();
    }

    public int Port { get; }

    /// <summary>Connections that were asked for so far.</summary>
    public int Accepted => Volatile.Read(ref accepted);

    /// <summary>Whether a cut that was announced has come.</summary>
    public bool HasCut { get; private set; }

    /// <summary>Whether new connections are reset at once.</summary>
    public bool IsRefusing { get; set; }

    /// <param name="url">Where the server is, as in <c>DATABASE_URL</c>.</param>
    public static CuttingProxy Start(string url) => new(new Uri(url).Port);

    /// <summary>The same URL by way of this proxy.</summary>
    public string ToUrl(string url) => new UriBuilder(url) { Port = Port }.ToString();

    /// <summary>Resets every connection there is.</summary>
    public void CutAll()
    {
        lock (state)
        {
            HasCut = true;
            foreach (var link in links)
                link.Cut();
        }
    }

    /// <summary>Resets every connection there is when so many further bytes have gone to the server.</summary>
    public void CutAfter(long bytes)
    {
        lock (state)
            (bytesLeft, HasCut) = (bytes, false);
    }

    /// <summary>Resets every connection there is when one of them brings this text, which goes to the server together with a commit.</summary>
    /// <param name="mark">What tells the transaction from others.</param>
    /// <param name="isDelivered">Whether the server gets it and commits, so that only its answer is lost.</param>
    public void CutAtCommit(string mark, bool isDelivered)
    {
        lock (state)
            (markToCut, HasCut) = ((Encoding.UTF8.GetBytes(mark), isDelivered), false);
    }

    /// <summary>From here on no byte arrives, and nobody learns why.</summary>
    public void Silence()
    {
        lock (state)
            flowing = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    /// <summary>Lets all bytes go on their way.</summary>
    public void Flow()
    {
        lock (state)
            flowing.TrySetResult();
    }

    public async ValueTask DisposeAsync()
    {
        await stopping.CancelAsync();
        await accepting;
        listener.Dispose();
        CutAll();
        await Task.WhenAll(serving);
        stopping.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var client = await listener.AcceptSocketAsync(stopping.Token);
                Interlocked.Increment(ref accepted);
                if (IsRefusing)
                    client.Close(0);
                else
                    serving.Add(ServeAsync(client));
            }
        }
        catch (OperationCanceledException)
        {
            // Over.
        }
    }

    private async Task ServeAsync(Socket client)
    {
        using var link = new Link(client);
        lock (state)
            links.Add(link);
        try
        {
            await link.Server.ConnectAsync(IPAddress.Loopback, serverPort, stopping.Token);
            await Task.WhenAny(PassToServerAsync(link), PassToClientAsync(link));
        }
        catch (Exception failure) when (IsHangUp(failure))
        {
            // The server is not there.
        }

        link.Cut();
        lock (state)
            links.Remove(link);
    }

    private async Task PassToServerAsync(Link link)
    {
        try
        {
            var buffer = new byte[16 * 1024];
            while (await link.Client.ReceiveAsync(buffer, stopping.Token) is > 0 and var count)
            {
                await flowing.Task.WaitAsync(stopping.Token);
                var (passed, isLast) = Judge(link, buffer.AsSpan(0, count));
                await SendAllAsync(link.Server, buffer.AsMemory(0, passed));
                if (!isLast)
                    continue;
                if (link.IsMuted)
                    await link.Committed.Task.WaitAsync(stopping.Token);
                CutAll();
                return;
            }
        }
        catch (Exception failure) when (IsHangUp(failure))
        {
            // One of the two is gone.
        }
    }

    private async Task PassToClientAsync(Link link)
    {
        try
        {
            var buffer = new byte[16 * 1024];
            while (await link.Server.ReceiveAsync(buffer, stopping.Token) is > 0 and var count)
            {
                await flowing.Task.WaitAsync(stopping.Token);
                if (link.IsMuted && buffer.AsSpan(0, count).IndexOf(Committed) >= 0)
                    link.Committed.TrySetResult();
                if (!link.IsMuted)
                    await SendAllAsync(link.Client, buffer.AsMemory(0, count));
            }
        }
        catch (Exception failure) when (IsHangUp(failure))
        {
            // One of the two is gone.
        }
    }

    /// <summary>How much of it is passed on, and whether the cut comes then.</summary>
    private (int Passed, bool IsLast) Judge(Link link, ReadOnlySpan<byte> bytes)
    {
        lock (state)
        {
            if (bytesLeft is { } left)
            {
                bytesLeft = left - bytes.Length;
                if (bytesLeft > 0)
                    return (bytes.Length, false);
                bytesLeft = null;
                return ((int)left, true);
            }

            if (markToCut is not { } meant || bytes.IndexOf(meant.Mark) < 0)
                return (bytes.Length, false);
            markToCut = null;
            link.IsMuted = meant.IsDelivered;
            return (meant.IsDelivered ? bytes.Length : 0, true);
        }
    }

    private async Task SendAllAsync(Socket socket, ReadOnlyMemory<byte> bytes)
    {
        while (bytes.Length > 0)
            bytes = bytes[await socket.SendAsync(bytes, stopping.Token)..];
    }

    private static bool IsHangUp(Exception failure) => failure is SocketException or OperationCanceledException or ObjectDisposedException;

    private sealed class Link(Socket client) : IDisposable
    {
        public Socket Client { get; } = client;

        public Socket Server { get; } = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };

        /// <summary>Whether the server's answers are kept back.</summary>
        public volatile bool IsMuted;

        /// <summary>Set when it has committed, which only this proxy knows.</summary>
        public TaskCompletionSource Committed { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Cut()
        {
            Client.Close(0);
            Server.Close(0);
        }

        public void Dispose()
        {
            Client.Dispose();
            Server.Dispose();
        }
    }
}
