using System.Reflection;
using Microsoft.OpenApi;
using Swashbuckle.AspNetCore.SwaggerGen;

namespace AiChat.Api.Dialects.ChatHistory;

/// <summary>Documents the query of <see cref="QueryOrBodyAttribute"/>; the generator knows its body.</summary>
internal sealed class QueryOrBodyFilter : IOperationFilter
{
    private static readonly (string Name, string Description)[] Fields =
    [
        (QueryOrBodyAttribute.Role, "Who speaks: `user`, `assistant` or `tool`. For clients that send no body."),
        (QueryOrBodyAttribute.Content, "The text, for clients that send no body. It is better put there: queries are kept by logs on the way."),
        (QueryOrBodyAttribute.ToolCalls, "The tools an assistant calls, or which call a tool answers, as JSON. For clients that send no body."),
    ];

    public void Apply(OpenApiOperation operation, OperationFilterContext context)
    {
        if (!Array.Exists(context.MethodInfo.GetParameters(), p => p.IsDefined(typeof(QueryOrBodyAttribute))))
            return;
        foreach (var (name, description) in Fields)
            operation.Parameters!.Add(new OpenApiParameter { Name = name, In = ParameterLocation.Query, Description = description, Schema = ToSchema() });
    }

    private static OpenApiSchema ToSchema() => new() { Type = JsonSchemaType.String };
}
