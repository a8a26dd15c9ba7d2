using System.Text.Json;
using Microsoft.Extensions.AI;

namespace AiChat.Infrastructure.Providers.OpenAi;

/// <summary>
/// What AiChat needs of a chat completion, or of one event of a streamed one. Read tolerantly: "OpenAI-compatible" servers leave fields
/// out, add their own and send null or another type where a value belongs. Only what is not a JSON object at all is an error.
/// </summary>
internal record struct Completion
{
    /// <summary>The text of the first choice; null when there is none.</summary>
    public string? Text { get; private set; }

    /// <summary>Why the model stopped; null while it has not, or when the server does not say.</summary>
    public ChatFinishReason? FinishReason { get; private set; }

    /// <summary>The model that answered, as the server names it.</summary>
    public string? Model { get; private set; }

    public long? InputTokens { get; private set; }

    public long? OutputTokens { get; private set; }

    /// <summary>Tokens of the prompt that the server had kept from earlier ones.</summary>
    public long? CachedTokens { get; private set; }

    /// <summary>Tokens of the answer that were not shown.</summary>
    public long? ReasoningTokens { get; private set; }

    /// <summary>Whether there is some reasoning in it.</summary>
    public bool IsReasoning { get; private set; }

    /// <summary>Whether there was at least one choice.</summary>
    public bool HasChoice { get; private set; }

    /// <summary>The server's error; null when it reported none.</summary>
    public ReportedError? Error { get; private set; }

    /// <summary>The stream's last word.</summary>
    public bool IsDone { get; private set; }

    public static Completion Done => new() { IsDone = true };

    /// <summary>The usage the server reported; null when it reported none.</summary>
    public readonly UsageDetails? ToUsage() => InputTokens is null && OutputTokens is null
        ? null
        : new UsageDetails
        {
            InputTokenCount = InputTokens,
            OutputTokenCount = OutputTokens,
            TotalTokenCount = InputTokens + OutputTokens,
            CachedInputTokenCount = CachedTokens,
            ReasoningTokenCount = ReasoningTokens,
        };

    /// <param name="json">A whole completion (<c>message</c>) or an event of a stream (<c>delta</c>).</param>
    /// <param name="knownModel">The model the answer will probably name, so that its name is not made again for every event.</param>
    /// <exception cref="JsonException">Not a JSON object.</exception>
    public static Completion Parse(ReadOnlySpan<byte> json, string knownModel)
    {
        try
        {
            return ParseObject(json, knownModel);
        }
        catch (InvalidOperationException failure)
        {
            // Well-formed JSON around a string that is no text: broken UTF-8, half a surrogate pair.
            throw new JsonException(failure.Message, failure);
        }
    }

    private static Completion ParseObject(ReadOnlySpan<byte> json, string knownModel)
    {
        var reader = new Utf8JsonReader(json);
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
            throw new JsonException("The answer is not a JSON object.");

        var completion = default(Completion);
        while (JsonReading.NextProperty(ref reader))
        {
            if (reader.ValueTextEquals("choices"u8))
                ReadChoices(ref reader, ref completion);
            else if (reader.ValueTextEquals("usage"u8))
                ReadUsage(ref reader, ref completion);
            else if (reader.ValueTextEquals("model"u8))
                completion.Model = JsonReading.ReadModel(ref reader, knownModel);
            else if (reader.ValueTextEquals("error"u8))
                completion.Error = ReportedError.Read(ref reader);
            else
                JsonReading.SkipValue(ref reader);
        }

        // Reads on, so that anything behind the object is noticed.
        reader.Read();
        return completion;
    }

    private static void ReadChoices(ref Utf8JsonReader reader, ref Completion completion)
    {
        if (!JsonReading.EnterValue(ref reader, JsonTokenType.StartArray))
            return;

        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType == JsonTokenType.StartObject && !completion.HasChoice)
                ReadChoice(ref reader, ref completion);
            else
                reader.Skip();
        }
    }

    private static void ReadChoice(ref Utf8JsonReader reader, ref Completion completion)
    {
        completion.HasChoice = true;
        while (JsonReading.NextProperty(ref reader))
        {
            if (reader.ValueTextEquals("message"u8) || reader.ValueTextEquals("delta"u8))
                ReadContent(ref reader, ref completion);
            else if (reader.ValueTextEquals("finish_reason"u8))
                completion.FinishReason = ReadFinishReason(ref reader);
            else
                JsonReading.SkipValue(ref reader);
        }
    }

    private static void ReadContent(ref Utf8JsonReader reader, ref Completion completion)
    {
        if (!JsonReading.EnterValue(ref reader, JsonTokenType.StartObject))
            return;

        while (JsonReading.NextProperty(ref reader))
        {
            if (reader.ValueTextEquals("content"u8))
                completion.Text = JsonReading.ReadString(ref reader) ?? completion.Text;
            else if (reader.ValueTextEquals("reasoning"u8) || reader.ValueTextEquals("reasoning_content"u8))
                completion.IsReasoning |= JsonReading.ReadHasText(ref reader);
            else
                JsonReading.SkipValue(ref reader);
        }
    }

    private static ChatFinishReason? ReadFinishReason(ref Utf8JsonReader reader)
    {
        reader.Read();
        if (reader.TokenType == JsonTokenType.String && reader.ValueTextEquals("stop"u8))
            return ChatFinishReason.Stop;
        return JsonReading.StringOrSkip(ref reader) is { Length: > 0 } reason ? new ChatFinishReason(reason) : null;
    }

    private static void ReadUsage(ref Utf8JsonReader reader, ref Completion completion)
    {
        if (!JsonReading.EnterValue(ref reader, JsonTokenType.StartObject))
            return;

        while (JsonReading.NextProperty(ref reader))
        {
            if (reader.ValueTextEquals("prompt_tokens"u8))
                completion.InputTokens = JsonReading.ReadCount(ref reader);
            else if (reader.ValueTextEquals("completion_tokens"u8))
                completion.OutputTokens = JsonReading.ReadCount(ref reader);
            else if (reader.ValueTextEquals("prompt_tokens_details"u8))
                completion.CachedTokens = ReadDetail(ref reader, "cached_tokens"u8);
            else if (reader.ValueTextEquals("completion_tokens_details"u8))
                completion.ReasoningTokens = ReadDetail(ref reader, "reasoning_tokens"u8);
            else
                JsonReading.SkipValue(ref reader);
        }
    }

    private static long? ReadDetail(ref Utf8JsonReader reader, ReadOnlySpan<byte> name)
    {
        if (!JsonReading.EnterValue(ref reader, JsonTokenType.StartObject))
            return null;

        var count = default(long?);
        while (JsonReading.NextProperty(ref reader))
        {
            if (reader.ValueTextEquals(name))
                count = JsonReading.ReadCount(ref reader);
            else
                JsonReading.SkipValue(ref reader);
        }

        return count;
    }
}
