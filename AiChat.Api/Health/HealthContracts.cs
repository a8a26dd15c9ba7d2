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
    /// <c>healthy</c>; <c>degraded</c> when a model's last call failed (requests are still taken); <c>unhealthy</c> with status 503.
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

    /// <summary>Why the last call failed; null when it did not, or there was none.</summary>
    public string? LastError { get; init; }
}
