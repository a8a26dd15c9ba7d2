using System.Globalization;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace AiChat.Tests.Support;

/// <summary>Writes the answer to one request. Returning ends it properly; see <see cref="LlmReplies"/> for ready-made ones.</summary>
public delegate Task LlmReply(LlmCall call);

/// <summary>A request that is being answered.</summary>
/// <param name="Request">What was asked.</param>
/// <param name="Response">Where the answer goes.</param>
/// <param name="Released">Ends with the next <see cref="FakeLlm.Release"/>.</param>
/// <param name="Aborted">Cancelled when the client hangs up or the server ends.</param>
public sealed record LlmCall(LlmRequest Request, HttpResponse Response, Task Released, CancellationToken Aborted)
{
    /// <summary>Sends bytes at once.</summary>
    public async Task SendAsync(ReadOnlyMemory<byte> bytes)
    {
        await Response.Body.WriteAsync(bytes, Aborted);
        await Response.Body.FlushAsync(Aborted);
    }

    /// <summary>Sends text at once.</summary>
    public Task SendAsync(string text) => SendAsync(Encoding.UTF8.GetBytes(text));

    public Task WaitForReleaseAsync() => Released.WaitAsync(Aborted);
}

/// <summary>What a <see cref="FakeLlm"/> can answer.</summary>
public static class LlmReplies
{
    public const string Done = "data: [DONE]\n\n";

    /// <summary>An ordinary answer, streamed word by word where the request asks for that.</summary>
    public static LlmReply Answer(string text, string finishReason = "stop", int inputTokens = 11, int outputTokens = 7) => call =>
        call.Request.IsStream
            ? Stream([.. SplitWords(text)], finishReason, inputTokens, outputTokens)(call)
            : Json(Completion(call.Request.Model, text, finishReason, inputTokens, outputTokens))(call);

    /// <summary>A streamed answer in these pieces.</summary>
    public static LlmReply Stream(string[] pieces, string finishReason = "stop", int inputTokens = 11, int outputTokens = 7) => async call =>
    {
        BeginStream(call);
        foreach (var piece in pieces)
            await call.SendAsync(Event(Chunk(call.Request.Model, piece)));
        await call.SendAsync(Event(FinishChunk(call.Request.Model, finishReason)));
        await call.SendAsync(Event(UsageChunk(call.Request.Model, inputTokens, outputTokens)) + Done);
    };

    /// <summary>A streamed answer that waits for <see cref="FakeLlm.Release"/> behind each piece.</summary>
    public static LlmReply PausingStream(params string[] pieces) => async call =>
    {
        BeginStream(call);
        foreach (var piece in pieces)
        {
            await call.SendAsync(Event(Chunk(call.Request.Model, piece)));
            await call.WaitForReleaseAsync();
        }

        await call.SendAsync(Event(FinishChunk(call.Request.Model, "stop")) + Done);
    };

    /// <summary>A streamed answer that takes a step in front of each piece, and one in front of its end.</summary>
    public static LlmReply SteppedStream(SemaphoreSlim steps, params string[] pieces) => async call =>
    {
        BeginStream(call);
        foreach (var piece in pieces)
        {
            await steps.WaitAsync(call.Aborted);
            await call.SendAsync(Event(Chunk(call.Request.Model, piece)));
        }

        await steps.WaitAsync(call.Aborted);
        await call.SendAsync(Event(FinishChunk(call.Request.Model, "stop")) + Event(UsageChunk(call.Request.Model, 11, 7)) + Done);
    };

    /// <summary>A streamed answer whose connection closes behind these pieces.</summary>
    public static LlmReply CutStream(params string[] pieces) => async call =>
    {
        BeginStream(call);
        foreach (var piece in pieces)
            await call.SendAsync(Event(Chunk(call.Request.Model, piece)));
        throw new CutException();
    };

    /// <summary>The same, with a step in front of the end of the connection.</summary>
    public static LlmReply SteppedCut(SemaphoreSlim steps, params string[] pieces) => async call =>
    {
        BeginStream(call);
        foreach (var piece in pieces)
            await call.SendAsync(Event(Chunk(call.Request.Model, piece)));
        await steps.WaitAsync(call.Aborted);
        throw new CutException();
    };

    /// <summary>A stream of exactly these bytes, one array at a time.</summary>
    public static LlmReply RawStream(params byte[][] parts) => async call =>
    {
        BeginStream(call);
        foreach (var part in parts)
            await call.SendAsync(part);
    };

    /// <summary>A stream of exactly this text.</summary>
    public static LlmReply RawStream(string text) => RawStream(Encoding.UTF8.GetBytes(text));

    /// <summary>An error event behind these pieces.</summary>
    public static LlmReply FailingStream(string message, params string[] pieces) => async call =>
    {
        BeginStream(call);
        foreach (var piece in pieces)
            await call.SendAsync(Event(Chunk(call.Request.Model, piece)));
        await call.SendAsync(Event(Error(message)));
    };

    /// <summary>Status 200 with exactly this body.</summary>
    public static LlmReply Json(string body) => Body(200, body, "application/json");

    /// <summary>Status 200 with a body that is no JSON.</summary>
    public static LlmReply Garbage() => Body(200, "<html>It works!</html>", "text/html");

