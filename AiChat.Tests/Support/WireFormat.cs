using System.Text.Json;

namespace AiChat.Tests.Support;

/// <summary>How a provider writes what it has to say. Everything is text as it goes over the wire.</summary>
public abstract class WireFormat
{
    public static WireFormat OpenAi { get; } = new OpenAiFormat();

    public static WireFormat Anthropic { get; } = new AnthropicFormat();

    /// <summary>The provider's <c>Kind</c> in the configuration.</summary>
    public abstract string Kind { get; }

    /// <summary>What the path of a request ends with.</summary>
    public abstract string Path { get; }

    /// <summary>What a streamed answer begins with; <paramref name="usage"/> is left out when it is null.</summary>
    public abstract string Begin(string model, FakeUsage? usage);

    /// <summary>Whether <see cref="Begin"/> reports what the prompt takes.</summary>
    public abstract bool ReportsAtBegin { get; }

    /// <summary>A piece of text, with the usage so far when it is not null.</summary>
    public abstract string Piece(string model, string text, FakeUsage? usage);

    public abstract string End(string model, string reason, FakeUsage? usage);

    /// <summary>An answer that is not streamed.</summary>
    public abstract string Whole(string model, string text, string reason, FakeUsage? usage);

    /// <summary>Status and body of a failure.</summary>
    public abstract (int Status, string Body) Failure(FakeScript script, string model);

    /// <summary>What is wrong with the calls of tools and the results in a request; null when nothing is.</summary>
    public abstract string? FindProblem(JsonElement request);

    /// <summary>The body of a 400 for a request that is against the rules.</summary>
    public abstract string Refusal(string problem);

    private protected static string Quote(string text) => JsonSerializer.Serialize(text);

    private sealed class OpenAiFormat : WireFormat
    {
        public override string Kind => "openai";

        public override string Path => "/v1/chat/completions";

        public override bool ReportsAtBegin => false;

        public override string Begin(string model, FakeUsage? usage) =>
            Chunk(model, """{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}""", null);

        public override string Piece(string model, string text, FakeUsage? usage) =>
            Chunk(model, $$"""{"index":0,"delta":{"content":{{Quote(text)}}},"finish_reason":null}""", usage);

        public override string End(string model, string reason, FakeUsage? usage) =>
            Chunk(model, $$"""{"index":0,"delta":{},"finish_reason":{{Quote(reason)}}}""", null)
            + (usage is null ? "" : Chunk(model, "", usage)) + LlmReplies.Done;

        public override string Whole(string model, string text, string reason, FakeUsage? usage)
        {
            var choice = $$"""{"index":0,"message":{"role":"assistant","content":{{Quote(text)}}},"finish_reason":{{Quote(reason)}}}""";
            return $$"""{"id":"chatcmpl-1","object":"chat.completion","model":{{Quote(model)}},"choices":[{{choice}}]{{Usage(usage)}}}""";
        }

        public override (int Status, string Body) Failure(FakeScript script, string model) => script switch
        {
            FakeScript.RateLimited => (429, Error("Rate limit reached.", "requests", "rate_limit_exceeded")),
            FakeScript.RetiredModel => (400, Error($"The model `{model}` has been decommissioned.", "invalid_request_error", "model_decommissioned")),
            FakeScript.WrongKey => (401, Error("Incorrect API key provided.", "invalid_request_error", "invalid_api_key")),
            _ => (500, Error("The server had an error while processing your request.", "server_error", null)),
        };

        public override string? FindProblem(JsonElement request) => ToolPairing.FindProblemOfOpenAi(request);

        public override string Refusal(string problem) => Error(problem, "invalid_request_error", null);

        private static string Chunk(string model, string choice, FakeUsage? usage) => LlmReplies.Event(
            $$"""{"id":"chatcmpl-1","object":"chat.completion.chunk","model":{{Quote(model)}},"choices":[{{choice}}]{{Usage(usage)}}}""");

        private static string Usage(FakeUsage? usage) => usage is not { } u ? "" :
            $$""","usage":{"prompt_tokens":{{u.InputTokens}},"completion_tokens":{{u.OutputTokens}},"total_tokens":{{u.InputTokens + u.OutputTokens}}}""";

        private static string Error(string message, string type, string? code) =>
            $$$"""{"error":{"message":{{{Quote(message)}}},"type":"{{{type}}}","param":null,"code":{{{(code is null ? "null" : Quote(code))}}}}}""";
    }

    private sealed class AnthropicFormat : WireFormat
    {
        public override string Kind => "anthropic";

        public override string Path => "/v1/messages";

        public override bool ReportsAtBegin => true;

        public override string Begin(string model, FakeUsage? usage) =>
            Event("message_start", $$"""{"type":"message_start","message":{{Message(model, "[]", "null", usage)}}}""")
            + Event("content_block_start", """{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}""")
            + Event("ping", """{"type":"ping"}""");

        public override string Piece(string model, string text, FakeUsage? usage) =>
            Event("content_block_delta", $$$"""{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":{{{Quote(text)}}}}}""")
            + (usage is null ? "" : Delta("null", usage));

        public override string End(string model, string reason, FakeUsage? usage) =>
            Event("content_block_stop", """{"type":"content_block_stop","index":0}""")
            + Delta(Quote(ToStopReason(reason)), usage)
            + Event("message_stop", """{"type":"message_stop"}""");

        public override string Whole(string model, string text, string reason, FakeUsage? usage) =>
            Message(model, $$"""[{"type":"text","text":{{Quote(text)}}}]""", Quote(ToStopReason(reason)), usage);

        public override (int Status, string Body) Failure(FakeScript script, string model) => script switch
        {
            FakeScript.RateLimited => (429, Error("rate_limit_error", "This request would exceed your rate limit.")),
            FakeScript.RetiredModel => (404, Error("not_found_error", $"model: {model}")),
            FakeScript.WrongKey => (401, Error("authentication_error", "invalid x-api-key")),
            _ => (500, Error("api_error", "Internal server error")),
        };

        public override string? FindProblem(JsonElement request) => ToolPairing.FindProblemOfAnthropic(request);

        public override string Refusal(string problem) => Error("invalid_request_error", problem);

        private static string Event(string name, string json) => $"event: {name}\ndata: {json}\n\n";

        private static string Delta(string stopReason, FakeUsage? usage)
        {
            var reported = usage is { } u ? $$$""","usage":{"output_tokens":{{{u.OutputTokens}}}}""" : "";
            return Event("message_delta", $$$"""{"type":"message_delta","delta":{"stop_reason":{{{stopReason}}},"stop_sequence":null}{{{reported}}}}""");
        }

        private static string Message(string model, string content, string stopReason, FakeUsage? usage)
        {
            var reported = usage is { } u ? $$$""","usage":{"input_tokens":{{{u.InputTokens}}},"output_tokens":{{{u.OutputTokens}}}}""" : "";
            return $$"""{"id":"msg_1","type":"message","role":"assistant","model":{{Quote(model)}},"content":{{content}},"""
                + $$""" "stop_reason":{{stopReason}},"stop_sequence":null{{reported}}}""";
        }

        private static string ToStopReason(string reason) => reason == "length" ? "max_tokens" : "end_turn";

        private static string Error(string type, string message) =>
            $$$"""{"type":"error","error":{"type":"{{{type}}}","message":{{{Quote(message)}}}},"request_id":"req_1"}""";
    }
}

/// <summary>Tokens a fake provider reports.</summary>
public readonly record struct FakeUsage(int InputTokens, int OutputTokens);
