using System.Buffers;
using System.ClientModel;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.Extensions.AI;

namespace AiChat.Infrastructure.Providers.OpenAi;

/// <summary>
/// The JSON of one chat completion request. Written here rather than by the SDK's own types, which are made for everything OpenAI
/// offers: the bytes are exactly the ones meant, and cost one array.
/// </summary>
internal sealed class RequestBody : BinaryContent
{
    /// <summary>Room for names and punctuation beside the texts.</summary>
    private const int FixedRoom = 160;
    private const int RoomPerMessage = 40;

    private static readonly JsonWriterOptions WriterOptions = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        SkipValidation = true,
    };

    // Not from a pool: a request that is cancelled or answered early may still be read by the connection.
    private readonly ArrayBufferWriter<byte> buffer;

    public RequestBody(IEnumerable<ChatMessage> messages, ChatOptions? options, string model, string maxTokensField, bool isStream)
    {
        var list = messages as IReadOnlyList<ChatMessage> ?? [.. messages];
        buffer = new ArrayBufferWriter<byte>(EstimateSize(list));
        MediaType = "application/json";

        using var json = new Utf8JsonWriter(buffer, WriterOptions);
        json.WriteStartObject();
        json.WriteString("model"u8, model);
        WriteMessages(json, list);
        // A float, and so the shortest decimal that is this float: 0.7, not 0.699999988.
        if (options?.Temperature is { } temperature)
            json.WriteNumber("temperature"u8, temperature);
        if (options?.MaxOutputTokens is { } maxTokens)
            json.WriteNumber(maxTokensField, maxTokens);
        if (isStream)
            WriteStream(json);
        json.WriteEndObject();
    }

    public override bool TryComputeLength(out long length)
    {
        length = buffer.WrittenCount;
        return true;
    }

    public override Task WriteToAsync(Stream stream, CancellationToken cancellationToken = default) =>
        stream.WriteAsync(buffer.WrittenMemory, cancellationToken).AsTask();

    public override void WriteTo(Stream stream, CancellationToken cancellationToken = default) => stream.Write(buffer.WrittenSpan);

    public override void Dispose()
    {
    }

    private static int EstimateSize(IReadOnlyList<ChatMessage> messages)
    {
        var size = FixedRoom;
        for (var i = 0; i < messages.Count; i++)
        {
            var length = messages[i].Text.Length;
            size += length + (length / 8) + RoomPerMessage;
        }

        return size;
    }

    private static void WriteMessages(Utf8JsonWriter json, IReadOnlyList<ChatMessage> messages)
    {
        json.WriteStartArray("messages"u8);
        for (var i = 0; i < messages.Count; i++)
        {
            json.WriteStartObject();
            json.WriteString("role"u8, messages[i].Role.Value);
            json.WriteString("content"u8, messages[i].Text);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteStream(Utf8JsonWriter json)
    {
        json.WriteBoolean("stream"u8, true);
        json.WriteStartObject("stream_options"u8);
        json.WriteBoolean("include_usage"u8, true);
        json.WriteEndObject();
    }
}
