using AiChat.Core.Runs;
using Microsoft.Net.Http.Headers;

namespace AiChat.Api.Runs;

/// <summary>
/// Answers with a run's events as they come (https://html.spec.whatwg.org/multipage/server-sent-events.html), from the first one on.
/// </summary>
/// <inheritdoc/>
internal sealed class EventStreamResult(RunHandle run, long after, CancellationToken released) : RunStreamResult(run, after, released)
{
    public const string ContentType = "text/event-stream";

    protected override string MediaType => ContentType;

    /// <summary>Whether the client wants events, and says so in the way browsers do.</summary>
    /// <param name="request">What the client sent.</param>
    /// <param name="other">The media type it gets otherwise.</param>
    /// <remarks>Weighed against each other by their qualities (RFC 9110, section 12.5.1); whoever takes both as gladly gets events.</remarks>
    public static bool IsAskedFor(HttpRequest request, string other = "application/json")
    {
        if (request.Headers.Accept.Count == 0 || !MediaTypeHeaderValue.TryParseList(request.Headers.Accept, out var accepted))
            return false;
        var events = GetQuality(accepted, ContentType);
        return events > 0 && events >= GetQuality(accepted, other);
    }

    protected override bool IsBeginning(RunEvent runEvent) => true;

    protected override IRunEventWriter CreateWriter(HttpContext http) => new RunEventWriter(http.Response.BodyWriter, RunId, http.TraceIdentifier);

    private static double GetQuality(IList<MediaTypeHeaderValue> accepted, string mediaType) =>
        accepted.Where(a => a.MediaType.Equals(mediaType, StringComparison.OrdinalIgnoreCase)).Select(a => a.Quality ?? 1).DefaultIfEmpty(0).Max();
}
