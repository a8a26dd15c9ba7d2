using System.Net;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;

namespace AiChat.Tests.Support;

/// <summary>
/// A real HTTP server on loopback that plays a language model behind OpenAI's chat completions. It keeps every request, and answers with
/// the replies that were queued, then with those of <see cref="Handler"/>. Calls of tools and results that do not belong together it refuses
/// as the real API does, OpenAI's or Anthropic's by the path.
/// </summary>
public sealed class FakeLlm : IAsyncDisposable
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(10);

    private readonly Lock state = new();
    private readonly List<LlmRequest> requests = [];
    private readonly List<string> refusals = [];
    private readonly Queue<LlmReply> queue = new();
    private readonly List<Waiter> waiters = [];
    private TaskCompletionSource release = NewSignal();
    private bool isNextReleased;
    private CancellationTokenSource stopping = new();
    private WebApplication? server;

    private FakeLlm()
    {
    }

    /// <summary>What a provider's <c>BaseUrl</c> has to be.</summary>
    public string BaseUrl { get; private set; } = "";

    /// <summary>Answers what no queued reply answers; the default repeats the newest user message.</summary>
    public Func<LlmRequest, LlmReply> Handler { get; set; } = request => LlmReplies.Answer($"echo: {request.LastUserMessage}");

    /// <summary>Every request so far, in order of arrival.</summary>
    public IReadOnlyList<LlmRequest> Requests
    {
        get
        {
            lock (state)
                return [.. requests];
        }
    }

    /// <summary>Why requests were refused with a 400, in order of arrival: how they use tools is against the API's rules.</summary>
    public IReadOnlyList<string> Refusals
    {
        get
        {
            lock (state)
                return [.. refusals];
        }
    }

    /// <summary>Requests that are being answered now.</summary>
    public int Running { get; private set; }

    /// <summary>The most that were ever answered at once.</summary>
    public int PeakRunning { get; private set; }

    /// <summary>Requests whose client hung up before the answer was whole.</summary>
    public int Aborted { get; private set; }

    public static async Task<FakeLlm> StartAsync()
    {
        var llm = new FakeLlm();
        await llm.ListenAsync(0);
        return llm;
    }

    /// <summary>Breaks every connection off and listens no more, like a process that was killed.</summary>
    public async Task KillAsync()
    {
        await stopping.CancelAsync();
        if (server is not null)
            await server.DisposeAsync();
        server = null;
    }

    /// <summary>Listens again where it did before it was killed.</summary>
    public Task RestartAsync()
    {
        stopping.Dispose();
        stopping = new CancellationTokenSource();
        return ListenAsync(new Uri(BaseUrl).Port);
    }

    /// <summary>Answers the next requests, one each, in order of arrival.</summary>
    public void Enqueue(params LlmReply[] replies)
    {
        lock (state)
        {
            foreach (var reply in replies)
                queue.Enqueue(reply);
        }
    }

    /// <summary>Lets every reply go on that waits for it now; where no request is being answered yet, the reply to the next one.</summary>
    public void Release()
    {
        lock (state)
        {
            isNextReleased = Running == 0;
            release.TrySetResult();
            release = NewSignal();
        }
    }

    /// <summary>Waits until that many requests have arrived.</summary>
    public Task WaitForRequestsAsync(int count) => WaitAsync(() => requests.Count >= count, $"{count} requests");

    /// <summary>Waits until that many clients have hung up.</summary>
    public Task WaitForAbortsAsync(int count) => WaitAsync(() => Aborted >= count, $"{count} aborted requests");

    /// <summary>Waits until that many requests are done with, whole or not.</summary>
    public Task WaitForEndsAsync(int count) => WaitAsync(() => requests.Count - Running >= count, $"{count} ended requests");

    public async ValueTask DisposeAsync()
    {
        await KillAsync();
        stopping.Dispose();
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private async Task ListenAsync(int port)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, port));
        server = builder.Build();
        var end = stopping.Token;
        server.Run(context => AnswerAsync(context, end));
        await server.StartAsync();
        BaseUrl = $"{server.Urls.Single()}/v1";
    }

    private async Task AnswerAsync(HttpContext context, CancellationToken stop)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, stop);
        var request = await LlmRequest.ReadAsync(context.Request);
        var (reply, released) = Begin(request);
        try
        {
            await reply(new LlmCall(request, context.Response, released, end.Token));
        }
        catch (OperationCanceledException) when (end.IsCancellationRequested)
        {
            context.Abort();
        }
        finally
        {
            End(context.RequestAborted.IsCancellationRequested);
        }
    }

    private (LlmReply Reply, Task Released) Begin(LlmRequest request)
    {
        lock (state)
        {
            var released = isNextReleased ? Task.CompletedTask : release.Task;
            isNextReleased = false;
            requests.Add(request);
            Running++;
            PeakRunning = Math.Max(PeakRunning, Running);
            WakeWaiters();
            if (request.Format.FindProblem(request.Json) is { } problem)
            {
                refusals.Add(problem);
                return (LlmReplies.Body(400, request.Format.Refusal(problem), "application/json"), released);
            }

            return (queue.TryDequeue(out var reply) ? reply : Handler(request), released);
        }
    }

    private void End(bool isAborted)
    {
        lock (state)
        {
            Running--;
            Aborted += isAborted ? 1 : 0;
            WakeWaiters();
        }
    }

    private async Task WaitAsync(Func<bool> condition, string what)
    {
        var waiter = new Waiter(condition, NewSignal());
        lock (state)
        {
            waiters.Add(waiter);
            WakeWaiters();
        }

        try
        {
            await waiter.Signal.Task.WaitAsync(LongestWait);
        }
        catch (TimeoutException)
        {
            throw new TimeoutException($"The fake LLM waited {LongestWait} for {what}; it has seen {Requests.Count} requests, {Aborted} aborted.");
        }
    }

    private void WakeWaiters()
    {
        foreach (var waiter in waiters.FindAll(w => w.Condition()))
        {
            waiters.Remove(waiter);
            waiter.Signal.TrySetResult();
        }
    }

    private sealed record Waiter(Func<bool> Condition, TaskCompletionSource Signal);
}

