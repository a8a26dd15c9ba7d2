using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Mvc;

namespace AiChat.Api.Errors;

/// <summary>Answers an action with a problem.</summary>
internal sealed class ProblemResult(ProblemResponse problem) : IActionResult
{
    public static ProblemResult NoSuchChat() => new(Problem.NoSuchChat());

    public static ProblemResult NoSuchRun() => new(Problem.NoSuchRun());

    public Task ExecuteResultAsync(ActionContext context) => context.HttpContext.WriteProblemAsync(problem);
}

internal static class ProblemWriter
{
    public static Task WriteProblemAsync(this HttpContext context, ProblemResponse problem)
    {
        var traced = problem with { TraceId = context.TraceIdentifier };
        var answer = FindErrorBody(context)?.ToAnswer(traced) ?? ErrorAnswer.Of(traced);
        context.Response.StatusCode = answer.Status;
        // Without a token of ours: the framework stops by itself when the client has gone, and does not throw then.
        return context.Response.WriteAsJsonAsync(answer.Body, answer.Body.GetType(), Json.JsonSetup.Options, answer.ContentType, CancellationToken.None);
    }

    /// <summary>Of the endpoint that was to answer; the handler of exceptions has taken it from the request.</summary>
    private static IErrorBody? FindErrorBody(HttpContext context)
    {
        var endpoint = context.GetEndpoint() ?? context.Features.Get<IExceptionHandlerFeature>()?.Endpoint;
        return endpoint?.Metadata.GetMetadata<IErrorBody>();
    }
}
