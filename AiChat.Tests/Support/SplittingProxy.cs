using System.Net;
using System.Net.Sockets;

namespace AiChat.Tests.Support;

/// <summary>What a <see cref="SplittingProxy"/> does to the bytes of the answers.</summary>
public sealed record SplitMode
{
    private SplitMode()
    {
    }

    /// <summary>The fewest and the most bytes of one write; null for whatever came.</summary>
    internal (int Fewest, int Most)? Size { get; private init; }

    /// <summary>How long bytes are collected before they are passed on together.</summary>
    internal TimeSpan Collect { get; private init; }

    /// <summary>Bytes of an answer after which its connection is cut, by the number of the connection; null for never.</summary>
    internal Func<int, int?> CutAfter { get; private init; } = _ => null;

    /// <summary>Every byte in a write of its own.</summary>
    public static SplitMode Bytes() => Pieces(1, 1);

    /// <summary>Writes of random sizes, both ends included.</summary>
    public static SplitMode Pieces(int fewest, int most) => new() { Size = (fewest, most) };

    /// <summary>Everything that came within this time in one write.</summary>
    public static SplitMode Merged(TimeSpan time) => new() { Collect = time };

    /// <summary>As it came, but connection number n (from 0) ends after so many bytes of its answers.</summary>
    public static SplitMode Cut(Func<int, int?> after) => new() { CutAfter = after };
}

/// <summary>
/// A TCP proxy on loopback in front of a server. Requests pass as they are; answers arrive split, merged or cut, which is what networks
/// do to streams.
/// </summary>
public sealed class SplittingProxy : IAsyncDisposable
{
    private const int MostCollected = 1 << 20;

    private readonly Uri server;
    private readonly SplitMode mode;
    private readonly Random random;
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource stopping = new();
    private readonly List<Task> connections = [];
    private readonly Task accepting;
    private long passed;

    private SplittingProxy(Uri server, SplitMode mode, int seed)
    {
        this.server = server;
        this.mode = mode;
        random = new Random(seed);
        listener.Start();
        Address = new Uri($"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}");
        accepting = AcceptAsync();
    }

    /// <summary>What clients connect to.</summary>
    public Uri Address { get; }

    /// <summary>Bytes of answers that were passed on.</summary>
    public long Passed => Interlocked.Read(ref passed);

    public static SplittingProxy Start(Uri server, SplitMode mode, int seed = 1) => new(server, mode, seed);

    public async ValueTask DisposeAsync()
    {
        await stopping.CancelAsync();
        // First: a listener that is gone refuses to accept with an exception of its own.
        await accepting;
        listener.Dispose();
        await Task.WhenAll(connections);
        stopping.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var client = await listener.AcceptSocketAsync(stopping.Token);
                connections.Add(ServeAsync(client, mode.CutAfter(connections.Count)));
            }
        }
        catch (Exception failure) when (IsHangUp(failure))
        {
            // Over.
        }
    }

    private async Task ServeAsync(Socket client, int? cutAfter)
    {
        using var upstream = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        using (client)
        {
            client.NoDelay = true;
            var requests = Task.CompletedTask;
            try
            {
                await upstream.ConnectAsync(server.Host, server.Port, stopping.Token);
                requests = PassRequestsAsync(client, upstream);
                await PassAnswersAsync(upstream, client, cutAfter);
            }
            catch (Exception failure) when (IsHangUp(failure))
            {
                // One of the two is gone, or the proxy ends.
            }

            // The client gets every byte that was passed on, then the end; the server is told at once that nobody reads any more.
            client.Dispose();
            upstream.Close(0);
            await requests;
        }
    }

    private async Task PassRequestsAsync(Socket client, Socket upstream)
    {
        try
        {
            var buffer = new byte[16 * 1024];
            while (await client.ReceiveAsync(buffer, stopping.Token) is > 0 and var count)
                await SendAllAsync(upstream, buffer.AsMemory(0, count));
            // A client that has nothing more to ask may still read.
            upstream.Shutdown(SocketShutdown.Send);
        }
        catch (Exception failure) when (IsHangUp(failure))
        {
            upstream.Close(0);
        }
    }

    private async Task PassAnswersAsync(Socket upstream, Socket client, int? cutAfter)
    {
        var left = cutAfter ?? int.MaxValue;
        var buffer = new byte[mode.Collect > TimeSpan.Zero ? MostCollected : 16 * 1024];
        while (left > 0 && await ReceiveAsync(upstream, buffer) is > 0 and var count)
        {
            count = Math.Min(count, left);
            left -= cutAfter is null ? 0 : count;
            for (var start = 0; start < count;)
            {
                var size = Math.Min(NextSize(), count - start);
                await SendAllAsync(client, buffer.AsMemory(start, size));
                Interlocked.Add(ref passed, size);
                start += size;
            }
        }
    }

    private async Task<int> ReceiveAsync(Socket upstream, byte[] buffer)
    {
        var count = await upstream.ReceiveAsync(buffer, stopping.Token);
        if (mode.Collect == TimeSpan.Zero || count == 0)
            return count;
        await Task.Delay(mode.Collect, stopping.Token);
        while (upstream.Available > 0 && count < buffer.Length)
            count += await upstream.ReceiveAsync(buffer.AsMemory(count), stopping.Token);
        return count;
    }

    private async Task SendAllAsync(Socket socket, ReadOnlyMemory<byte> bytes)
    {
        while (bytes.Length > 0)
            bytes = bytes[await socket.SendAsync(bytes, stopping.Token)..];
    }

    private int NextSize()
    {
        if (mode.Size is not { } size)
            return int.MaxValue;
        lock (random)
            return random.Next(size.Fewest, size.Most + 1);
    }

    private static bool IsHangUp(Exception failure) => failure is SocketException or OperationCanceledException or ObjectDisposedException;
}
