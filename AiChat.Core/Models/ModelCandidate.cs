using Microsoft.Extensions.AI;

namespace AiChat.Core.Models;

/// <summary>One model at one provider that may answer for an alias.</summary>
public sealed class ModelCandidate
{
    private volatile object? lastError;

    public required string Provider { get; init; }

    /// <summary>The model's id at the provider.</summary>
    public required string Model { get; init; }

    /// <summary>Tokens in and out together.</summary>
    public required int ContextWindow { get; init; }

    /// <summary>Longest answer the model gives, in tokens; null when only the window limits it.</summary>
    public int? MaxOutputTokens { get; init; }

    /// <summary>Null when it is not known.</summary>
    public ModelPrice? Price { get; init; }

    /// <summary>The setting without which the provider cannot be used; null when it can.</summary>
    public string? MissingSetting { get; init; }

    public required IChatClient Client { get; init; }

    public bool IsUsable => MissingSetting is null;

    public CandidateHealth Health =>
        new(IsUsable ? CandidateState.Closed : CandidateState.NoKey, default, (ProviderError?)lastError, null);

    /// <summary>Remembers how a call ended; null for a good end.</summary>
    public void Report(ProviderError? error) => lastError = error;
}
