using AiChat.Core.Models;

namespace AiChat.Api.Models;

/// <summary>The models clients may ask for.</summary>
public sealed record ModelListResponse
{
    /// <summary>Every alias, by name.</summary>
    public required IReadOnlyList<ModelResponse> Models { get; init; }
}

/// <summary>An alias.</summary>
public sealed record ModelResponse
{
    /// <summary>What to send as <c>model</c>.</summary>
    public required string Name { get; init; }

    /// <summary>The provider that answers now.</summary>
    public required string Provider { get; init; }

    /// <summary>The model that answers now, as its provider names it.</summary>
    public required string Model { get; init; }

    /// <summary>Whatever may answer, in the order it is tried.</summary>
    public required IReadOnlyList<ModelCandidateResponse> Candidates { get; init; }
}

/// <summary>One model at one provider.</summary>
public sealed record ModelCandidateResponse
{
    /// <summary>The provider.</summary>
    public required string Provider { get; init; }

    /// <summary>The model's id at the provider.</summary>
    public required string Model { get; init; }

    /// <summary>Tokens in and out together.</summary>
    public required int ContextWindow { get; init; }

    /// <summary>Whether it can be used.</summary>
    public required bool Usable { get; init; }

    /// <summary>The setting without which it cannot be used; null when it can.</summary>
    public string? MissingSetting { get; init; }

    /// <summary>Whether it is the one that answers now.</summary>
    public required bool Active { get; init; }
}

internal static class ModelMapper
{
    public static ModelResponse ToResponse(this ModelAlias alias) => new()
    {
        Name = alias.Name,
        Provider = alias.Active.Provider,
        Model = alias.Active.Model,
        Candidates = [.. alias.Candidates.Select(c => c.ToResponse(isActive: ReferenceEquals(c, alias.Active)))],
    };

    private static ModelCandidateResponse ToResponse(this ModelCandidate candidate, bool isActive) => new()
    {
        Provider = candidate.Provider,
        Model = candidate.Model,
        ContextWindow = candidate.ContextWindow,
        Usable = candidate.IsUsable,
        MissingSetting = candidate.MissingSetting,
        Active = isActive,
    };
}
