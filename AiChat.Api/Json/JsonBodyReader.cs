using System.Buffers;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using System.Text.Unicode;
using AiChat.Api.Configuration;
using AiChat.Api.Errors;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Mvc.Formatters;
using Microsoft.AspNetCore.Mvc.ModelBinding;
using Microsoft.Extensions.Options;
using Microsoft.Net.Http.Headers;

namespace AiChat.Api.Json;

/// <summary>
/// Reads JSON bodies whole (their size is limited) and says everything that is wrong with one at once; the framework's own reader stops
/// at the first field of a wrong type.
/// </summary>
internal sealed class JsonBodyReader : InputFormatter
{
    private readonly IOptions<HttpServerOptions> http;

    public JsonBodyReader(IOptions<HttpServerOptions> http)
    {
        this.http = http;
        SupportedMediaTypes.Add(MediaTypeHeaderValue.Parse("application/json"));
        SupportedMediaTypes.Add(MediaTypeHeaderValue.Parse("application/*+json"));
    }

    /// <summary>An empty body is a malformed one; the framework would bind nothing and go on.</summary>
    public override Task<InputFormatterResult> ReadAsync(InputFormatterContext context) => ReadRequestBodyAsync(context);

    public override async Task<InputFormatterResult> ReadRequestBodyAsync(InputFormatterContext context)
    {
        if (context.HttpContext.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
            limit.MaxRequestBodySize = http.Value.MaxBodyBytes;

        var reader = context.HttpContext.Request.BodyReader;
        var body = await reader.ReadAsync(context.HttpContext.RequestAborted);
        while (!body.IsCompleted)
        {
            reader.AdvanceTo(body.Buffer.Start, body.Buffer.End);
            body = await reader.ReadAsync(context.HttpContext.RequestAborted);
        }

        try
        {
            return await InputFormatterResult.SuccessAsync(Parse(body.Buffer, context.ModelType, context.ModelState));
        }
        finally
        {
            reader.AdvanceTo(body.Buffer.End);
        }
    }

    private static object Parse(ReadOnlySequence<byte> body, Type type, ModelStateDictionary state)
    {
        ReadOnlySpan<byte> bytes = body.IsSingleSegment ? body.FirstSpan : body.ToArray();
        // The reader looks only into texts it has to decode: what is kept raw, as metadata is, would fail later.
        if (!Utf8.IsValid(bytes))
            throw RequestBodyException.Malformed();

        try
        {
            var reader = new Utf8JsonReader(bytes);
            return JsonSerializer.Deserialize(ref reader, type, JsonSetup.Options) is { } value && IsAtEnd(ref reader)
                ? value
                : throw RequestBodyException.NotAnObject();
        }
        catch (Exception failure) when (IsUnreadable(failure))
        {
            return ReadFieldByField(body, JsonSetup.Options.GetTypeInfo(type), state);
        }
    }

    /// <summary>A name with half a surrogate pair ("\ud800") is reported as an invalid operation.</summary>
    private static bool IsUnreadable(Exception failure) => failure is JsonException or InvalidOperationException;

    private static bool IsAtEnd(ref Utf8JsonReader reader) => !reader.Read();

    /// <summary>Notes every field that is of a wrong type, and reads the others, so that their rules are checked as well.</summary>
    private static object ReadFieldByField(ReadOnlySequence<byte> body, JsonTypeInfo type, ModelStateDictionary state)
    {
        try
        {
            using var document = JsonDocument.Parse(body);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                throw RequestBodyException.NotAnObject();

            var wrong = type.Properties
                .Where(p => document.RootElement.TryGetProperty(p.Name, out var value) && !CanRead(value, p.PropertyType))
                .ToDictionary(p => p.Name, p => $"must be {Describe(p.PropertyType)}");
            if (wrong.Count == 0)
                throw RequestBodyException.Malformed();

            foreach (var (field, problem) in wrong)
                state.AddModelError(field, problem);
            return JsonSerializer.Deserialize(WriteWithout(wrong.ContainsKey, document.RootElement), type)!;
        }
        catch (Exception failure) when (IsUnreadable(failure))
        {
            throw RequestBodyException.Malformed();
        }
    }

    private static ReadOnlySpan<byte> WriteWithout(Func<string, bool> isLeftOut, JsonElement body)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using var writer = new Utf8JsonWriter(buffer);
        writer.WriteStartObject();
        foreach (var field in body.EnumerateObject().Where(f => !isLeftOut(f.Name)))
            field.WriteTo(writer);
        writer.WriteEndObject();
        writer.Flush();
        return buffer.WrittenSpan;
    }

    private static bool CanRead(JsonElement value, Type type)
    {
        try
        {
            value.Deserialize(type, JsonSetup.Options);
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private static string Describe(Type type)
    {
        if (type.IsGenericType)
            return Describe(type.GenericTypeArguments[0]);
        if (type == typeof(string))
            return "a text";
        if (type == typeof(bool))
            return "true or false";
        return type == typeof(int) ? "a whole number" : type == typeof(double) ? "a number" : "a JSON value of another kind";
    }
}
