using AiChat.Api.Errors;
using AiChat.Api.Logging;
using AiChat.Api.OpenApi;
using AiChat.Core.Errors;
using AiChat.Core.Runs;
using Microsoft.AspNetCore.Mvc;

namespace AiChat.Api.Runs;

[ApiController]
[Tags("Messages")]
[Produces("application/json")]
public sealed class SendController(RunService runs) : ControllerBase
{
    /// <summary>Send a message and get the reply</summary>
    /// <remarks>
    /// The message is stored before the model is asked. When no reply comes, the error names the chat and the stored message, and the
    /// chat goes on. Messages to one chat are answered one after the other, in the order they came.
    /// </remarks>
    /// <response code="200">The reply.</response>
    [HttpPost("/chat", Name = "sendMessage")]
    [Problems(Errors.Problem.InvalidId, Errors.Problem.ChatNotFound, Errors.Problem.UnknownModel, UnavailableException.DatabaseUnavailable), RunProblems]
    [ProducesResponseType<SendResponse>(StatusCodes.Status200OK)]
    public async Task<IActionResult> Send(SendRequest request, CancellationToken ct)
    {
        var result = await runs.SendAsync(request.ToCommand(), ct);
        if (result is null)
            return ProblemResult.NoSuchChat();

        RequestLogMiddleware.SetRunId(HttpContext, result.RunId);
        return Ok(result.ToResponse());
    }
}
