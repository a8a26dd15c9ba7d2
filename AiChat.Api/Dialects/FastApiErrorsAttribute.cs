using System.Net.Mime;
using AiChat.Api.Errors;
using AiChat.Core.Errors;

namespace AiChat.Api.Dialects;

/// <summary>
/// Errors in the shape of FastAPI: <c>{"detail": "…"}</c>, and a list of fields in place of the sentence where fields are not valid (422).
/// </summary>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Method)]
internal sealed class FastApiErrorsAttribute : Attribute, IErrorBody
{
    /// <summary>What FastAPI says of every failure of the server itself.</summary>
    private const string InternalServerError = "Internal Server Error";

    /// <summary>What FastAPI calls a value that breaks a rule; where it is more than that, our code says what.</summary>
    private const string InvalidValue = "value_error";

    /// <summary>The sentence for a chat that is not there; null for ours.</summary>
    public string? NotFound { get; init; }

    /// <summary>Where clients of the dialect write what we call <c>message</c>; null for there.</summary>
    public string? MessageField { get; init; }

    /// <summary>The status when the database cannot be used, told without details; 0 for ours, with our sentence.</summary>
    public int DatabaseFailure { get; init; }

    public ErrorAnswer ToAnswer(ProblemResponse problem) => problem switch
    {
        { Status: StatusCodes.Status422UnprocessableEntity, Errors: not null } => ToList(problem),
        { Code: UnavailableException.DatabaseUnavailable } when DatabaseFailure != 0 => ToSentence(DatabaseFailure, InternalServerError),
        { Code: Problem.ChatNotFound } when NotFound is not null => ToSentence(problem.Status, NotFound),
        _ => ToSentence(problem.Status, problem.Detail),
    };

    private static ErrorAnswer ToSentence(int status, string detail) =>
        new(status, MediaTypeNames.Application.Json, new FastApiErrorResponse { Detail = detail });

    private ErrorAnswer ToList(ProblemResponse problem)
    {
        var type = problem.Code == Problem.ValidationFailed ? InvalidValue : problem.Code;
        var fields = from error in problem.Errors
                     let name = problem.Code == Problem.MessageTooLong ? MessageField ?? error.Key : error.Key
                     from message in error.Value
                     select ToField(type, problem.GetPlace(error.Key), name, message);
        return new(problem.Status, MediaTypeNames.Application.Json, new FastApiValidationResponse { Detail = [.. fields] });
    }

    private static FastApiFieldResponse ToField(string type, FieldPlace place, string name, string message) => new()
    {
        Type = type,
        Loc = [place.ToString().ToLowerInvariant(), .. name.Split('.')],
        Msg = message,
    };
}
