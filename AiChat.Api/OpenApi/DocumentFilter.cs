using AiChat.Api.Dialects;
using Microsoft.OpenApi;
using Swashbuckle.AspNetCore.SwaggerGen;

namespace AiChat.Api.OpenApi;

/// <summary>What the document says once for all routes: tags, and the headers and examples routes share.</summary>
internal sealed class DocumentFilter : IDocumentFilter
{
    private static readonly (string Name, string Description)[] Tags =
    [
        ("Chats", "Conversations and how they are set up."),
        ("Messages", "What is said in a chat: sending a message for a reply, and reading what was said."),
        ("Runs", "The answering of a message: following it, coming back to it, cancelling it, trying it again."),
        ("Models", "Which language models answer."),
        ("Usage", "What models were used for and what that cost."),
        ("Server", "What this server is and how it is doing."),
        .. DialectTags.All,
    ];

    public void Apply(OpenApiDocument swaggerDoc, DocumentFilterContext context)
    {
        swaggerDoc.Tags = Tags.Select(t => new OpenApiTag { Name = t.Name, Description = t.Description }).ToHashSet();
        foreach (var (name, header) in Headers.All)
            swaggerDoc.AddComponent(name, header);
        foreach (var problem in Examples.Problems)
            swaggerDoc.AddComponent(problem.Name, problem.ToOpenApi());
    }
}
