using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Mvc.Formatters;
using Microsoft.Net.Http.Headers;

namespace AiChat.Api.Json;

/// <summary>
/// Writes answers that are whole already straight into the response's buffer; the framework's own writer can pause inside every object,
/// which costs a list of chats a tenth of its time. Answers that come piece by piece, or have a list that does, are left to it.
/// </summary>
internal sealed class JsonBodyWriter : TextOutputFormatter
{
    private static readonly JsonWriterOptions WriterOptions = new() { Encoder = JsonSetup.Options.Encoder, SkipValidation = true };

    private static readonly ConcurrentDictionary<Type, bool> WholeTypes = new();

    [ThreadStatic]
    private static Utf8JsonWriter? idleWriter;

    public JsonBodyWriter()
    {
        SupportedEncodings.Add(Encoding.UTF8);
        SupportedMediaTypes.Add(MediaTypeHeaderValue.Parse("application/json"));
    }

    public override async Task WriteResponseBodyAsync(OutputFormatterWriteContext context, Encoding selectedEncoding)
    {
        var body = context.HttpContext.Response.BodyWriter;
        var writer = idleWriter ?? new Utf8JsonWriter(body, WriterOptions);
        idleWriter = null;
        writer.Reset(body);
        JsonSerializer.Serialize(writer, context.Object, context.ObjectType!, JsonSetup.Options);
        writer.Flush();
        idleWriter = writer;
        await body.FlushAsync(context.HttpContext.RequestAborted);
    }

    protected override bool CanWriteType(Type? type) => type is not null && WholeTypes.GetOrAdd(type, IsWhole);

    private static bool IsWhole(Type type) =>
        !ComesInPieces(type) && !JsonSetup.Options.GetTypeInfo(type).Properties.Any(p => ComesInPieces(p.PropertyType));

    private static bool ComesInPieces(Type type) => type.GetInterfaces().Append(type).Any(IsAsyncEnumerable);

    private static bool IsAsyncEnumerable(Type type) => type.IsGenericType && type.GetGenericTypeDefinition() == typeof(IAsyncEnumerable<>);
}
