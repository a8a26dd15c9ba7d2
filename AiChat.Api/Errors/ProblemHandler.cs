using System.Globalization;
using AiChat.Api.Budgets;
using AiChat.Core.Budgets;
using AiChat.Core.Errors;
using AiChat.Core.Runs;
using Microsoft.AspNetCore.Diagnostics;

namespace AiChat.Api.Errors;

/// <summary>The one place where exceptions become answers.</summary>
internal sealed partial class ProblemHandler(TimeProvider time, ILogger<ProblemHandler> logger) : IExceptionHandler
{
    public async ValueTask<bool> TryHandleAsync(HttpContext context, Exception exception, CancellationToken cancellationToken)
    {
        var problem = ToProblem(exception, context);
        if (GetRetryAfter(exception) is { } wait)
            context.Response.Headers.RetryAfter = Math.Ceiling(wait.TotalSeconds).ToString(CultureInfo.InvariantCulture);
        if (exception is BudgetExceededException exceeded)
            RateLimitHeaders.Set(context.Response.Headers, exceeded.States, time.GetUtcNow());
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
            case BudgetExceededException exceeded:
                return Problem.Of(exceeded.Code, exceeded.Message);
            case InvalidRequestException invalid:
                return Problem.Of(invalid.Code, invalid.Message, new Dictionary<string, string[]> { [invalid.Field] = [invalid.Message] });
            case UnavailableException unavailable:
                LogUnavailable(unavailable.Code, (unavailable.InnerException ?? unavailable).Message);
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

    private TimeSpan? GetRetryAfter(Exception exception) => exception switch
    {
        RunFailedException failed => failed.Error.RetryAfter,
        ConflictException conflict => conflict.RetryAfter,
        UnavailableException unavailable => unavailable.RetryAfter,
        BudgetExceededException exceeded => TimeSpan.FromTicks(Math.Max(0, (exceeded.ResetsAt - time.GetUtcNow()).Ticks)),
        _ => null,
    };

    [LoggerMessage(Level = LogLevel.Warning, Message = "A request was refused: {Code}: {Reason}")]
    private partial void LogUnavailable(string code, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "Request {RequestId} failed because of a defect")]
    private partial void LogDefect(Exception exception, string requestId);
}
