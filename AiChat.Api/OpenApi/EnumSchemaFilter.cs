using System.Text.Json;
using System.Xml;
using System.Xml.XPath;
using Microsoft.OpenApi;
using Swashbuckle.AspNetCore.SwaggerGen;

namespace AiChat.Api.OpenApi;

/// <summary>Adds the meaning of every value to the description of an enum; the generator takes over only the comment of the type.</summary>
internal sealed class EnumSchemaFilter : ISchemaFilter
{
    public void Apply(IOpenApiSchema schema, SchemaFilterContext context)
    {
        if (!context.Type.IsEnum || context.MemberInfo is not null || schema is not OpenApiSchema described)
            return;

        using var file = XmlReader.Create(Path.Combine(AppContext.BaseDirectory, $"{context.Type.Assembly.GetName().Name}.xml"));
        var comments = new XPathDocument(file).CreateNavigator();
        var values = Enum.GetNames(context.Type).Select(n => $"- `{JsonNamingPolicy.SnakeCaseLower.ConvertName(n)}`: {Summary(n)}");
        described.Description = $"{described.Description}\n\n{string.Join('\n', values)}";

        string? Summary(string name) =>
            comments.SelectSingleNode($"/doc/members/member[@name='F:{context.Type.FullName}.{name}']/summary")?.Value.Trim();
    }
}
