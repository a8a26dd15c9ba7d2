using AiChat.Core.Models;
using Microsoft.AspNetCore.Mvc;

namespace AiChat.Api.Models;

[ApiController]
[Tags("Models")]
[Produces("application/json")]
public sealed class ModelsController(ModelRegistry models) : ControllerBase
{
    /// <summary>List the models a message may ask for, and which backend answers each now</summary>
    [HttpGet("/models", Name = "listModels")]
    [ProducesResponseType<ModelListResponse>(StatusCodes.Status200OK)]
    public IActionResult List() => Ok(new ModelListResponse { Models = [.. models.Aliases.Select(a => a.ToResponse())] });
}
