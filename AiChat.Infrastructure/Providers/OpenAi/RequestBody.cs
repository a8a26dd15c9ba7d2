using System.Buffers;
using System.ClientModel;
using System.Text.Encodings.Web;
using System.Text.Json;
using AiChat.Core.Models;
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
            if (messages[i].Role == ChatRole.Tool)
                WriteResults(json, messages[i]);
            else
                WriteMessage(json, messages[i]);
        }

        json.WriteEndArray();
    }

    private static void WriteMessage(Utf8JsonWriter json, ChatMessage message)
    {
        var text = message.Text;
        var hasCalls = HasCalls(message);
        json.WriteStartObject();
        json.WriteString("role"u8, message.Role.Value);
        // A model that calls without a word says null, not nothing.
        if (hasCalls && text.Length == 0)
            json.WriteNull("content"u8);
        else
            json.WriteString("content"u8, text);
        if (hasCalls)
            WriteCalls(json, message);
        json.WriteEndObject();
    }

    // By index: a loop over the interface makes an enumerator for every message.
    private static bool HasCalls(ChatMessage message)
    {
        for (var i = 0; i < message.Contents.Count; i++)
        {
            if (message.Contents[i] is FunctionCallContent)
                return true;
        }

        return false;
    }

    /// <summary>The tools themselves are not declared, so that the model calls none: these are calls of the past.</summary>
    private static void WriteCalls(Utf8JsonWriter json, ChatMessage message)
    {
        json.WriteStartArray("tool_calls"u8);
        foreach (var call in message.Contents.OfType<FunctionCallContent>())
        {
            json.WriteStartObject();
            json.WriteString("id"u8, call.CallId);
            json.WriteString("type"u8, "function"u8);
            json.WriteStartObject("function"u8);
            json.WriteString("name"u8, call.Name);
            json.WriteString("arguments"u8, call.GetArgumentsJson());
            json.WriteEndObject();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    /// <summary>Each result is a message of its own.</summary>
    private static void WriteResults(Utf8JsonWriter json, ChatMessage message)
    {
        foreach (var result in message.Contents.OfType<FunctionResultContent>())
        {
            json.WriteStartObject();
            json.WriteString("role"u8, "tool"u8);
            json.WriteString("tool_call_id"u8, result.CallId);
            json.WriteString("content"u8, result.GetResultText());
            json.WriteEndObject();
        }
    }

    private static void WriteStream(Utf8JsonWriter json)
    {
        json.WriteBoolean("stream"u8, true);
        json.WriteStartObject("stream_options"u8);
        json.WriteBoolean("include_usage"u8, true);
        json.WriteEndObject();
    }
}
