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

    /// <summary>An empty body is a malformed one, unless the action does without; the framework would bind nothing and go on.</summary>
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
            if (body.Buffer.IsEmpty && context.TreatEmptyInputAsDefaultValue)
                return await InputFormatterResult.SuccessAsync(null);
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

            var wrong = FindWrong(document.RootElement, type, "").ToDictionary();
            if (wrong.Count == 0)
                throw RequestBodyException.Malformed();

            foreach (var (field, problem) in wrong)
                state.AddModelError(field, problem);
            return JsonSerializer.Deserialize(WriteWithout(wrong, document.RootElement), type)!;
        }
        catch (Exception failure) when (IsUnreadable(failure))
        {
            throw RequestBodyException.Malformed();
        }
    }

    /// <summary>Every field of a wrong type by its name, with the names of the objects it stands in, and what it must be.</summary>
    private static IEnumerable<KeyValuePair<string, string>> FindWrong(JsonElement body, JsonTypeInfo type, string outer)
    {
        foreach (var property in type.Properties)
        {
            if (!body.TryGetProperty(property.Name, out var value) || CanRead(value, property.PropertyType))
                continue;
            if (value.ValueKind != JsonValueKind.Object || !IsObject(property.PropertyType))
                yield return new(outer + property.Name, $"must be {Describe(property.PropertyType)}");
            else
                foreach (var inner in FindWrong(value, JsonSetup.Options.GetTypeInfo(property.PropertyType), $"{outer}{property.Name}."))
                    yield return inner;
        }
    }

    private static ReadOnlySpan<byte> WriteWithout(Dictionary<string, string> wrong, JsonElement body)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using var writer = new Utf8JsonWriter(buffer);
        Write(body, "");
        writer.Flush();
        return buffer.WrittenSpan;

        void Write(JsonElement json, string outer)
        {
            writer.WriteStartObject();
            foreach (var field in json.EnumerateObject().Where(f => !wrong.ContainsKey(outer + f.Name)))
            {
                var inside = $"{outer}{field.Name}.";
                if (field.Value.ValueKind != JsonValueKind.Object || !wrong.Keys.Any(name => name.StartsWith(inside, StringComparison.Ordinal)))
                {
                    field.WriteTo(writer);
                    continue;
                }

                writer.WritePropertyName(field.Name);
                Write(field.Value, inside);
            }

            writer.WriteEndObject();
        }
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
        if (IsObject(type))
            return "a JSON object";
        return type == typeof(int) ? "a whole number" : type == typeof(double) ? "a number" : "a JSON value of another kind";
    }

    private static bool IsObject(Type type) => JsonSetup.Options.GetTypeInfo(type).Kind == JsonTypeInfoKind.Object;
}
