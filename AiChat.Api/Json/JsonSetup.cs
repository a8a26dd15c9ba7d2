using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using AiChat.Api.Configuration;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.Options;

namespace AiChat.Api.Json;

internal static class JsonSetup
{
    /// <summary>The one JSON format, for MVC and for everything written by hand. Frozen at start.</summary>
    public static JsonSerializerOptions Options { get; } = Create();

    public static void AddJson(this IMvcBuilder mvc)
    {
        mvc.AddJsonOptions(json => Apply(json.JsonSerializerOptions));
        mvc.Services.ConfigureHttpJsonOptions(json => Apply(json.SerializerOptions));
        mvc.Services.AddSingleton<IConfigureOptions<MvcOptions>, JsonBodySetup>();
    }

    private static JsonSerializerOptions Create()
    {
        var options = new JsonSerializerOptions(JsonSerializerDefaults.Web);
        Apply(options);
        options.MakeReadOnly(populateMissingResolver: true);
        return options;
    }

    private static void Apply(JsonSerializerOptions options)
    {
        options.PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower;
        // "Title" is not "title" but an unknown field, which is ignored; with both in a body, it must not win.
        options.PropertyNameCaseInsensitive = false;
        // The body is JSON, never part of a page: letters of all languages stay readable.
        options.Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping;
        options.Converters.Add(new InstantJsonConverter());
        options.Converters.Add(new LenientBooleanJsonConverter());
        options.Converters.Add(new RawJsonConverter());
        options.Converters.Add(new OptionalJsonConverterFactory());
        options.Converters.Add(new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false));
    }

    /// <summary>Our reader of JSON bodies instead of the framework's, our writer in front of it.</summary>
    private sealed class JsonBodySetup(IOptions<HttpServerOptions> http) : IConfigureOptions<MvcOptions>
    {
        public void Configure(MvcOptions options)
        {
            options.InputFormatters.Clear();
            options.InputFormatters.Add(new JsonBodyReader(http));
            options.OutputFormatters.Insert(0, new JsonBodyWriter());
        }
    }
}
