using AiChat.Api.Budgets;
using AiChat.Api.Chats;
using AiChat.Api.Errors;
using AiChat.Api.OpenApi;
using AiChat.Core.Budgets;
using AiChat.Core.Errors;
using AiChat.Core.Idempotency;
using AiChat.Core.Runs;
using AiChat.Core.WebSearch;
using Microsoft.AspNetCore.Mvc;

namespace AiChat.Api.Runs;

[ApiController]
[Tags("Messages")]
[Produces("application/json")]
[Problems(UnavailableException.DatabaseUnavailable, ConflictException.ChatBusy, IdempotencyKey.Reused, BudgetExceededException.BudgetExceeded), RunProblems]
public sealed class SendController(RunService runs, RunExecutor executor, TimeProvider time) : ControllerBase
{
    /// <summary>Send a message and get the reply</summary>
    /// <remarks>
    /// The message is stored before the model is asked. When no reply comes, the error names the chat and the stored message, and the
    /// chat goes on. Messages to one chat are answered one after the other, in the order they came; `on_busy` changes that.
    ///
    /// With `"stream": true` or `Accept: text/event-stream` the reply comes as events while it is written: `run.started`, a
    /// `message.delta` for each piece of text, and one last event, `run.completed`, `run.failed`, `run.cancelled` or `run.incomplete`.
    /// A client that loses the connection loses nothing: `GET /runs/{id}/events` goes on behind the last event it saw.
    ///
    /// With `"web_search": true` a search engine is asked, its best pages are read, and the passages that matter go into the prompt. The reply
    /// refers to its `sources` as `[1]`; a stream names them in `source` events before the text.
    ///
    /// A request with an `Idempotency-Key` may be sent again as often as needed: the message is stored and answered once.
    /// </remarks>
    /// <response code="200">The reply, or its events.</response>
    [HttpPost("/chat", Name = "sendMessage")]
    [Problems(Errors.Problem.InvalidId, Errors.Problem.ChatNotFound, Errors.Problem.UnknownModel)]
    [Problems(WebSearchException.Failed, WebSearchException.Unconfigured)]
    [ProducesResponseType<SendResponse>(StatusCodes.Status200OK), EventStream, AnswerHeader(StatusCodes.Status200OK, IdempotencyKeyAttribute.ReplayedHeader)]
    [AnswerHeader(StatusCodes.Status200OK, RateLimitHeaders.Policy), AnswerHeader(StatusCodes.Status200OK, RateLimitHeaders.Left)]
    public async Task<IActionResult> Send(SendRequest request, [IdempotencyKey] string? idempotencyKey, CancellationToken ct)
    {
        var run = await runs.StartAsync(request.ToCommand(idempotencyKey), ct);
        return run is null ? ProblemResult.NoSuchChat() : await Answer(run, request.Stream, ct);
    }

    /// <summary>Try a failed, cancelled or incomplete run again</summary>
    /// <remarks>
    /// A new attempt to answer the same message; nothing is stored twice. The new reply takes the place of what there is, which stays
    /// readable in the run's attempts. Answers like sending a message.
    /// </remarks>
    /// <response code="200">The reply, or its events.</response>
    [HttpPost("/runs/{id}/retry", Name = "retryRun"), Tags("Runs")]
    [Problems(Errors.Problem.RunNotFound, ConflictException.RunNotRetryable, WebSearchException.Failed, WebSearchException.Unconfigured)]
    [ProducesResponseType<SendResponse>(StatusCodes.Status200OK), EventStream, AnswerHeader(StatusCodes.Status200OK, IdempotencyKeyAttribute.ReplayedHeader)]
    [AnswerHeader(StatusCodes.Status200OK, RateLimitHeaders.Policy), AnswerHeader(StatusCodes.Status200OK, RateLimitHeaders.Left)]
    public async Task<IActionResult> Retry(
        Guid id, [UserId] string userId, [FromQuery] RetryRunQuery query, [IdempotencyKey] string? idempotencyKey, CancellationToken ct)
    {
        var run = await runs.RetryAsync(query.ToCommand(userId, id, idempotencyKey), ct);
        return run is null ? ProblemResult.NoSuchRun() : await Answer(run, query.Stream is null ? null : query.Stream == "true", ct);
    }

    private async Task<IActionResult> Answer(RunHandle run, bool? isStream, CancellationToken ct)
    {
        RunHeaders.Announce(HttpContext, run, time);
        if (isStream ?? EventStreamResult.IsAskedFor(Request))
            return new EventStreamResult(run, after: 0, executor.Released);
        return Ok((await run.WaitAsync(ct)).ToResponse());
    }
}
