using AiChat.Core.Errors;
using AiChat.Core.Runs;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;

namespace AiChat.Api.Runs;

/// <summary>
/// Answers with a run's events as they come: one event is one write and one flush. The client that goes away ends the answer and nothing
/// else.
/// </summary>
/// <param name="run">The run.</param>
/// <param name="after">The position of the last event the client saw.</param>
/// <param name="released">Cancelled late in a shutdown: a client that does not read must not hold it up any longer.</param>
internal abstract class RunStreamResult(RunHandle run, long after, CancellationToken released) : IActionResult
{
    protected string RunId => run.RunId;

    protected abstract string MediaType { get; }

    public async Task ExecuteResultAsync(ActionContext context)
    {
        var http = context.HttpContext;
        try
        {
            await using var events = run.FollowAsync(after, http.RequestAborted).GetAsyncEnumerator(http.RequestAborted);
            // Fetched before anything is sent: what fails until here is an ordinary error.
            var kept = new List<RunEvent>(1);
            do
            {
                if (!await events.MoveNextAsync())
                    throw UnavailableException.ForShutdown();
                kept.Add(events.Current);
            }
            while (!IsBeginning(events.Current));

            var writer = Begin(http);
            kept.ForEach(writer.Write);
            await WriteAsync(events, writer, http);
        }
        catch (OperationCanceledException) when (http.RequestAborted.IsCancellationRequested || released.IsCancellationRequested)
        {
            http.Abort();
        }
    }

    /// <summary>Whether the answer begins with this event. Those before it wait for it.</summary>
    /// <exception cref="RunFailedException">The answer is an error.</exception>
    protected abstract bool IsBeginning(RunEvent runEvent);

    protected abstract IRunEventWriter CreateWriter(HttpContext http);

    /// <summary>Whether the answer is one that ends behind this event; its connection is broken off where it only seems to be.</summary>
    protected virtual bool IsEnd(RunEvent last) => true;

    /// <summary>What is written is sent, then each event that comes.</summary>
    private async Task WriteAsync(IAsyncEnumerator<RunEvent> events, IRunEventWriter writer, HttpContext http)
    {
        for (var isMore = true; isMore;)
        {
            var flushed = await http.Response.BodyWriter.FlushAsync(released);
            if (flushed.IsCompleted)
                return;
            var last = events.Current;
            isMore = await events.MoveNextAsync();
            if (isMore)
                writer.Write(events.Current);
            else if (!IsEnd(last))
                http.Abort();
        }
    }

    private IRunEventWriter Begin(HttpContext http)
    {
        http.Features.Get<IHttpResponseBodyFeature>()!.DisableBuffering();
        // A reader may pause as long as it likes: it costs one buffer, and the run does not wait for it.
        http.Features.Get<IHttpMinResponseDataRateFeature>()?.MinDataRate = null;
        var headers = http.Response.Headers;
        headers.ContentType = MediaType;
        headers.CacheControl = "no-cache, no-transform";
        headers["X-Accel-Buffering"] = "no";
        return CreateWriter(http);
    }
}
