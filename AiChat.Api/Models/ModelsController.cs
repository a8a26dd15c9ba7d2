using AiChat.Core.Models;
using Microsoft.AspNetCore.Mvc;

namespace AiChat.Api.Models;

[ApiController]
[Tags("Models")]
[Produces("application/json")]
public sealed class ModelsController(ModelRegistry models) : ControllerBase
{
    /// <summary>List the models a message may ask for, and which backend answers each now</summary>
    /// <remarks>A message asks for an alias such as <c>fast</c>. The first of the alias's candidates that can be used answers.</remarks>
    /// <response code="200">Every alias.</response>
    [HttpGet("/models", Name = "listModels")]
    [ProducesResponseType<ModelListResponse>(StatusCodes.Status200OK)]
    public IActionResult List() => Ok(new ModelListResponse { Models = [.. models.Aliases.Select(a => a.ToResponse())] });
}
