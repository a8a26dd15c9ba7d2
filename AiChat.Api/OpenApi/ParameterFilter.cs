using System.Reflection;
using System.Text.Json.Nodes;
using AiChat.Api.Chats;
using AiChat.Api.Errors;
using AiChat.Api.Runs;
using Microsoft.AspNetCore.Mvc.Routing;
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
            var isRun = argument.Member.GetCustomAttributes<HttpMethodAttribute>().Any(r => r.Template!.StartsWith("/runs/", StringComparison.Ordinal));
            described.Description ??= isRun ? "The run's id." : "The chat's id.";
            described.Example = JsonValue.Create(isRun ? Examples.RunId : Examples.ChatId);
        }
        else if (argument.GetCustomAttribute<IdempotencyKeyAttribute>() is not null)
        {
            described.Description = "The client's name for this request, such as a UUID. The same request with the same key gets the same answer "
                + "and does nothing twice, for as long as `Runs:IdempotencyRetention`. Bare or in double quotes.";
            described.Schema = new OpenApiSchema { Type = JsonSchemaType.String, MinLength = 1, MaxLength = IdempotencyKeyAttribute.LongestKey };
            described.Example = JsonValue.Create(Examples.Key);
        }
        else if (argument.GetCustomAttribute<EventIdAttribute>() is not null)
        {
            described.Description = "The id of the last event seen, or the number behind its colon; left out for all events. "
                + "The header `Last-Event-ID` says the same and counts more.";
            described.Schema = new OpenApiSchema { Type = JsonSchemaType.String };
            described.Example = JsonValue.Create(Examples.EventId);
        }
    }
}
