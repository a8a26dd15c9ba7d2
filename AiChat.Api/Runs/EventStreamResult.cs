using AiChat.Core.Errors;
using AiChat.Core.Runs;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Microsoft.Net.Http.Headers;

namespace AiChat.Api.Runs;

/// <summary>
/// Answers with a run's events as they come (https://html.spec.whatwg.org/multipage/server-sent-events.html): one event is one write and
/// one flush. The client that goes away ends the answer and nothing else.
/// </summary>
/// <param name="run">The run.</param>
/// <param name="after">The position of the last event the client saw.</param>
/// <param name="released">Cancelled late in a shutdown: a client that does not read must not hold it up any longer.</param>
internal sealed class EventStreamResult(RunHandle run, long after, CancellationToken released) : IActionResult
{
    public const string ContentType = "text/event-stream";

    /// <summary>Whether the client wants events, and says so in the way browsers do.</summary>
    /// <remarks>Weighed against JSON by their qualities (RFC 9110, section 12.5.1); whoever takes both as gladly gets events.</remarks>
    public static bool IsAskedFor(HttpRequest request)
    {
        if (request.Headers.Accept.Count == 0 || !MediaTypeHeaderValue.TryParseList(request.Headers.Accept, out var accepted))
            return false;
        var events = GetQuality(accepted, ContentType);
        return events > 0 && events >= GetQuality(accepted, "application/json");
    }

    private static double GetQuality(IList<MediaTypeHeaderValue> accepted, string mediaType) =>
        accepted.Where(a => a.MediaType.Equals(mediaType, StringComparison.OrdinalIgnoreCase)).Select(a => a.Quality ?? 1).DefaultIfEmpty(0).Max();

    public async Task ExecuteResultAsync(ActionContext context)
    {
        var http = context.HttpContext;
        try
        {
            await using var events = run.FollowAsync(after, http.RequestAborted).GetAsyncEnumerator(http.RequestAborted);
            // Fetched before anything is sent: what fails until here is an ordinary error.
            if (!await events.MoveNextAsync())
                throw UnavailableException.ForShutdown();
            await WriteAsync(events, Begin(http), http);
        }
        catch (OperationCanceledException) when (http.RequestAborted.IsCancellationRequested || released.IsCancellationRequested)
        {
            http.Abort();
        }
    }

    private async Task WriteAsync(IAsyncEnumerator<RunEvent> events, RunEventWriter writer, HttpContext http)
    {
        do
        {
            writer.Write(events.Current);
            var flushed = await http.Response.BodyWriter.FlushAsync(released);
            if (flushed.IsCompleted)
                return;
        }
        while (await events.MoveNextAsync());
    }

    private RunEventWriter Begin(HttpContext http)
    {
        http.Features.Get<IHttpResponseBodyFeature>()!.DisableBuffering();
        // A reader may pause as long as it likes: it costs one buffer, and the run does not wait for it.
        http.Features.Get<IHttpMinResponseDataRateFeature>()?.MinDataRate = null;
        var headers = http.Response.Headers;
        headers.ContentType = ContentType;
        headers.CacheControl = "no-cache, no-transform";
        headers["X-Accel-Buffering"] = "no";
        return new RunEventWriter(http.Response.BodyWriter, run.RunId, http.TraceIdentifier);
    }
}
