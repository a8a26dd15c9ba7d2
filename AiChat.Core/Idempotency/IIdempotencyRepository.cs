namespace AiChat.Core.Idempotency;

/// <summary>
/// Finds requests by their keys. Keys are claimed by whoever stores what the request makes, in the same transaction.
/// </summary>
public interface IIdempotencyRepository
{
    /// <summary>The request that was accepted under this key; null when there is none, or only an expired one.</summary>
    Task<KeyedRequest?> FindAsync(IdempotencyKey key, CancellationToken cancellationToken);

    /// <summary>Removes at most so many keys that were stored before the instant; returns how many.</summary>
    Task<int> DeleteExpiredAsync(DateTimeOffset before, int limit, CancellationToken cancellationToken);
}
