using Microsoft.Extensions.Options;
using Serilog;
using Serilog.Formatting.Json;
using Serilog.Settings.Configuration;

namespace AiChat.Api.Logging;

/// <summary>How log lines look.</summary>
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

    /// <summary>Serilog to the console; levels come from the <c>Serilog:MinimumLevel</c> section. Writing happens beside the requests.</summary>
    public static void AddLogging(this WebApplicationBuilder builder)
    {
        builder.Services.AddOptions<LogOptions>().BindConfiguration(LogOptions.Section);
        builder.Services.AddSingleton<IValidateOptions<LogOptions>, LogOptionsValidator>();

        builder.Logging.ClearProviders();
        builder.Services.AddSingleton<ILoggerProvider>(services => new Serilog.Extensions.Logging.SerilogLoggerProvider(
            CreateLogger(services.GetRequiredService<IConfiguration>()), dispose: true));
        // Serilog decides by its own levels; the framework's filter in front of it must not decide as well.
        builder.Logging.SetMinimumLevel(LogLevel.Trace);
    }

    private static Serilog.Core.Logger CreateLogger(IConfiguration configuration)
    {
        // The sink is named here: no search through assemblies at start.
        var reading = new ConfigurationReaderOptions(typeof(LoggingSetup).Assembly);
        var isJson = configuration[$"{LogOptions.Section}:{nameof(LogOptions.Format)}"] == "json";
        return new LoggerConfiguration()
            .ReadFrom.Configuration(configuration, reading)
            .WriteTo.Async(sink =>
            {
                if (isJson)
                    sink.Console(new JsonFormatter(renderMessage: true));
                else
                    sink.Console(outputTemplate: TextTemplate, formatProvider: System.Globalization.CultureInfo.InvariantCulture);
            })
            .CreateLogger();
    }
}
