using Microsoft.Extensions.AI;

namespace AiChat.Core.Models;

/// <summary>One model at one provider that may answer for an alias.</summary>
public sealed class ModelCandidate
{
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

    /// <summary>The setting that holds the provider's key; null when it has none.</summary>
    public string? KeySetting { get; init; }

    public required IChatClient Client { get; init; }

    public bool IsUsable => MissingSetting is null;

    /// <summary>Keeps calls away while it is in trouble; shared with other aliases that name the same model.</summary>
    public required CandidateCircuit Circuit { get; init; }

    public CandidateHealth Health => IsUsable ? Circuit.GetHealth() : Circuit.GetHealth() with { State = CandidateState.NoKey };
}
