using AiChat.Api.Models;
using AiChat.Core.Models;
using AiChat.Core.Runs;

namespace AiChat.Api.Health;

/// <summary>What this server is.</summary>
public sealed record RootResponse
{
    /// <summary>A greeting.</summary>
    public required string Message { get; init; }

    /// <summary>The server's version.</summary>
    public required string Version { get; init; }

    /// <summary>Where the documentation is.</summary>
    public required string Docs { get; init; }
}

/// <summary>Whether the process lives.</summary>
public sealed record HealthResponse
{
    /// <summary>Always <c>healthy</c>: a process that is not does not answer.</summary>
    public required string Status { get; init; }
}

/// <summary>Whether the server can take requests, and what answers them.</summary>
public sealed record ReadyResponse
{
    /// <summary>
    /// <c>healthy</c>; <c>degraded</c> when a model is left alone, another one answers in its place, or the last call of the one that answers
    /// failed (requests are still taken); <c>unhealthy</c> with status 503.
    /// </summary>
    public required string Status { get; init; }

    /// <summary><c>ok</c>, or what is wrong with the database.</summary>
    public required string Database { get; init; }

    /// <summary>Which backend answers each alias.</summary>
    public required IReadOnlyList<ReadyModelResponse> Models { get; init; }
}

/// <summary>What answers an alias.</summary>
public sealed record ReadyModelResponse
{
    /// <summary>The alias.</summary>
    public required string Name { get; init; }

    /// <summary>The provider that answers now.</summary>
    public required string Provider { get; init; }

    /// <summary>The model that answers now, as its provider names it.</summary>
    public required string Model { get; init; }

    /// <summary>Why the last call of the one that answers now failed; null when it did not, or there was none.</summary>
    public string? LastError { get; init; }

    /// <summary>Whatever may answer, in the order it is tried.</summary>
    public required IReadOnlyList<ReadyCandidateResponse> Candidates { get; init; }
}

/// <summary>How one model at one provider does.</summary>
public sealed record ReadyCandidateResponse
{
    /// <summary>The provider.</summary>
    public required string Provider { get; init; }

    /// <summary>The model's id at the provider.</summary>
    public required string Model { get; init; }

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

    /// <summary>What the operator has to do for it; null when there is nothing.</summary>
    public string? Cure { get; init; }
}

internal static class HealthMapper
{
    /// <summary>Whether the alias answers in another way than it is meant to: not with its first model, or with one that failed just now.</summary>
    public static bool IsDegraded(ModelAlias alias) =>
        alias.Active != alias.Candidates.First(c => c.IsUsable)
        || alias.Active.Health.LastError is not null
        || alias.Candidates.Any(c => c.IsUsable && c.Health.State != CandidateState.Closed);

    public static ReadyModelResponse ToResponse(ModelAlias alias)
    {
        var active = alias.Active;
        return new ReadyModelResponse
        {
            Name = alias.Name,
            Provider = active.Provider,
            Model = active.Model,
            LastError = ToCode(active.Health.LastError),
            Candidates = [.. alias.Candidates.Select(c => ToResponse(alias, c, isActive: ReferenceEquals(c, active)))],
        };
    }

    private static ReadyCandidateResponse ToResponse(ModelAlias alias, ModelCandidate candidate, bool isActive)
    {
        var health = candidate.Health;
        return new ReadyCandidateResponse
        {
            Provider = candidate.Provider,
            Model = candidate.Model,
            Active = isActive,
            State = health.State,
            Since = health.Since,
            LastError = ToCode(health.LastError),
            TimeToFirstTokenMs = ModelMapper.ToMilliseconds(health.TimeToFirstToken),
            Cure = GetCure(alias, candidate, health),
        };
    }

    private static string? GetCure(ModelAlias alias, ModelCandidate candidate, CandidateHealth health) => health switch
    {
        { State: CandidateState.NoKey } => $"Set {candidate.MissingSetting}.",
        { LastError: ProviderError.Unauthorized } when candidate.KeySetting is { } setting =>
            $"{candidate.Provider} refuses the key in {setting}: correct it.",
        { State: CandidateState.UnknownModel } or { LastError: ProviderError.UnknownModel } =>
            $"{candidate.Provider} does not have {candidate.Model}: name another model in Models:{alias.Name}:Candidates.",
        _ => null,
    };

    private static string? ToCode(ProviderError? error) => error is { } known ? RunError.ToCode(known) : null;
}
