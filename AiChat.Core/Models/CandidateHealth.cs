namespace AiChat.Core.Models;

/// <summary>How a candidate does at this moment.</summary>
/// <param name="State">Whether it is called.</param>
/// <param name="Since">Since when it is in that state.</param>
/// <param name="LastError">Why its last call failed; null when it did not, or there was none.</param>
/// <param name="TimeToFirstToken">The median of its last calls; null before the first.</param>
public readonly record struct CandidateHealth(
    CandidateState State, DateTimeOffset Since, ProviderError? LastError, TimeSpan? TimeToFirstToken);

/// <summary>Whether a candidate is called.</summary>
public enum CandidateState
{
    /// <summary>It is called.</summary>
    Closed,
    /// <summary>It failed too often and is left alone for a while.</summary>
    Open,
    /// <summary>One call tries whether it works again.</summary>
    HalfOpen,
    /// <summary>Its provider has no key; it is not called.</summary>
    NoKey,
    /// <summary>Its provider does not have the model; it is left alone for a longer while.</summary>
    UnknownModel,
}
