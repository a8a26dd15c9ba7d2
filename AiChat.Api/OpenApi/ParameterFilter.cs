using System.Reflection;
using System.Text.Json.Nodes;
using AiChat.Api.Chats;
using AiChat.Api.Errors;
using Microsoft.OpenApi;
using Swashbuckle.AspNetCore.SwaggerGen;

namespace AiChat.Api.OpenApi;

/// <summary>Describes the parameters many routes share, which are plain arguments without a contract to document them.</summary>
internal sealed class ParameterFilter : IParameterFilter
{
    public void Apply(IOpenApiParameter parameter, ParameterFilterContext context)
    {
        if (parameter is not OpenApiParameter described || context.ParameterInfo is not { } argument)
            return;

        if (argument.GetCustomAttribute<UserIdAttribute>() is not null)
        {
            described.Description = "The owner of the chats.";
            described.Schema = new OpenApiSchema
            {
                Type = JsonSchemaType.String,
                MinLength = 1,
                MaxLength = TextRules.LongestUserId,
                Default = JsonValue.Create(UserIdAttribute.Default),
            };
            described.Example = JsonValue.Create(Examples.UserId);
        }
        else if (argument.ParameterType == typeof(Guid) && parameter.Name == "id")
        {
            described.Description = "The chat's id.";
            described.Example = JsonValue.Create(Examples.ChatId);
        }
    }
}
