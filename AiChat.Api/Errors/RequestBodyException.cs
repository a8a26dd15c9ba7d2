namespace AiChat.Api.Errors;

/// <summary>A body that cannot be read as the request it should be.</summary>
internal sealed class RequestBodyException(ProblemResponse problem) : Exception(problem.Detail)
{
    public ProblemResponse Problem { get; } = problem;

    public static RequestBodyException Malformed() =>
        new(Errors.Problem.Of(Errors.Problem.MalformedJson, "The body is not well-formed JSON. Check quotes, commas and braces, and that it is UTF-8."));

    public static RequestBodyException NotAnObject() =>
        new(Errors.Problem.Of(Errors.Problem.MalformedJson, "The body must be one JSON object, such as {\"message\": \"Hello\"}."));
}
