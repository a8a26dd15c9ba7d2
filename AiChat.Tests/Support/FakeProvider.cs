using System.Globalization;

namespace AiChat.Tests.Support;

/// <summary>
/// A provider of models on loopback that speaks one wire format, does with each request what its script says, and writes a bill: what it
/// took is what it has reported by the time a call ends, however that ends.
/// </summary>
public sealed class FakeProvider : IAsyncDisposable
{
    private const string ServerSentEvents = "text/event-stream";

    private readonly FakeLlm llm;
    private readonly Lock state = new();
    private readonly Queue<FakeScript> queue = new();
    private readonly List<BilledCall> bill = [];

    private FakeProvider(string name, WireFormat format, FakeLlm llm)
    {
        Name = name;
        Format = format;
        this.llm = llm;
        llm.Handler = Play;
    }

    /// <summary>Its name in the configuration.</summary>
    public string Name { get; }

    public WireFormat Format { get; }

    /// <summary>What <c>BaseUrl</c> has to be; the same after a restart.</summary>
    public string BaseUrl => Format == WireFormat.Anthropic ? llm.BaseUrl[..^"/v1".Length] : llm.BaseUrl;

    /// <summary>What is done with a request that no queued script is for.</summary>
    public Func<LlmRequest, FakeScript> Script { get; set; } = _ => FakeScript.Answer;

    /// <summary>The whole reply to a request. Where the request ends with the beginning of it, only the rest is sent.</summary>
    public Func<LlmRequest, string> Reply { get; set; } = request => $"echo: {request.LastUserMessage}";

    /// <summary>Whether the usage so far comes with every piece. Without it, OpenAI's format reports nothing before the end.</summary>
    public bool UsageWithEveryChunk { get; set; }

