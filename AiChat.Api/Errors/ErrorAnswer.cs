namespace AiChat.Api.Errors;

/// <summary>A problem as it is sent.</summary>
/// <param name="Status">The HTTP status.</param>
/// <param name="ContentType">The body's media type.</param>
/// <param name="Body">Written as JSON.</param>
internal sealed record ErrorAnswer(int Status, string ContentType, object Body)
{
    public const string ProblemJson = "application/problem+json";

    /// <summary>As AiChat's own API sends it: problem details.</summary>
    public static ErrorAnswer Of(ProblemResponse problem) => new(problem.Status, ProblemJson, problem);
}
