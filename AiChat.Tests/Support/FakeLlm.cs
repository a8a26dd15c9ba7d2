using System.Net;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;

namespace AiChat.Tests.Support;

/// <summary>
/// A real HTTP server on loopback that plays a language model behind OpenAI's chat completions. It keeps every request, and answers with
/// the replies that were queued, then with those of <see cref="Handler"/>.
/// </summary>
public sealed class FakeLlm : IAsyncDisposable
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(10);

    private readonly Lock state = new();
    private readonly List<LlmRequest> requests = [];
    private readonly Queue<LlmReply> queue = new();
    private readonly List<Waiter> waiters = [];
    private TaskCompletionSource release = NewSignal();
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

    /// <summary>Lets every reply go on that waits for it now.</summary>
    public void Release()
    {
        lock (state)
        {
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
            requests.Add(request);
            Running++;
            PeakRunning = Math.Max(PeakRunning, Running);
            WakeWaiters();
            return (queue.TryDequeue(out var reply) ? reply : Handler(request), release.Task);
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

    public required IReadOnlyList<LlmMessage> Messages { get; init; }

    public string Text => System.Text.Encoding.UTF8.GetString(Body);

    public string Model => Json.GetProperty("model").GetString()!;

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
            Messages = [.. json.GetProperty("messages").EnumerateArray().Select(ToMessage)],
        };
    }

    private static LlmMessage ToMessage(JsonElement message) =>
        new(message.GetProperty("role").GetString()!, message.GetProperty("content").GetString()!);
}

/// <summary>One message of a request.</summary>
public sealed record LlmMessage(string Role, string Content);
