using System.Collections.ObjectModel;
using AiChat.Api.Chats;
using AiChat.Api.Dialects;
using AiChat.Api.Errors;
using AiChat.Api.OpenApi;
using AiChat.Core.Errors;
using FluentValidation;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;

namespace AiChat.Tests.Api.Dialects;

/// <summary>A dialect of nothing but what dialects share. Part of the application only where a test adds it.</summary>
[ApiController]
[Tags(Tag)]
[Produces("application/json")]
[Problems(UnavailableException.DatabaseUnavailable)]
[FastApiErrors(NotFound = "Chat not found", DatabaseFailure = StatusCodes.Status500InternalServerError)]
public sealed class ProbeController : ControllerBase
{
    public const string Tag = "Probe";

    /// <summary>The name of a problem only the probe has.</summary>
    public const string OwnProblem = "probe_problem";

    /// <summary>List</summary>
    /// <remarks>A bare array.</remarks>
    /// <response code="200">The array.</response>
    [HttpGet("/models/", Name = "probeList"), TrailingSlash]
    [ProducesResponseType<ProbeList>(StatusCodes.Status200OK)]
    public IActionResult List([UserId] string userId, [FromQuery] ListQuery query)
    {
        if (query.ToCursor() is { } next)
            Response.Headers.Link = ChatLinks.ToNext(Request.Path, Request.Query, next);
        return Ok(new[] { "probe", userId });
    }

    /// <summary>Change</summary>
    /// <remarks>With a path, a query and a body.</remarks>
    /// <response code="200">The answer.</response>
    [HttpPost("/probe/{id}", Name = "probeChange")]
    [Problems(OwnProblem)]
    [ProducesResponseType<ProbeResponse>(StatusCodes.Status200OK)]
    public IActionResult Change(Guid id, [FromQuery] ListQuery query, ProbeRequest request) =>
        Ok(new ProbeResponse { ConversationId = id.ToString(), Text = $"{query.Limit}{request.FirstMessage!.Text}" });

    /// <summary>Get</summary>
    /// <remarks>Or fail.</remarks>
    /// <param name="id">The id of nothing.</param>
    /// <param name="failure">How to fail.</param>
    /// <response code="200">The answer.</response>
    [HttpGet("/probe/{id}", Name = "probeGet")]
    [Problems(AiChat.Api.Errors.Problem.ChatNotFound)]
    [TextAnswer("text/plain", "The text alone.", "Hi"), TextAnswer("text/event-stream", "Pieces, then the end.", "data: Hi\n\nevent: end\n\n")]
    [ProducesResponseType<ProbeResponse>(StatusCodes.Status200OK)]
    public IActionResult Get(Guid id, string? failure) => failure switch
    {
        "database" => throw UnavailableException.ForDatabase(new IOException("disk")),
        "shutdown" => throw UnavailableException.ForShutdown(),
        "model" => throw new InvalidRequestException(AiChat.Api.Errors.Problem.UnknownModel, "model", "must be one of: fast, smart"),
        "key" => throw new InvalidRequestException("idempotency_key_reused", "Idempotency-Key", "was used for another request"),
        "defect" => throw new InvalidOperationException("inside"),
        "none" => Ok(new ProbeResponse { ConversationId = id.ToString(), Text = "Hi" }),
        _ => ProblemResult.NoSuchChat(),
    };
}

/// <summary>A body with an object inside.</summary>
public sealed record ProbeRequest
{
    /// <summary>A text.</summary>
    public string? ChatTitle { get; init; }

    /// <summary>An object.</summary>
    public ProbeMessage? FirstMessage { get; init; }
}

/// <summary>A bare array, told apart from those of other dialects.</summary>
public sealed class ProbeList(params string[] items) : ReadOnlyCollection<string>(items);

/// <summary>The object inside.</summary>
public sealed record ProbeMessage
{
    /// <summary>A text.</summary>
    public string? Role { get; init; }

    /// <summary>Another text.</summary>
    public string? Text { get; init; }
}

/// <summary>An answer.</summary>
public sealed record ProbeResponse
{
    /// <summary>An id.</summary>
    public required string ConversationId { get; init; }

    /// <summary>A text.</summary>
    public required string Text { get; init; }
}

public sealed class ProbeValidator : AbstractValidator<ProbeRequest>
{
    public ProbeValidator()
    {
        RuleFor(r => r.ChatTitle).Text(10);
        RuleFor(r => r.FirstMessage).NotNull().WithMessage("must be given").SetValidator(new ProbeMessageValidator()!);
        RuleFor(r => r.FirstMessage!.Role).Must(role => role != "nobody").WithMessage("must be somebody").When(r => r.FirstMessage is not null);
    }
}

public sealed class ProbeMessageValidator : AbstractValidator<ProbeMessage>
{
    public ProbeMessageValidator()
    {
        RuleFor(m => m.Text).Must(text => !string.IsNullOrEmpty(text)).WithMessage("must not be empty");
    }
}
