namespace AiChat.Api.Errors;

/// <summary>A parameter that is malformed, not invalid, when it cannot be read.</summary>
internal interface IMalformedProblem
{
    /// <summary>The problem's code, one of status 400.</summary>
    string Code { get; }

    /// <summary>Where the parameter may stand in a request.</summary>
    IReadOnlyList<string> Fields { get; }
}
