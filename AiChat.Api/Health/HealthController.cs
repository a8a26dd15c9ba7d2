using AiChat.Api.Configuration;
using AiChat.Core.Errors;
using AiChat.Core.Models;
using AiChat.Core.Runs;
using AiChat.Infrastructure.Persistence;
using Microsoft.AspNetCore.Mvc;

namespace AiChat.Api.Health;

[ApiController]
[Tags("Server")]
[Produces("application/json")]
public sealed class HealthController(ModelRegistry models, Migrator migrator, IDatabase database, RunExecutor executor, TimeProvider time) : ControllerBase
{
    /// <summary>A probe that hangs tells nobody anything.</summary>
    private static readonly TimeSpan LongestCheck = TimeSpan.FromSeconds(2);

    private static readonly HealthResponse Healthy = new() { Status = "healthy" };

    private static readonly RootResponse Welcome = new() { Message = "AiChat is running.", Version = Banner.Version, Docs = "/docs" };

    /// <summary>Say what this server is</summary>
    /// <remarks>The name, the version, and where the documentation is.</remarks>
    /// <response code="200">What this server is.</response>
    [HttpGet("/", Name = "getRoot")]
    [ProducesResponseType<RootResponse>(StatusCodes.Status200OK)]
    public IActionResult Root() => Ok(Welcome);

    /// <summary>Check that the server answers</summary>
    /// <remarks>Checks nothing else. See <c>/health/ready</c> for the database and the models.</remarks>
    /// <response code="200">The server answers.</response>
    [HttpGet("/health", Name = "getHealth")]
    [ProducesResponseType<HealthResponse>(StatusCodes.Status200OK)]
    public IActionResult Health() => Ok(Healthy);

    /// <summary>Check that the process lives; for an orchestrator's liveness probe</summary>
    /// <remarks>Fails only when the process should be restarted.</remarks>
    /// <response code="200">The process lives.</response>
    [HttpGet("/health/live", Name = "getLiveness")]
    [ProducesResponseType<HealthResponse>(StatusCodes.Status200OK)]
    public IActionResult Live() => Ok(Healthy);

    /// <summary>Check that requests can be served; for an orchestrator's readiness probe</summary>
    /// <remarks>
    /// Checks that the database is read, has this version's schema and takes writes. A model that fails makes it degraded, never unready:
    /// restarting would not mend it.
    /// </remarks>
    /// <response code="200">Requests are served; <c>status</c> is <c>healthy</c> or <c>degraded</c>.</response>
    /// <response code="503">Requests cannot be served: the database fails, or the server is shutting down.</response>
    [HttpGet("/health/ready", Name = "getReadiness")]
    [ProducesResponseType<ReadyResponse>(StatusCodes.Status200OK)]
    [ProducesResponseType<ReadyResponse>(StatusCodes.Status503ServiceUnavailable)]
    public async Task<IActionResult> Ready(CancellationToken ct)
    {
        var state = await CheckDatabaseAsync(ct);
        var isReady = state == "ok" && !executor.IsStopping;
        var response = new ReadyResponse
        {
            Status = !isReady ? "unhealthy" : models.Aliases.Any(HealthMapper.IsDegraded) ? "degraded" : "healthy",
            Database = state,
            Models = [.. models.Aliases.Select(HealthMapper.ToResponse)],
        };
        return StatusCode(isReady ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable, response);
    }

    private async Task<string> CheckDatabaseAsync(CancellationToken ct)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(ct);
        try
        {
            // The check may need a while to notice that it is not wanted any more.
            return await CheckAsync(limit.Token).WaitAsync(LongestCheck, time, ct);
        }
        catch (UnavailableException)
        {
            return "the database cannot be reached or read";
        }
        catch (TimeoutException)
        {
            await limit.CancelAsync();
            return $"the database does not answer within {LongestCheck.TotalSeconds} seconds";
        }
    }

    private async Task<string> CheckAsync(CancellationToken ct)
    {
        if (!await migrator.IsUsableAsync(ct))
            return "the schema is not this version's";
        return await database.IsWritableAsync(ct) ? "ok" : database.WhyNotWritable;
    }
}
