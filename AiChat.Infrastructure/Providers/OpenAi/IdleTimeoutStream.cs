namespace AiChat.Infrastructure.Providers.OpenAi;

/// <summary>
/// Cancels <paramref name="deadline"/> when one read takes too long. The time between reads belongs to the consumer and does not count,
/// and whatever the server sends counts as life, be it only a comment.
/// </summary>
internal sealed class IdleTimeoutStream(Stream inner, CancellationTokenSource deadline, TimeSpan timeout) : Stream
{
    /// <summary>Longest wait of one read.</summary>
    public TimeSpan Timeout { get; set; } = timeout;

    public override bool CanRead => true;
    public override bool CanSeek => false;
    public override bool CanWrite => false;
    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        deadline.CancelAfter(Timeout);
        var count = await inner.ReadAsync(buffer, cancellationToken);
        deadline.CancelAfter(System.Threading.Timeout.InfiniteTimeSpan);
        return count;
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
    public override void SetLength(long value) => throw new NotSupportedException();
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Flush()
    {
    }
}
