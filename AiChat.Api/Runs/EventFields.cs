using System.Buffers;
using System.Buffers.Text;
using System.IO.Pipelines;
using System.Text;
using System.Text.Json;
using AiChat.Api.Json;

namespace AiChat.Api.Runs;

/// <summary>Writes the fields of server-sent events of a run into the response's own buffer.</summary>
internal sealed class EventFields(PipeWriter body, string runId)
{
    private const int LongestNumber = 20;

    private static readonly JsonWriterOptions JsonOptions = new() { Encoder = JsonSetup.Options.Encoder, SkipValidation = true };

    /// <summary>Where an idle writer points to: it must not keep a connection that is gone.</summary>
    private static readonly ArrayBufferWriter<byte> Nowhere = new();

    [ThreadStatic]
    private static Utf8JsonWriter? idleJson;

    private readonly byte[] idPrefix = Encoding.ASCII.GetBytes($"id: {runId}:");

    /// <summary>A whole comment, which says nothing.</summary>
    public void WriteKeepAlive() => body.Write(": keep-alive\n\n"u8);

    /// <summary>The position of the event, with its line break.</summary>
    public void WriteId(long sequence)
    {
        body.Write(idPrefix);
        Utf8Formatter.TryFormat(sequence, body.GetSpan(LongestNumber), out var length);
        body.Advance(length);
        body.Write("\n"u8);
    }

    /// <summary>The name of the event and what it says, up to its end.</summary>
    public void WriteJson<T>(string name, T data)
    {
        body.Write("event: "u8);
        Encoding.ASCII.GetBytes(name, body);
        body.Write("\ndata: "u8);
        var json = RentJson();
        JsonSerializer.Serialize(json, data, JsonSetup.Options);
        Return(json);
        WriteEnd();
    }

    public void WriteEnd() => body.Write("\n\n"u8);

    /// <summary>For data that is written by hand.</summary>
    public Utf8JsonWriter RentJson()
    {
        var json = idleJson ?? new Utf8JsonWriter(body, JsonOptions);
        idleJson = null;
        json.Reset(body);
        return json;
    }

    public static void Return(Utf8JsonWriter json)
    {
        json.Flush();
        json.Reset(Nowhere);
        idleJson = json;
    }
}
