using System.Buffers;

namespace AiChat.Infrastructure.Providers;

/// <summary>Reads bodies that are no streams of events.</summary>
internal static class AnswerBody
{
    private const int FirstBufferSize = 8 * 1024;
    private const int LongestAnswer = 32 * 1024 * 1024;
    private const int LongestError = 16 * 1024;

    /// <summary>An error's body is worth a moment, not the patience an answer gets.</summary>
    private static readonly TimeSpan ErrorTimeout = TimeSpan.FromSeconds(2);

    public delegate T Parser<out T>(ReadOnlySpan<byte> body);

    /// <exception cref="Core.Models.ProviderException">It is too long.</exception>
    public static async Task<T> ReadAsync<T>(Stream body, Parser<T> parse, FailureMapper failures, CancellationToken cancellationToken)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(FirstBufferSize);
        try
        {
            var length = 0;
            while (await body.ReadAsync(buffer.AsMemory(length), cancellationToken) is > 0 and var count)
            {
                length += count;
                if (length > LongestAnswer)
                    throw failures.InvalidAnswer($"it is longer than {LongestAnswer} bytes.");
                if (length == buffer.Length)
                    buffer = Grow(buffer);
            }

            return parse(buffer.AsSpan(0, length));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>What can be had of an error's body; the status says enough without it.</summary>
    public static async Task<byte[]> ReadErrorAsync(Stream body, CallDeadline deadline)
    {
        var buffer = new byte[LongestError];
        var length = 0;
        deadline.Shorten(ErrorTimeout);
        try
        {
            while (length < buffer.Length && await body.ReadAsync(buffer.AsMemory(length), deadline.Token) is > 0 and var count)
                length += count;
        }
        catch (Exception failure) when (FailureMapper.IsExpected(failure))
        {
            // Cut or slow: the error is reported with the words that came.
        }

        return buffer[..length];
    }

    private static byte[] Grow(byte[] full)
    {
        var larger = ArrayPool<byte>.Shared.Rent(full.Length * 2);
        full.CopyTo(larger, 0);
        ArrayPool<byte>.Shared.Return(full);
        return larger;
    }
}