    /// <summary>An answer without any text.</summary>
    public static LlmReply Empty() => Answer("");

    /// <summary>An answer whose text is null.</summary>
    public static LlmReply NullContent() => Json("""{"choices":[{"index":0,"message":{"role":"assistant","content":null},"finish_reason":"stop"}]}""");

    /// <summary>An answer that is a call of a tool, without text.</summary>
    public static LlmReply ToolCalls() => Json("""
        {"choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[
        {"id":"call_1","type":"function","function":{"name":"clock","arguments":"{}"}}]},"finish_reason":"tool_calls"}]}
        """);

    /// <summary>An answer without choices.</summary>
    public static LlmReply NoChoices() => Json("""{"object":"chat.completion","choices":[]}""");

    /// <summary>A failure as OpenAI reports it.</summary>
    public static LlmReply Status(int status, string message = "The fake LLM was told to fail.", params (string Name, string Value)[] headers) => call =>
    {
        foreach (var (name, value) in headers)
            call.Response.Headers[name] = value;
        return Body(status, Error(message), "application/json")(call);
    };

    /// <summary>A failure with exactly this body.</summary>
    public static LlmReply Body(int status, string body, string contentType) => call =>
    {
        var bytes = Encoding.UTF8.GetBytes(body);
        call.Response.StatusCode = status;
        call.Response.ContentType = contentType;
        call.Response.ContentLength = bytes.Length;
        return call.SendAsync(bytes);
    };

    /// <summary>Half an answer, then the connection closes.</summary>
    public static LlmReply Cut() => async call =>
    {
        var body = Encoding.UTF8.GetBytes(Completion(call.Request.Model, "This answer is never whole.", "stop", 1, 1));
        call.Response.ContentType = "application/json";
        call.Response.ContentLength = body.Length;
        await call.SendAsync(body.AsMemory(0, body.Length / 2));
        throw new CutException();
    };

    /// <summary>Closes the connection without a byte.</summary>
    public static LlmReply HangUp() => call =>
    {
        call.Response.HttpContext.Abort();
        return Task.CompletedTask;
    };

    /// <summary>Waits for <see cref="FakeLlm.Release"/>, then answers with <paramref name="reply"/>, or as usual without one.</summary>
    public static LlmReply Slow(LlmReply? reply = null) => async call =>
    {
        await call.WaitForReleaseAsync();
        await (reply ?? Answer("late"))(call);
    };

    /// <summary>Waits that long, then answers with <paramref name="reply"/>, or as usual without one.</summary>
    public static LlmReply Delayed(TimeSpan delay, LlmReply? reply = null) => async call =>
    {
        await Task.Delay(delay, call.Aborted);
        await (reply ?? Answer("late"))(call);
    };

    /// <summary>A server-sent event with this data.</summary>
    public static string Event(string json) => $"data: {json}\n\n";

    /// <summary>An event's JSON: one piece of text.</summary>
    public static string Chunk(string model, string text) =>
        ChunkWith(model, $$"""{"index":0,"delta":{"content":{{Quote(text)}}},"finish_reason":null}""");

    /// <summary>An event's JSON: the model has stopped.</summary>
    public static string FinishChunk(string model, string reason) =>
        ChunkWith(model, $$"""{"index":0,"delta":{},"finish_reason":{{Quote(reason)}}}""");

    /// <summary>An event's JSON: what it took.</summary>
    public static string UsageChunk(string model, int inputTokens, int outputTokens) =>
        ChunkWith(model, "", Usage(inputTokens, outputTokens));

    private static string ChunkWith(string model, string choice, string usage = "null") =>
        $$"""{"id":"chatcmpl-1","object":"chat.completion.chunk","model":{{Quote(model)}},"choices":[{{choice}}],"usage":{{usage}}}""";

    private static string Completion(string model, string text, string finishReason, int inputTokens, int outputTokens)
    {
        var message = $$"""{"role":"assistant","content":{{Quote(text)}}}""";
        var choice = $$"""{"index":0,"message":{{message}},"logprobs":null,"finish_reason":{{Quote(finishReason)}}}""";
        var head = $$""" "id":"chatcmpl-1","object":"chat.completion","created":1767225600,"model":{{Quote(model)}}""";
        return $$"""{{{head}},"choices":[{{choice}}],"usage":{{Usage(inputTokens, outputTokens)}}}""";
    }

    private static string Usage(int input, int output) => string.Create(CultureInfo.InvariantCulture,
        $$"""{"prompt_tokens":{{input}},"completion_tokens":{{output}},"total_tokens":{{input + output}}}""");

    private static string Error(string message) => $$$"""{"error":{"message":{{{Quote(message)}}},"type":"fake_error","code":null}}""";

    private static string Quote(string text) => JsonSerializer.Serialize(text);

    private static void BeginStream(LlmCall call) => call.Response.ContentType = "text/event-stream";

    private static IEnumerable<string> SplitWords(string text)
    {
        var words = text.Split(' ');
        return words.Select((word, i) => i == words.Length - 1 ? word : word + " ");
    }

    /// <summary>Leaving the handler like this makes the server send what it has and close without ending the body.</summary>
    public sealed class CutException : Exception;
}
