namespace AiChat.Api.Dialects;

/// <summary>What went wrong, as FastAPI says it.</summary>
public sealed record FastApiErrorResponse
{
    /// <summary>What happened and what to do, for people.</summary>
    public required string Detail { get; init; }
}

/// <summary>Which fields of a request are not valid, as FastAPI says it.</summary>
public sealed record FastApiValidationResponse
{
    /// <summary>Everything that is wrong, all at once.</summary>
    public required IReadOnlyList<FastApiFieldResponse> Detail { get; init; }
}

/// <summary>What is wrong with one field.</summary>
public sealed record FastApiFieldResponse
{
    /// <summary>The kind of error.</summary>
    public required string Type { get; init; }

    /// <summary>Where the field is: <c>body</c>, <c>path</c>, <c>query</c> or <c>header</c>, then the names that lead to it.</summary>
    public required IReadOnlyList<string> Loc { get; init; }

    /// <summary>What is wrong with it, for people.</summary>
    public required string Msg { get; init; }
}
