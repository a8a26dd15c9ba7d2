using System.Text.Json;
using Microsoft.Extensions.AI;

namespace AiChat.Infrastructure.Providers.Anthropic;

/// <summary>
/// What AiChat needs of an event of a streamed answer, or of a whole answer. Read here rather than into the SDK's types, which take some
/// twenty microseconds and five kilobytes for every token; and tolerantly, because there will be more events than there are today.
/// </summary>
internal record struct AnthropicEvent
{
    /// <summary>Null when there is none.</summary>
    public string? Text { get; private set; }

    /// <summary>Whether there is some reasoning in it.</summary>
    public bool IsReasoning { get; private set; }

    /// <summary>Why the model stopped; null while it has not.</summary>
    public ChatFinishReason? FinishReason { get; private set; }

    public string? Model { get; private set; }

    /// <summary>Tokens of the prompt that were neither taken from the cache nor put into it.</summary>
    public long? InputTokens { get; private set; }

    public long? CacheReadTokens { get; private set; }

    public long? CacheWriteTokens { get; private set; }

    /// <summary>Tokens of the answer up to here.</summary>
    public long? OutputTokens { get; private set; }

    public long? ThinkingTokens { get; private set; }

    /// <summary>Null when the server reports none.</summary>
    public ReportedError? Error { get; private set; }

    /// <summary>Whether this is a message as a whole.</summary>
    public bool IsMessage { get; private set; }

    /// <summary>The stream's first word: what it says of the answer's tokens is a placeholder.</summary>
    public bool IsBegin { get; private set; }

    /// <summary>The stream's last word.</summary>
    public bool IsStop { get; private set; }

    public readonly bool HasUsage => InputTokens is not null || OutputTokens is not null;

    /// <param name="json">One event's data, or the body of a whole answer.</param>
    /// <param name="knownModel">The model the answer will probably name.</param>
    /// <exception cref="JsonException">Not a JSON object.</exception>
    public static AnthropicEvent Parse(ReadOnlySpan<byte> json, string knownModel)
    {
        try
        {
            var reader = new Utf8JsonReader(json);
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
                throw new JsonException("The answer is not a JSON object.");
            var result = default(AnthropicEvent);
            ReadObject(ref reader, ref result, knownModel);
            // Reads on, so that anything behind the object is noticed.
            reader.Read();
            return result;
        }
        catch (InvalidOperationException failure)
        {
            // Well-formed JSON around a string that is no text: broken UTF-8, half a surrogate pair.
            throw new JsonException(failure.Message, failure);
        }
    }

    /// <summary>An event, the message or piece in it, and a block of a message: no two of them mean different things by one name.</summary>
    private static void ReadObject(ref Utf8JsonReader reader, ref AnthropicEvent result, string knownModel)
    {
        while (JsonReading.NextProperty(ref reader))
        {
            if (reader.ValueTextEquals("type"u8))
                ReadType(ref reader, ref result);
            else if (reader.ValueTextEquals("delta"u8) || reader.ValueTextEquals("message"u8) || reader.ValueTextEquals("content_block"u8))
                ReadInner(ref reader, ref result, knownModel);
            else if (reader.ValueTextEquals("text"u8))
                result.Text += JsonReading.ReadString(ref reader);
            else if (reader.ValueTextEquals("thinking"u8))
                result.IsReasoning |= JsonReading.ReadHasText(ref reader);
            else if (reader.ValueTextEquals("content"u8))
                ReadBlocks(ref reader, ref result, knownModel);
            else if (reader.ValueTextEquals("stop_reason"u8))
                result.FinishReason = ToFinishReason(JsonReading.ReadString(ref reader));
            else if (reader.ValueTextEquals("usage"u8))
                ReadUsage(ref reader, ref result);
            else if (reader.ValueTextEquals("model"u8))
                result.Model = JsonReading.ReadModel(ref reader, knownModel);
            else if (reader.ValueTextEquals("error"u8))
                result.Error = ReportedError.Read(ref reader);
            else
                JsonReading.SkipValue(ref reader);
        }
    }

    private static void ReadType(ref Utf8JsonReader reader, ref AnthropicEvent result)
    {
        reader.Read();
        if (reader.TokenType != JsonTokenType.String)
            reader.Skip();
        else if (reader.ValueTextEquals("message_stop"u8))
            result.IsStop = true;
        else if (reader.ValueTextEquals("message_start"u8))
            result.IsBegin = true;
        else if (reader.ValueTextEquals("message"u8))
            result.IsMessage = true;
    }

    private static void ReadInner(ref Utf8JsonReader reader, ref AnthropicEvent result, string knownModel)
    {
        if (JsonReading.EnterValue(ref reader, JsonTokenType.StartObject))
            ReadObject(ref reader, ref result, knownModel);
    }

    private static void ReadBlocks(ref Utf8JsonReader reader, ref AnthropicEvent result, string knownModel)
    {
        if (!JsonReading.EnterValue(ref reader, JsonTokenType.StartArray))
            return;

        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType == JsonTokenType.StartObject)
                ReadObject(ref reader, ref result, knownModel);
            else
                reader.Skip();
        }
    }

    private static void ReadUsage(ref Utf8JsonReader reader, ref AnthropicEvent result)
    {
        if (!JsonReading.EnterValue(ref reader, JsonTokenType.StartObject))
            return;

        while (JsonReading.NextProperty(ref reader))
        {
            if (reader.ValueTextEquals("input_tokens"u8))
                result.InputTokens = JsonReading.ReadCount(ref reader);
            else if (reader.ValueTextEquals("cache_read_input_tokens"u8))
                result.CacheReadTokens = JsonReading.ReadCount(ref reader);
            else if (reader.ValueTextEquals("cache_creation_input_tokens"u8))
                result.CacheWriteTokens = JsonReading.ReadCount(ref reader);
            else if (reader.ValueTextEquals("output_tokens"u8))
                result.OutputTokens = JsonReading.ReadCount(ref reader);
            else if (reader.ValueTextEquals("output_tokens_details"u8))
                ReadOutputDetails(ref reader, ref result);
            else
                JsonReading.SkipValue(ref reader);
        }
    }

    private static void ReadOutputDetails(ref Utf8JsonReader reader, ref AnthropicEvent result)
    {
        if (!JsonReading.EnterValue(ref reader, JsonTokenType.StartObject))
            return;

        while (JsonReading.NextProperty(ref reader))
        {
            if (reader.ValueTextEquals("thinking_tokens"u8))
                result.ThinkingTokens = JsonReading.ReadCount(ref reader);
            else
                JsonReading.SkipValue(ref reader);
        }
    }

    private static ChatFinishReason? ToFinishReason(string? reason) => reason switch
    {
        null or "" => null,
        "end_turn" or "stop_sequence" => ChatFinishReason.Stop,
        "max_tokens" or "model_context_window_exceeded" => ChatFinishReason.Length,
        "refusal" => ChatFinishReason.ContentFilter,
        "tool_use" => ChatFinishReason.ToolCalls,
        _ => new ChatFinishReason(reason),
    };
}
