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
        context.Response.StatusCode = problem.Status;
        // Without a token of ours: the framework stops by itself when the client has gone, and does not throw then.
        return context.Response.WriteAsJsonAsync(
            problem with { TraceId = context.TraceIdentifier }, Json.JsonSetup.Options, "application/problem+json", CancellationToken.None);
    }
}
