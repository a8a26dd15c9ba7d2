using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using AiChat.Api.Json;
using AiChat.Core;
using Microsoft.OpenApi;
using Swashbuckle.AspNetCore.SwaggerGen;

namespace AiChat.Api.OpenApi;

/// <summary>Says of every contract what the generator cannot know: which fields are always there, may be null, or hold an id.</summary>
internal sealed class ContractSchemaFilter : ISchemaFilter
{
    /// <summary>Fields that hold a UUID wherever they occur. Not <c>user_id</c> and <c>trace_id</c>: those are any text.</summary>
    private static readonly HashSet<string> UuidNames = ["id", "chat_id", "conversation_id", "message_id", "user_message_id", "run_id"];

    /// <summary>Fields that hold any JSON.</summary>
    private const string AnyJson = "tool_calls";

    public void Apply(IOpenApiSchema schema, SchemaFilterContext context)
    {
        if (schema is not OpenApiSchema { Properties.Count: > 0 } contract || context.MemberInfo is not null)
            return;

        // Requests may hold unknown fields, and answers may get new ones.
        contract.AdditionalPropertiesAllowed = true;
        var isAnswer = !context.Type.Name.EndsWith("Request", StringComparison.Ordinal);
        foreach (var property in JsonSetup.Options.GetTypeInfo(context.Type).Properties)
        {
            if (contract.Properties!.TryGetValue(property.Name, out var field) && field is OpenApiSchema concrete)
                Complete(concrete, property);
            if (isAnswer && IsAlwaysWritten(property))
                (contract.Required ??= new HashSet<string>()).Add(property.Name);
        }
    }

    private static void Complete(OpenApiSchema field, JsonPropertyInfo property)
    {
        if (UuidNames.Contains(property.Name))
            field.Format = "uuid";
        if (property.Name == AnyJson)
            (field.Type, field.AdditionalProperties) = (null, null);
        if (field.Type is { } type)
            field.Type = CanBeNull(property) ? type | JsonSchemaType.Null : type & ~JsonSchemaType.Null;
    }

    private static bool CanBeNull(JsonPropertyInfo property)
    {
        var type = property.PropertyType;
        var isOptional = type.IsConstructedGenericType && type.GetGenericTypeDefinition() == typeof(Optional<>);
        var isRequired = property.AttributeProvider!.IsDefined(typeof(RequiredAttribute), inherit: false);
        return (isOptional || property.IsGetNullable) && !isRequired && IsAlwaysWritten(property);
    }

    private static bool IsAlwaysWritten(JsonPropertyInfo property) =>
        !property.AttributeProvider!.IsDefined(typeof(JsonIgnoreAttribute), inherit: false);
}
