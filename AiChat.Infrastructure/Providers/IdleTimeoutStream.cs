namespace AiChat.Infrastructure.Providers;

/// <summary>
/// Lets <paramref name="deadline"/> run while a read waits. The time between reads belongs to the consumer and does not count, and whatever
/// the server sends counts as life, be it only a comment.
/// </summary>
internal sealed class IdleTimeoutStream(Stream inner, CallDeadline deadline) : Stream
{
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
        deadline.BeginWait();
        var count = await inner.ReadAsync(buffer, cancellationToken);
        deadline.EndWait();
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
