using AiChat.Api.Chats;
using AiChat.Api.Errors;
using AiChat.Api.Logging;
using AiChat.Api.OpenApi;
using AiChat.Core.Errors;
using AiChat.Core.Runs;
using Microsoft.AspNetCore.Mvc;

namespace AiChat.Api.Runs;

[ApiController]
[Tags("Runs")]
[Produces("application/json")]
[Problems(Errors.Problem.RunNotFound, UnavailableException.DatabaseUnavailable)]
public sealed class RunsController(RunService runs, RunExecutor executor) : ControllerBase
{
    /// <summary>Get a run: how far the reply to a message is</summary>
    /// <remarks>Its status, its attempts, what it used and how long it took.</remarks>
    /// <response code="200">The run.</response>
    [HttpGet("/runs/{id}", Name = "getRun")]
    [ProducesResponseType<RunResponse>(StatusCodes.Status200OK)]
    public async Task<IActionResult> Get(Guid id, [UserId] string userId, CancellationToken ct)
    {
        var run = await runs.GetAsync(userId, id.ToString(), ct);
        return run is null ? ProblemResult.NoSuchRun() : Ok(run.ToResponse());
    }

    /// <summary>Follow a run: its events so far, then each new one as it comes</summary>
    /// <remarks>
    /// For a client that comes back, with the id of the last event it saw in `Last-Event-ID` (browsers send it by themselves) or `after`,
    /// and for any number of others. Every character comes once and in order, during the run and after it, also after a restart of the
    /// server. A `run.snapshot` takes the place of everything the client has: it comes when the events behind its position are gone,
    /// because the server crashed before they were stored or because the run is older than `Runs:Retention`.
    /// Disconnecting does not stop the run.
    /// </remarks>
    /// <response code="200">The events.</response>
    /// <response code="204">The last event was seen: there will be no more. Browsers stop reconnecting.</response>
    [HttpGet("/runs/{id}/events", Name = "followRun")]
    [Problems(Errors.Problem.InvalidEventId, RunError.Interrupted, UnavailableException.ShuttingDown)]
    [ProducesResponseType(StatusCodes.Status200OK), EventStream]
    [ProducesResponseType(StatusCodes.Status204NoContent)]
    public async Task<IActionResult> Events(Guid id, [UserId] string userId, [EventId] long after, CancellationToken ct)
    {
        var run = await runs.FindAsync(userId, id.ToString(), ct);
        if (run is null)
            return ProblemResult.NoSuchRun();

        RequestLogMiddleware.SetRunId(HttpContext, run.RunId);
        return run.IsAtEnd(after) ? NoContent() : new EventStreamResult(run, after, executor.Released);
    }

    /// <summary>Cancel a run</summary>
    /// <remarks>
    /// The model is stopped at once; what it had written stays as the reply, with the status `cancelled`. A run that has ended stays as it is.
    /// </remarks>
    /// <response code="200">The run as it is now.</response>
    [HttpPost("/runs/{id}/cancel", Name = "cancelRun")]
    [ProducesResponseType<RunResponse>(StatusCodes.Status200OK)]
    public async Task<IActionResult> Cancel(Guid id, [UserId] string userId, CancellationToken ct)
    {
        var run = await runs.CancelAsync(userId, id.ToString(), ct);
        if (run is null)
            return ProblemResult.NoSuchRun();

        RequestLogMiddleware.SetRunId(HttpContext, run.Id);
        return Ok(run.ToResponse());
    }
}
