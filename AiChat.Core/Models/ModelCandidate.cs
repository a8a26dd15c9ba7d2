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

    /// <summary>The setting without which the provider cannot be used; null when it can.</summary>
    public string? MissingSetting { get; init; }

    public required IChatClient Client { get; init; }

    public bool IsUsable => MissingSetting is null;

    /// <summary>Why the last call failed; null when it did not, or there was none.</summary>
    public ProviderError? LastError => (ProviderError?)lastError;

    /// <summary>Remembers how a call ended; null for a good end.</summary>
    public void Report(ProviderError? error) => lastError = error;
}

/// <summary>A name clients ask for and the candidates behind it, in the order they are tried.</summary>
public sealed record ModelAlias(string Name, IReadOnlyList<ModelCandidate> Candidates)
{
    /// <summary>The candidate that answers now. There is always one: the registry adds the offline backend where no other can be used.</summary>
    public ModelCandidate Active { get; } = Candidates.First(c => c.IsUsable);
}
