using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace AiChat.Core.Idempotency;

/// <summary>
/// A client's name for a request, by which the server knows it when it comes again
/// (https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header).
/// </summary>
/// <param name="UserId">Keys of different users are different keys.</param>
/// <param name="Value">What the client sent.</param>
/// <param name="Fingerprint">Of everything the request asks for (<see cref="GetFingerprint"/>).</param>
/// <param name="ExpiredBefore">A key that was stored before this instant is free again.</param>
public sealed record IdempotencyKey(string UserId, string Value, string Fingerprint, DateTimeOffset ExpiredBefore)
{
    public const string Header = "Idempotency-Key";
    public const string Reused = "idempotency_key_reused";

    public const string ReusedMessage =
        "This key belongs to an earlier request with another body. Send that body again, or take a new key for this one.";

    /// <summary>The same for the same request, however it was written; null and empty are not the same.</summary>
    /// <param name="operation">What is asked for.</param>
    /// <param name="fields">Everything it depends on, in a fixed order.</param>
    public static string GetFingerprint(string operation, params ReadOnlySpan<string?> fields)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Add(hash, operation);
        foreach (var field in fields)
            Add(hash, field);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <exception cref="Errors.InvalidRequestException"><c>idempotency_key_reused</c>: the earlier request asked for something else.</exception>
    public void RequireSame(KeyedRequest earlier)
    {
        if (earlier.Fingerprint != Fingerprint)
        {
            throw new Errors.InvalidRequestException(Reused, Header, ReusedMessage);
        }
    }

    private static void Add(IncrementalHash hash, string? field)
    {
        Span<byte> length = stackalloc byte[sizeof(int)];
        BinaryPrimitives.WriteInt32LittleEndian(length, field?.Length ?? -1);
        hash.AppendData(length);
        if (field is not null)
            hash.AppendData(Encoding.UTF8.GetBytes(field));
    }
}

/// <summary>A request that was accepted under a key.</summary>
/// <param name="Fingerprint">Of everything it asked for.</param>
/// <param name="ResourceId">What it made: the chat, or the run.</param>
/// <param name="CreatedAt">When it was accepted.</param>
public sealed record KeyedRequest(string Fingerprint, string ResourceId, DateTimeOffset CreatedAt);