    /// <summary>How long a rate-limited client is told to wait.</summary>
    public TimeSpan RetryAfter { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>The wait in front of each piece of a slow answer.</summary>
    public TimeSpan Pace { get; set; } = TimeSpan.FromMilliseconds(10);

    /// <summary>The server beneath, for its requests and waits.</summary>
    public FakeLlm Llm => llm;

    /// <summary>Every call that has ended, in the order of their ends.</summary>
    public IReadOnlyList<BilledCall> Bill
    {
        get
        {
            lock (state)
                return [.. bill];
        }
    }

    public static async Task<FakeProvider> StartAsync(string name, WireFormat format) => new(name, format, await FakeLlm.StartAsync());

    /// <summary>Scripts of the next requests, one each, in order of arrival.</summary>
    public void Enqueue(params FakeScript[] scripts)
    {
        lock (state)
        {
            foreach (var script in scripts)
                queue.Enqueue(script);
        }
    }

    /// <summary>Waits until that many calls are on the bill: one gets there when the server is done with it, which may be after the client is.</summary>
    public Task WaitForBillAsync(int count) => llm.WaitForEndsAsync(count);

    /// <inheritdoc cref="FakeLlm.KillAsync"/>
    public Task KillAsync() => llm.KillAsync();

    /// <inheritdoc cref="FakeLlm.RestartAsync"/>
    public Task RestartAsync() => llm.RestartAsync();

    public ValueTask DisposeAsync() => llm.DisposeAsync();

    /// <summary>Settings that make it a provider of the application, with a key.</summary>
    public IEnumerable<(string Key, string Value)> Settings() =>
    [
        ($"Providers:{Name}:Kind", Format.Kind), ($"Providers:{Name}:BaseUrl", BaseUrl), ($"Providers:{Name}:ApiKey", $"key-of-{Name}"),
    ];

    private LlmReply Play(LlmRequest request)
    {
        FakeScript script;
        lock (state)
            script = queue.TryDequeue(out var queued) ? queued : Script(request);
        return async call =>
        {
            var answer = new Answer(this, script, call);
            try
            {
                await answer.SendAsync();
            }
            finally
            {
                lock (state)
                    bill.Add(new BilledCall(request.Model, script, answer.Reported));
            }
        };
    }

    private static string[] SplitWords(string text) =>
        [.. text.Split(' ').Select((word, i) => i == 0 ? word : " " + word).Where(piece => piece.Length > 0)];

    /// <summary>The answer to one call.</summary>
    private sealed class Answer
    {
        private readonly FakeProvider provider;
        private readonly FakeScript script;
        private readonly LlmCall call;
        private readonly string[] pieces;
        private readonly int inputTokens;

        public Answer(FakeProvider provider, FakeScript script, LlmCall call)
        {
            this.provider = provider;
            this.script = script;
            this.call = call;
            pieces = SplitWords(GetReply(provider, call.Request));
            inputTokens = call.Request.Messages.Sum(m => 3 + m.Content.Count(char.IsWhiteSpace) + 1);
        }

        /// <summary>The last usage that was sent; null when none was.</summary>
        public FakeUsage? Reported { get; private set; }

        private string Model => call.Request.Model;

        private WireFormat Format => provider.Format;

        public async Task SendAsync()
        {
            if (!call.Request.Path.EndsWith(Format.Path, StringComparison.Ordinal))
                await LlmReplies.Status(404, $"Nothing answers at {call.Request.Path}.")(call);
            else if (script is FakeScript.RateLimited or FakeScript.Broken or FakeScript.RetiredModel or FakeScript.WrongKey)
                await FailAsync();
            else if (call.Request.IsStream)
                await StreamAsync();
            else
                await SendWholeAsync();
        }

        private static string GetReply(FakeProvider provider, LlmRequest request)
        {
            var reply = provider.Reply(request);
            var beginning = request.Messages is [.., { Role: "assistant", Content: var text }] ? text : "";
            return reply.StartsWith(beginning, StringComparison.Ordinal) ? reply[beginning.Length..] : reply;
        }

        private Task FailAsync()
        {
            if (script == FakeScript.RateLimited)
                call.Response.Headers.RetryAfter = provider.RetryAfter.TotalSeconds.ToString(CultureInfo.InvariantCulture);
            var (status, body) = Format.Failure(script, Model);
            return LlmReplies.Body(status, body, "application/json")(call);
        }

        private async Task SendWholeAsync()
        {
            if (script == FakeScript.Slow)
                await Task.Delay(provider.Pace, call.Aborted);
            if (script is FakeScript.HangBeforeFirstToken or FakeScript.HangInTheMiddle)
                await call.WaitForReleaseAsync();
            var body = Format.Whole(Model, string.Concat(pieces), "stop", Usage(pieces.Length));
            if (script == FakeScript.CutInTheMiddle)
            {
                call.Response.ContentType = "application/json";
                await call.SendAsync(body[..(body.Length / 2)]);
                throw new LlmReplies.CutException();
            }

            await LlmReplies.Json(body)(call);
            Reported = Usage(pieces.Length);
        }

        private async Task StreamAsync()
        {
            await BeginAsync();
            var middle = Math.Max(1, pieces.Length / 2);
            for (var i = 0; i < pieces.Length; i++)
            {
                if (i == middle)
                    await InterruptAsync();
                if (script == FakeScript.Slow)
                    await Task.Delay(provider.Pace, call.Aborted);
                var usage = provider.UsageWithEveryChunk ? Usage(i + 1) : null;
                await SendAsync(Format.Piece(Model, pieces[i], usage), usage);
            }

            if (middle >= pieces.Length)
                await InterruptAsync();
            await SendAsync(Format.End(Model, "stop", Usage(pieces.Length)), Usage(pieces.Length));
        }

        private async Task BeginAsync()
        {
            call.Response.ContentType = ServerSentEvents;
            if (script == FakeScript.HangBeforeFirstToken && !Format.ReportsAtBegin)
                await call.WaitForReleaseAsync();
            // The token of the answer is a placeholder there, as it is at Anthropic.
            await SendAsync(Format.Begin(Model, Usage(1)), Format.ReportsAtBegin ? Usage(0) : null);
            if (script == FakeScript.HangBeforeFirstToken && Format.ReportsAtBegin)
                await call.WaitForReleaseAsync();
        }

        private Task InterruptAsync() => script switch
        {
            FakeScript.HangInTheMiddle => call.WaitForReleaseAsync(),
            FakeScript.CutInTheMiddle => throw new LlmReplies.CutException(),
            _ => Task.CompletedTask,
        };

        private async Task SendAsync(string text, FakeUsage? usage)
        {
            await call.SendAsync(text);
            Reported = usage ?? Reported;
        }

        private FakeUsage? Usage(int outputTokens) => script == FakeScript.NoUsage ? null : new FakeUsage(inputTokens, outputTokens);
    }
}

/// <summary>One call on a provider's bill.</summary>
/// <param name="Model">The model that was asked for.</param>
/// <param name="Script">What was done with the request.</param>
/// <param name="Usage">What it is billed for: what was reported last; null when nothing was.</param>
public sealed record BilledCall(string Model, FakeScript Script, FakeUsage? Usage);
