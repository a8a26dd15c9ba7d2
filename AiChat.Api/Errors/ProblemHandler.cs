using System.Globalization;
using AiChat.Core.Errors;
using AiChat.Core.Runs;
using Microsoft.AspNetCore.Diagnostics;

namespace AiChat.Api.Errors;

/// <summary>The one place where exceptions become answers.</summary>
internal sealed partial class ProblemHandler(ILogger<ProblemHandler> logger) : IExceptionHandler
{
    public async ValueTask<bool> TryHandleAsync(HttpContext context, Exception exception, CancellationToken cancellationToken)
    {
        var problem = ToProblem(exception, context);
        if (GetRetryAfter(exception) is { } wait)
            context.Response.Headers.RetryAfter = Math.Ceiling(wait.TotalSeconds).ToString(CultureInfo.InvariantCulture);
        await context.WriteProblemAsync(problem);
        return true;
    }

    private ProblemResponse ToProblem(Exception exception, HttpContext context)
    {
        switch (exception)
        {
            case RunFailedException failed:
                Logging.RequestLogMiddleware.SetRunId(context, failed.Result.RunId);
                return Problem.OfRun(failed.Result, failed.Error);
            case ConflictException conflict:
                return Problem.Of(conflict.Code, conflict.Message) with { RunId = conflict.RunId };
            case InvalidRequestException invalid:
                return Problem.Of(invalid.Code, invalid.Message, new Dictionary<string, string[]> { [invalid.Field] = [invalid.Message] });
            case UnavailableException unavailable:
                LogUnavailable(exception, unavailable.Code);
                return Problem.Of(unavailable.Code, unavailable.Message);
            case RequestBodyException body:
                return body.Problem;
            case BadHttpRequestException bad:
                return Problem.OfStatus(bad.StatusCode, context.Request);
            default:
                LogDefect(exception, context.TraceIdentifier);
                return Problem.Internal();
        }
    }

    private static TimeSpan? GetRetryAfter(Exception exception) => exception switch
    {
        RunFailedException failed => failed.Error.RetryAfter,
        ConflictException conflict => conflict.RetryAfter,
        UnavailableException unavailable => unavailable.RetryAfter,
        _ => null,
    };

    [LoggerMessage(Level = LogLevel.Warning, Message = "A request was refused: {Code}")]
    private partial void LogUnavailable(Exception exception, string code);

    [LoggerMessage(Level = LogLevel.Error, Message = "Request {RequestId} failed because of a defect")]
    private partial void LogDefect(Exception exception, string requestId);
}
