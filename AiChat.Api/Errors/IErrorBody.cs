namespace AiChat.Api.Errors;

/// <summary>An endpoint attribute: errors of the endpoint look as clients of another API expect them.</summary>
internal interface IErrorBody
{
    /// <summary>The same problem in the other API's shape. Headers, such as <c>Retry-After</c>, stay as they are.</summary>
    ErrorAnswer ToAnswer(ProblemResponse problem);
}
