using System.Buffers;
using System.Diagnostics;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using AiChat.Core.Runs;
using Microsoft.Extensions.AI;

namespace AiChat.Core.Models;

/// <summary>Where a call goes.</summary>
/// <param name="Provider">The provider's name in the configuration.</param>
/// <param name="Model">The model's id at the provider.</param>
/// <param name="Address">The provider's server; null for one without.</param>
internal sealed record ModelEndpoint(string Provider, string Model, Uri? Address)
{
    public string SpanName { get; } = $"chat {Model}";
}

/// <summary>One call of a model that somebody wants to know of, from its beginning to its disposal. Not safe for several threads.</summary>
internal sealed class MeasuredCall : IDisposable
{
    private static readonly JsonWriterOptions ContentFormat = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly ModelEndpoint endpoint;
    private readonly TimeProvider time;
    private readonly bool isStream;
    private readonly long started;
    private readonly Activity? span;

    /// <summary>The reply, where spans carry contents; null where they do not.</summary>
    private readonly StringBuilder? reply;

    private bool hasChunk;
    private TimeSpan firstChunk;
    private string? responseId;
    private string? responseModel;
    private ChatFinishReason? finishReason;
    private UsageDetails? usage;
    private string? error;

    public MeasuredCall(
        ModelEndpoint endpoint, ChatTelemetry telemetry, TimeProvider time, IEnumerable<ChatMessage> messages, ChatOptions? options, bool isStream)
    {
        this.endpoint = endpoint;
        this.time = time;
        this.isStream = isStream;
        started = time.GetTimestamp();
        span = ChatTelemetry.Source.HasListeners()
            ? ChatTelemetry.Source.StartActivity(endpoint.SpanName, ActivityKind.Client, default(ActivityContext), NewTags())
            : null;
        if (span is not { IsAllDataRequested: true })
            return;

        DescribeRequest(span, options);
        if (!telemetry.IncludeContents)
            return;
        reply = new StringBuilder();
        span.SetTag("gen_ai.input.messages", ToJson(messages));
    }

    /// <summary>Notes a piece of a streamed answer.</summary>
    public void Take(ChatResponseUpdate update)
    {
        if (!hasChunk)
        {
            hasChunk = true;
            firstChunk = time.GetElapsedTime(started);
        }

        responseId ??= update.ResponseId;
        responseModel = update.ModelId ?? responseModel;
        finishReason = update.FinishReason ?? finishReason;
        var contents = update.Contents;
        for (var i = 0; i < contents.Count; i++)
        {
            if (contents[i] is UsageContent reported)
                usage = reported.Details;
            else if (reply is not null && contents[i] is TextContent text)
                reply.Append(text.Text);
        }
    }

    /// <summary>Notes an answer that came whole.</summary>
    public void Take(ChatResponse response)
    {
        responseId = response.ResponseId;
        responseModel = response.ModelId;
        finishReason = response.FinishReason;
        usage = response.Usage;
        reply?.Append(response.Text);
    }

    /// <summary>Notes why the call gave no whole answer. To have been cancelled is no error of the model, but its time tells nothing either.</summary>
    public void Fail(Exception failure, CancellationToken cancellationToken)
    {
        var isCancelled = failure is OperationCanceledException && cancellationToken.IsCancellationRequested;
        error = failure switch
        {
            ProviderException expected => RunError.ToCode(expected.Error),
            _ when isCancelled => "cancelled",
            _ => failure.GetType().FullName,
        };
        if (!isCancelled)
            span?.SetStatus(ActivityStatusCode.Error);
    }

    /// <summary>The call is over.</summary>
    public void Dispose()
    {
        var duration = time.GetElapsedTime(started);
        var tags = NewTags();
        if (responseModel is not null)
            tags.Add("gen_ai.response.model", responseModel);
        if (isStream && hasChunk)
            ChatTelemetry.TimeToFirstChunk.Record(firstChunk.TotalSeconds, tags);
        RecordTokens(tags);
        if (error is not null)
            tags.Add("error.type", error);
        ChatTelemetry.Duration.Record(duration.TotalSeconds, tags);

        if (span is { IsAllDataRequested: true })
            DescribeAnswer(span);
        span?.Dispose();
    }

