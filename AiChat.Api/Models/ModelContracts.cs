using AiChat.Core.Models;
using AiChat.Core.Runs;

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

    /// <summary>The longest answer it gives, in tokens; null when only the window limits it.</summary>
    public int? MaxOutputTokens { get; init; }

    /// <summary>Price of a million tokens of prompt, in the currency of the configuration; null when it is not known.</summary>
    public decimal? InputPrice { get; init; }

    /// <summary>Price of a million tokens of reply; null when it is not known.</summary>
    public decimal? OutputPrice { get; init; }

    /// <summary>Whether it can be used.</summary>
    public required bool Usable { get; init; }

    /// <summary>The setting without which it cannot be used; null when it can.</summary>
    public string? MissingSetting { get; init; }

    /// <summary>Whether it is the one that answers now.</summary>
    public required bool Active { get; init; }

    /// <summary>Whether it is called.</summary>
    public required CandidateState State { get; init; }

    /// <summary>Since when it is in that state.</summary>
    public required DateTimeOffset Since { get; init; }

    /// <summary>Why its last call failed; null when it did not, or there was none.</summary>
    public string? LastError { get; init; }

    /// <summary>How long its first text takes, in milliseconds: the median of its last calls; null before the first.</summary>
    public int? TimeToFirstTokenMs { get; init; }
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

    public static int? ToMilliseconds(TimeSpan? time) => time is { } known ? (int)Math.Round(known.TotalMilliseconds) : null;

    private static ModelCandidateResponse ToResponse(this ModelCandidate candidate, bool isActive)
    {
        var health = candidate.Health;
        return new ModelCandidateResponse
        {
            Provider = candidate.Provider,
            Model = candidate.Model,
            ContextWindow = candidate.ContextWindow,
            MaxOutputTokens = candidate.MaxOutputTokens,
            InputPrice = candidate.Price?.Input,
            OutputPrice = candidate.Price?.Output,
            Usable = candidate.IsUsable,
            MissingSetting = candidate.MissingSetting,
            Active = isActive,
            State = health.State,
            Since = health.Since,
            LastError = health.LastError is { } error ? RunError.ToCode(error) : null,
            TimeToFirstTokenMs = ToMilliseconds(health.TimeToFirstToken),
        };
    }
}
