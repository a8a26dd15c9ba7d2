using System.Buffers;
using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace AiChat.Infrastructure.Persistence.Copying;

/// <summary>
/// The rows of a table up to one of them, in the order of their keys: how many, and a hash that is the same on every engine. Each row's hash
/// (SHA-256) is over the one before and the row, so that counting can be given up and taken up again anywhere.
/// </summary>
internal sealed class RowChain
{
    private const byte NullMark = 0;
    private const byte NumberMark = 1;
    private const byte DoubleMark = 2;
    private const byte TextMark = 3;

    private readonly ArrayBufferWriter<byte> bytes = new();
    private byte[] hash = new byte[SHA256.HashSizeInBytes];

    public long Rows { get; private set; }

    /// <summary>In hexadecimal digits.</summary>
    public string Hash => Convert.ToHexStringLower(hash);

    /// <summary>The newest row; null when there is none.</summary>
    public object?[]? Last { get; private set; }

    /// <summary>How many texts lost characters that the target cannot store.</summary>
    public long Mended { get; private set; }

    /// <summary>Another one that goes on from here and leaves this one as it is.</summary>
    public RowChain Fork() => new() { hash = (byte[])hash.Clone(), Rows = Rows, Last = Last, Mended = Mended };

    /// <param name="row">What is stored of it.</param>
    /// <param name="mended">How many of its texts are not what they were in the source.</param>
    public void Add(object?[] row, int mended = 0)
    {
        bytes.ResetWrittenCount();
        bytes.Write(hash);
        foreach (var value in row)
            Write(value);
        SHA256.HashData(bytes.WrittenSpan, hash);
        (Rows, Last, Mended) = (Rows + 1, row, Mended + mended);
    }

    private void Write(object? value)
    {
        switch (value)
        {
            case null:
                bytes.Write([NullMark]);
                break;
            case long number:
                Write(NumberMark, number);
                break;
            case double number:
                // Adding zero makes one of the two zeros, between which SQLite does not tell.
                Write(DoubleMark, BitConverter.DoubleToInt64Bits(number + 0.0));
                break;
            case string text:
                Write(TextMark, Encoding.UTF8.GetByteCount(text));
                Encoding.UTF8.GetBytes(text, bytes);
                break;
            default:
                throw new NotSupportedException($"Rows with a {value.GetType()} are not copied.");
        }
    }

    private void Write(byte mark, long number)
    {
        var span = bytes.GetSpan(1 + sizeof(long));
        span[0] = mark;
        BinaryPrimitives.WriteInt64LittleEndian(span[1..], number);
        bytes.Advance(1 + sizeof(long));
    }
}
