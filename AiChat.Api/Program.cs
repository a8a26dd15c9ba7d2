using AiChat.Api.Configuration;
using AiChat.Api.Dialects;
using AiChat.Api.Errors;
using AiChat.Api.Json;
using AiChat.Api.Logging;
using AiChat.Api.OpenApi;
using AiChat.Api.Telemetry;
using AiChat.Api.Verbs;
using AiChat.Core;
using AiChat.Infrastructure.Persistence;
using AiChat.Infrastructure.Providers;
using AiChat.Infrastructure.WebSearch;

if (await Verb.TryRunAsync(args) is { } exitCode)
    return exitCode;

// Slim: no IIS, no QUIC, no start-up hooks of others; HTTPS is asked for by name (HttpServerSetup).
var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { Args = args, ContentRootPath = AppContext.BaseDirectory });

builder.Configuration.UseAiChatSources(args, Directory.GetCurrentDirectory());
builder.AddLogging();
builder.AddHttpServer();

builder.Services.AddTelemetry();
builder.Services.AddChatCore();
builder.Services.AddPersistence();
builder.Services.AddProviders();
builder.Services.AddWebSearch();

builder.Services.AddControllers(mvc => mvc.AddValidation()).AddJson();
builder.Services.AddValidators();
builder.Services.AddProblems();
builder.Services.AddDialects();
builder.Services.AddOpenApiDocument();

await using var app = builder.Build();

app.UseRequestLog();
app.UseProblems();
app.MapControllers();
app.MapOpenApiPages();

return await app.RunToEndAsync(builder.Services);

/// <summary>Named for tests, which start the application in their own process.</summary>
public sealed partial class Program;