/// <summary>A request the fake LLM got.</summary>
public sealed record LlmRequest
{
    public required string Path { get; init; }

    /// <summary>By name, compared without case; several values of one name are joined by commas.</summary>
    public required IReadOnlyDictionary<string, string> Headers { get; init; }

    /// <summary>Exactly what was sent.</summary>
    public required byte[] Body { get; init; }

    public required JsonElement Json { get; init; }

    /// <summary>In one form whatever the API; of Anthropic's without the system prompt.</summary>
    public required IReadOnlyList<LlmMessage> Messages { get; init; }

    public string Text => System.Text.Encoding.UTF8.GetString(Body);

    public string Model => Json.GetProperty("model").GetString()!;

    public WireFormat Format => Path.EndsWith(WireFormat.Anthropic.Path, StringComparison.Ordinal) ? WireFormat.Anthropic : WireFormat.OpenAi;

    public bool IsStream => Json.TryGetProperty("stream", out var stream) && stream.GetBoolean();

    public string LastUserMessage => Messages.LastOrDefault(m => m.Role == "user")?.Content ?? "";

    internal static async Task<LlmRequest> ReadAsync(HttpRequest request)
    {
        using var body = new MemoryStream();
        await request.Body.CopyToAsync(body);
        var json = JsonElement.Parse(body.ToArray());
        return new LlmRequest
        {
            Path = request.Path,
            Headers = request.Headers.ToDictionary(h => h.Key, h => h.Value.ToString(), StringComparer.OrdinalIgnoreCase),
            Body = body.ToArray(),
            Json = json,
            Messages = [.. json.GetProperty("messages").EnumerateArray().SelectMany(LlmMessage.Read)],
        };
    }
}

/// <summary>One message of a request.</summary>
/// <param name="Role">Who says it; <c>tool</c> for a result.</param>
/// <param name="Content">Its text, or the result; empty when there is none.</param>
public sealed record LlmMessage(string Role, string Content)
{
    /// <summary>The calls of tools beside the text.</summary>
    public IReadOnlyList<LlmToolCall> ToolCalls { get; init; } = [];

    /// <summary>The call this is the result of; null when it is none.</summary>
    public string? ToolCallId { get; init; }

    public bool Equals(LlmMessage? other) => other is not null && (Role, Content, ToolCallId) == (other.Role, other.Content, other.ToolCallId)
        && ToolCalls.SequenceEqual(other.ToolCalls);

    public override int GetHashCode() => HashCode.Combine(Role, Content, ToolCallId, ToolCalls.Count);

    /// <summary>The messages in one of a request: results that share one are a message each, in front of the text.</summary>
    internal static IEnumerable<LlmMessage> Read(JsonElement message) =>
        message.TryGetProperty("content", out var content) && content.ValueKind == JsonValueKind.Array ? ReadBlocks(message, content) : [ReadWhole(message)];

    private static LlmMessage ReadWhole(JsonElement message)
    {
        var calls = message.TryGetProperty("tool_calls", out var list) ? list.EnumerateArray().Select(ReadCall) : [];
        return new LlmMessage(message.Text("role")!, ReadText(message, "content"))
        {
            ToolCalls = [.. calls],
            ToolCallId = message.TryGetProperty("tool_call_id", out var id) ? id.GetString() : null,
        };
    }

    private static IEnumerable<LlmMessage> ReadBlocks(JsonElement message, JsonElement blocks)
    {
        foreach (var result in Select(blocks, "tool_result"))
            yield return new LlmMessage("tool", ReadText(result, "content")) { ToolCallId = result.Text("tool_use_id") };

        var text = string.Concat(Select(blocks, "text").Select(b => b.Text("text")));
        var calls = Select(blocks, "tool_use").Select(b => new LlmToolCall(b.Text("id")!, b.Text("name")!, b.GetProperty("input").GetRawText())).ToList();
        if (text.Length > 0 || calls.Count > 0)
            yield return new LlmMessage(message.Text("role")!, text) { ToolCalls = [.. calls] };
    }

    private static LlmToolCall ReadCall(JsonElement call)
    {
        var function = call.GetProperty("function");
        return new LlmToolCall(call.Text("id")!, function.Text("name")!, function.GetProperty("arguments").ToString());
    }

    private static IEnumerable<JsonElement> Select(JsonElement blocks, string type) => blocks.EnumerateArray().Where(b => b.Text("type") == type);

    private static string ReadText(JsonElement json, string name) => json.TryGetProperty(name, out var text) ? text.GetString() ?? "" : "";
}

/// <summary>A call of a tool in a request.</summary>
/// <param name="Id">What its result names.</param>
/// <param name="Name">The tool's.</param>
/// <param name="Arguments">JSON.</param>
public sealed record LlmToolCall(string Id, string Name, string Arguments);
