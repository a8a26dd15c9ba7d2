using AiChat.Api.Configuration;
using AiChat.Api.Dialects;
using AiChat.Api.Runs;
using Microsoft.OpenApi;
using Swashbuckle.AspNetCore.SwaggerGen;

namespace AiChat.Api.OpenApi;

internal static class OpenApiSetup
{
    public const string DocumentName = "v1";

    private const string DocumentPath = $"/swagger/{DocumentName}/swagger.json";
    private const string Title = "AiChat";

    private const string Description = """
        A chat backend for applications: it creates chats, takes messages, gets replies from language models, and remembers the
        conversation.

        **Format.** JSON in UTF-8 with snake_case names; instants are ISO 8601 in UTC; ids are UUIDs. Unknown fields of a
        request are ignored.

        **Users.** Every chat belongs to one `user_id`. A chat of another user is answered like one that does not exist.

        **Errors.** Every error is `application/problem+json` (RFC 9457). `code` is stable and meant for programs, `detail` for people, and
        `errors` lists what is wrong with each field, all at once. A path that does not exist is answered with 404 `route_not_found`, a
        method that a path does not take with 405 `method_not_allowed` and the header `Allow`. Routes that work like another chat API have
        that API's error bodies, with the same statuses.

        **Request ids.** Every answer carries `x-request-id`: the one the client sent, or a new one. It finds the request in the
        server's log.
        """;

    /// <summary>Nothing is built here: the document is made when somebody first asks for it.</summary>
    public static void AddOpenApiDocument(this IServiceCollection services)
    {
        services.AddSingleton<ServedDocument>();
        services.AddSingleton<ISerializerDataContractResolver, ContractTypeResolver>();
        services.AddSwaggerGen(swagger =>
        {
            swagger.SwaggerDoc(DocumentName, new OpenApiInfo
            {
                Title = Title,
                Version = Banner.Version,
                Description = Description,
                Contact = new OpenApiContact { Name = "The AiChat authors" },
                License = new OpenApiLicense { Name = "MIT", Url = new Uri("https://opensource.org/license/mit") },
            });
            swagger.AddServer(new OpenApiServer { Url = "/", Description = "The server this document comes from" });
            swagger.UseAllOfToExtendReferenceSchemas();
            // The generator groups by path without its last slash, which tells two routes apart.
            var group = swagger.SwaggerGeneratorOptions.PathGroupSelector;
            swagger.SwaggerGeneratorOptions.PathGroupSelector = route => TrailingSlashAttribute.IsOn(route) ? $"{group(route)}/" : group(route);
            foreach (var file in Directory.GetFiles(AppContext.BaseDirectory, "AiChat.*.xml"))
                swagger.IncludeXmlComments(file);
            // A text in the query, not an object of the document.
            swagger.MapType<SeenEvent>(() => new OpenApiSchema { Type = JsonSchemaType.String });
            swagger.SchemaFilter<ContractSchemaFilter>();
            swagger.SchemaFilter<EnumSchemaFilter>();
            swagger.ParameterFilter<ParameterFilter>();
            swagger.OperationFilter<AnswersFilter>();
            swagger.DocumentFilter<DocumentFilter>();
        });
    }

    /// <summary>The document, Swagger UI under two names, and ReDoc. Endpoints, not middleware: other requests pay nothing.</summary>
    public static void MapOpenApiPages(this IEndpointRouteBuilder app)
    {
        app.MapGet(DocumentPath, (ServedDocument document) => document.GetAsync()).ExcludeFromDescription();
        app.MapSwaggerUI("docs", ShowDocument);
        app.MapSwaggerUI("swagger", ShowDocument);
        app.MapReDoc("redoc", page =>
        {
            page.DocumentTitle = Title;
            page.SpecUrl(DocumentPath);
            page.ExpandResponses("200,201");
            page.IndexStream = () => typeof(OpenApiSetup).Assembly.GetManifestResourceStream("AiChat.Api.OpenApi.redoc.html")!;
        });
    }

    private static void ShowDocument(Swashbuckle.AspNetCore.SwaggerUI.SwaggerUIOptions page)
    {
        page.DocumentTitle = Title;
        page.SwaggerEndpoint(DocumentPath, Title);
        page.DisplayRequestDuration();
        page.EnableDeepLinking();
    }
}