    private TagList NewTags()
    {
        var tags = new TagList
        {
            { "gen_ai.operation.name", "chat" },
            { "gen_ai.provider.name", endpoint.Provider },
            { "gen_ai.request.model", endpoint.Model },
        };
        if (endpoint.Address is not { } address)
            return tags;
        tags.Add("server.address", address.Host);
        tags.Add("server.port", address.Port);
        return tags;
    }

    private void RecordTokens(TagList tags)
    {
        if (usage?.InputTokenCount is { } input)
            ChatTelemetry.TokenUsage.Record(input, With(tags, "input"));
        if (usage?.OutputTokenCount is { } output)
            ChatTelemetry.TokenUsage.Record(output, With(tags, "output"));

        static TagList With(TagList tags, string type)
        {
            tags.Add("gen_ai.token.type", type);
            return tags;
        }
    }

    private void DescribeRequest(Activity span, ChatOptions? options)
    {
        if (isStream)
            span.SetTag("gen_ai.request.stream", true);
        if (options?.Temperature is { } temperature)
            span.SetTag("gen_ai.request.temperature", (double)temperature);
        if (options?.MaxOutputTokens is { } longest)
            span.SetTag("gen_ai.request.max_tokens", longest);
    }

    private void DescribeAnswer(Activity span)
    {
        span.SetTag("gen_ai.response.id", responseId);
        span.SetTag("gen_ai.response.model", responseModel);
        if (isStream && hasChunk)
            span.SetTag("gen_ai.response.time_to_first_chunk", firstChunk.TotalSeconds);
        if (finishReason is { } reason)
            span.SetTag("gen_ai.response.finish_reasons", new[] { reason.Value });
        span.SetTag("gen_ai.usage.input_tokens", usage?.InputTokenCount);
        span.SetTag("gen_ai.usage.output_tokens", usage?.OutputTokenCount);
        span.SetTag("gen_ai.usage.cache_read.input_tokens", usage?.CachedInputTokenCount);
        span.SetTag("gen_ai.usage.reasoning.output_tokens", usage?.ReasoningTokenCount);
        span.SetTag("error.type", error);
        if (reply is { Length: > 0 })
            span.SetTag("gen_ai.output.messages", ToJson([new ChatMessage(ChatRole.Assistant, reply.ToString())], finishReason));
    }

    /// <summary>The conventions' form of messages. Of their contents the texts, the calls of tools and their results.</summary>
    private static string ToJson(IEnumerable<ChatMessage> messages, ChatFinishReason? reason = null)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using var json = new Utf8JsonWriter(buffer, ContentFormat);
        json.WriteStartArray();
        foreach (var message in messages)
        {
            json.WriteStartObject();
            json.WriteString("role", message.Role.Value);
            json.WriteStartArray("parts");
            WriteParts(json, message);
            json.WriteEndArray();
            if (reason is { } finished)
                json.WriteString("finish_reason", finished.Value);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.Flush();
        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    private static void WriteParts(Utf8JsonWriter json, ChatMessage message)
    {
        var toolContents = message.Contents.Where(c => c is FunctionCallContent or FunctionResultContent).ToList();
        if (toolContents.Count == 0 || message.Text.Length > 0)
        {
            json.WriteStartObject();
            json.WriteString("type", "text");
            json.WriteString("content", message.Text);
            json.WriteEndObject();
        }

        foreach (var content in toolContents)
            WriteToolPart(json, content);
    }

    private static void WriteToolPart(Utf8JsonWriter json, AIContent content)
    {
        json.WriteStartObject();
        if (content is FunctionCallContent call)
        {
            json.WriteString("type", "tool_call");
            json.WriteString("id", call.CallId);
            json.WriteString("name", call.Name);
            json.WritePropertyName("arguments");
            json.WriteRawValue(call.GetArgumentsJson());
        }
        else if (content is FunctionResultContent result)
        {
            json.WriteString("type", "tool_call_response");
            json.WriteString("id", result.CallId);
            json.WriteString("response", result.GetResultText());
        }

        json.WriteEndObject();
    }
}
