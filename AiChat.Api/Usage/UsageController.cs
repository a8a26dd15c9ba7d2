using AiChat.Api.OpenApi;
using AiChat.Core.Errors;
using AiChat.Core.Usage;
using Microsoft.AspNetCore.Mvc;

namespace AiChat.Api.Usage;

[ApiController]
[Tags("Usage")]
[Produces("application/json")]
[Problems(UnavailableException.DatabaseUnavailable)]
public sealed class UsageController(IUsageRepository usage, TimeProvider time) : ControllerBase
{
    /// <summary>Add up what models were used for, and what that cost</summary>
    /// <remarks>
    /// From the ledger, which has every call of a model, failed and cancelled ones and those of deleted chats included. Calls count when they
    /// have ended, with the time they began at. A page of groups at a time: the `Link` header leads to the next one. With
    /// `Accept: text/csv` the groups, or the total without `group_by`, come as a table.
    /// </remarks>
    /// <response code="200">The sums.</response>
    [HttpGet("/usage", Name = "getUsage")]
    [ProducesResponseType<UsageReportResponse>(StatusCodes.Status200OK), CsvTable, AnswerHeader(StatusCodes.Status200OK, "Link")]
    public async Task<IActionResult> Get([FromQuery] UsageRequestQuery query, CancellationToken ct)
    {
        var asked = query.ToQuery(time.GetUtcNow());
        var report = (await usage.GetAsync(asked, ct)).ToResponse(asked);
        if (report.NextCursor is { } next)
            Response.Headers.Link = $"<{UsageLinks.ToNext(Request, query, asked, next)}>; rel=\"next\"";
        Response.Headers.Vary = "Accept";
        return UsageCsvResult.IsAskedFor(Request) ? new UsageCsvResult(report, query.GroupBy) : Ok(report);
    }
}
