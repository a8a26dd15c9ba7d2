namespace AiChat.Core.Models;

/// <summary>Why a backend gave no usable answer.</summary>
public enum ProviderError
{
    /// <summary>401 or 403: the API key is wrong or lacks a right.</summary>
    Unauthorized,
    /// <summary>429: the provider's limit is reached.</summary>
    RateLimited,
    /// <summary>No answer within the configured time.</summary>
    Timeout,
    /// <summary>No connection, or 5xx.</summary>
    Unavailable,
    /// <summary>An answer that was cut, is empty or cannot be read.</summary>
    InvalidResponse,
    /// <summary>The provider has no such model, or has it no more.</summary>
    UnknownModel,
    /// <summary>The prompt is longer than the model takes.</summary>
    PromptTooLong,
    /// <summary>Any other 4xx: the provider refuses this request.</summary>
    Rejected,
}

/// <summary>
/// The one exception a backend's <c>IChatClient</c> throws for a failed call, cancellation by the caller apart.
/// <see cref="Exception.Message"/> may quote the vendor and belongs to the log alone.
/// </summary>
public sealed class ProviderException(string provider, ProviderError error, string message, Exception? inner = null) : Exception(message, inner)
{
    public string Provider { get; } = provider;

    public ProviderError Error { get; } = error;

    /// <summary>How long the provider asks to wait; null when it did not say.</summary>
    public TimeSpan? RetryAfter { get; init; }
}
