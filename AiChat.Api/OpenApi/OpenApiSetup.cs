using Microsoft.OpenApi;

namespace AiChat.Api.OpenApi;

internal static class OpenApiSetup
{
    public static void AddOpenApiDocument(this IServiceCollection services) => services.AddSwaggerGen(swagger =>
    {
        swagger.SwaggerDoc("v1", new OpenApiInfo { Title = "AiChat", Version = "v1" });
        foreach (var file in Directory.GetFiles(AppContext.BaseDirectory, "AiChat.*.xml"))
            swagger.IncludeXmlComments(file);
    });

    public static void UseOpenApiPages(this IApplicationBuilder app)
    {
        app.UseSwagger();
        app.UseSwaggerUI(ui => ui.RoutePrefix = "docs");
        app.UseSwaggerUI(ui => ui.RoutePrefix = "swagger");
        app.UseReDoc(ui => ui.RoutePrefix = "redoc");
    }
}
