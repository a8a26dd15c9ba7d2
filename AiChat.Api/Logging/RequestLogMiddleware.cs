using System.Buffers;
using System.Diagnostics;

namespace AiChat.Api.Logging;

/// <summary>
/// Gives every request an id (<c>x-request-id</c>, the client's own where it sends a sane one) and logs how it ended: method, route,
/// status, time, run. Never contents, queries or keys.
/// </summary>
internal sealed partial class RequestLogMiddleware(RequestDelegate next, ILogger<RequestLogMiddleware> logger)
{
    public const string RequestIdHeader = "x-request-id";

    private const string NoRoute = "(no route)";
    private const int LongestRequestId = 128;

    private static readonly SearchValues<char> RequestIdCharacters =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:/+=");

    private static readonly object RunIdKey = new();

    public async Task InvokeAsync(HttpContext context)
    {
        var started = Stopwatch.GetTimestamp();
        context.TraceIdentifier = GetRequestId(context);
        // When the response starts, not now: an error handler empties the headers.
        context.Response.OnStarting(SetRequestId, context);
        // Now, not at the end: an error handler forgets the endpoint.
        var route = (context.GetEndpoint() as RouteEndpoint)?.RoutePattern.RawText;
        try
        {
            await next(context);
        }
        finally
        {
            if (logger.IsEnabled(LogLevel.Information))
                Log(context, route is null ? NoRoute : "/" + route.TrimStart('/'), Stopwatch.GetElapsedTime(started).TotalMilliseconds);
        }
    }

    /// <summary>Names the run a request started, for its log line.</summary>
    public static void SetRunId(HttpContext context, string runId) => context.Items[RunIdKey] = runId;

    private static string GetRequestId(HttpContext context)
    {
        var given = context.Request.Headers[RequestIdHeader];
        if (given is [{ Length: > 0 and <= LongestRequestId } id] && !id.AsSpan().ContainsAnyExcept(RequestIdCharacters))
            return id;
        return (Activity.Current?.TraceId ?? ActivityTraceId.CreateRandom()).ToHexString();
    }

    private static Task SetRequestId(object state)
    {
        var context = (HttpContext)state;
        context.Response.Headers[RequestIdHeader] = context.TraceIdentifier;
        return Task.CompletedTask;
    }

    private void Log(HttpContext context, string route, double milliseconds)
    {
        var elapsed = Math.Round(milliseconds, 1);
        if (context.Items.TryGetValue(RunIdKey, out var runId))
            LogRun(context.Request.Method, route, context.Response.StatusCode, elapsed, (string)runId!, context.TraceIdentifier);
        else
            LogRequest(context.Request.Method, route, context.Response.StatusCode, elapsed, context.TraceIdentifier);
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "{Method} {Route} {Status} {Milliseconds} ms, request {RequestId}", SkipEnabledCheck = true)]
    private partial void LogRequest(string method, string route, int status, double milliseconds, string requestId);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Method} {Route} {Status} {Milliseconds} ms, run {RunId}, request {RequestId}", SkipEnabledCheck = true)]
    private partial void LogRun(string method, string route, int status, double milliseconds, string runId, string requestId);
}

internal static class RequestLogSetup
{
    public static void UseRequestLog(this IApplicationBuilder app) => app.UseMiddleware<RequestLogMiddleware>();
}
