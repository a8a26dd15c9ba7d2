using Microsoft.Extensions.Options;
using Serilog;
using Serilog.Events;
using Serilog.Extensions.Logging;
using Serilog.Formatting.Json;

namespace AiChat.Api.Logging;

/// <summary>How log lines look. Their levels are in <c>Logging:LogLevel</c>, as everywhere in ASP.NET Core.</summary>
public sealed class LogOptions
{
    public const string Section = "Logging";

    /// <summary><c>text</c> for people, <c>json</c> (one object a line) for log collectors.</summary>
    public string Format { get; set; } = "text";
}

public sealed class LogOptionsValidator : IValidateOptions<LogOptions>
{
    public ValidateOptionsResult Validate(string? name, LogOptions options) =>
        options.Format is "text" or "json"
            ? ValidateOptionsResult.Success
            : ValidateOptionsResult.Fail($"Logging:Format is '{options.Format}': write text or json.");
}

internal static class LoggingSetup
{
    private const string TextTemplate = "{Timestamp:HH:mm:ss.fff} {Level:u3} {Message:lj}{NewLine}{Exception}";

    private static readonly string[] SilentCategories =
    [
        // How the server fails to start is told in one sentence (Startup).
        "Microsoft.Extensions.Hosting.Internal.Host",
        // Shows every request with its query, which may hold what users say. The request log replaces it; besides, its scope around every
        // request costs more than all of our own work before the database.
        "Microsoft.AspNetCore.Hosting.Diagnostics",
        // Shows the queries of requests that are no HTTP.
        "Microsoft.AspNetCore.Server.Kestrel.BadRequests",
        // Shows an error for each transaction that ends with its connection. Whoever ran it knows, and runs it again or says so.
        "Npgsql.Transaction",
    ];

    /// <summary>Serilog to the console, written beside the requests.</summary>
    public static void AddLogging(this WebApplicationBuilder builder)
    {
        builder.Services.AddOptions<LogOptions>().BindConfiguration(LogOptions.Section);
        builder.Services.AddSingleton<IValidateOptions<LogOptions>, LogOptionsValidator>();

        builder.Logging.ClearProviders();
        builder.Logging.AddConfiguration(builder.Configuration.GetSection(LogOptions.Section));
        foreach (var category in SilentCategories)
        {
            builder.Logging.AddFilter(category, LogLevel.None);
            // By name as well: levels that are set for one provider would win over those for all of them.
            builder.Logging.AddFilter<SerilogLoggerProvider>(category, LogLevel.None);
        }

        builder.Services.AddSingleton<ILoggerProvider>(_ =>
            new SerilogLoggerProvider(CreateLogger(isJson: builder.Configuration[$"{LogOptions.Section}:Format"] == "json"), dispose: true));
    }

    /// <summary>Takes whatever reaches it: the levels were decided before.</summary>
    private static Serilog.Core.Logger CreateLogger(bool isJson) => new LoggerConfiguration()
        .MinimumLevel.Is(LevelAlias.Minimum)
        .WriteTo.Async(sink =>
        {
            if (isJson)
                sink.Console(new JsonFormatter(renderMessage: true));
            else
                sink.Console(outputTemplate: TextTemplate, formatProvider: System.Globalization.CultureInfo.InvariantCulture);
        })
        .CreateLogger();
}
