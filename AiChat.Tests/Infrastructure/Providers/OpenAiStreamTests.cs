using System.Text;
using AiChat.Core.Models;
using AiChat.Tests.Support;
using Microsoft.Extensions.AI;

namespace AiChat.Tests.Infrastructure.Providers;

/// <summary>What the adapter makes of streamed answers.</summary>
public sealed class OpenAiStreamTests : OpenAiTestBase
{
    [Test]
    public async Task GetStreamingResponseAsync_WholeStream_GivesEveryPieceAndTheEnd()
    {
        Llm.Enqueue(LlmReplies.Stream(["Hello", ",\n", "", " wörld"], "length", 21, 4));

        var updates = await ReadAllAsync(Client());

        var response = updates.ToChatResponse();
        Assert.Multiple(() =>
        {
            Assert.That(updates.Select(u => u.Text).Where(t => t.Length > 0), Is.EqualTo(new[] { "Hello", ",\n", " wörld" }));
            Assert.That(response.Text, Is.EqualTo("Hello,\n wörld"));
            Assert.That(response.ModelId, Is.EqualTo(Model));
            Assert.That(response.FinishReason, Is.EqualTo(ChatFinishReason.Length));
            Assert.That(response.Usage!.InputTokenCount, Is.EqualTo(21));
            Assert.That(response.Usage.OutputTokenCount, Is.EqualTo(4));
        });
    }

    [Test]
    public async Task GetStreamingResponseAsync_ModelCallsATool_EndsWithoutText()
    {
        Llm.Enqueue(LlmReplies.RawStream("""
            data: {"choices":[{"index":0,"delta":{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"clock","arguments":""}}]},"finish_reason":null}]}

            data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]},"finish_reason":null}]}

            data: {"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}

            data: [DONE]


            """));

        var response = (await ReadAllAsync(Client())).ToChatResponse();

        Assert.That((response.Text, response.FinishReason), Is.EqualTo(("", ChatFinishReason.ToolCalls)));
    }

    [Test]
    public async Task GetStreamingResponseAsync_ManyRequests_ReuseOneConnection()
    {
        var client = Client();
        var connections = new HashSet<string>();
        Llm.Handler = _ => call =>
        {
            connections.Add(call.Response.HttpContext.Connection.Id);
            return LlmReplies.Answer("one two three")(call);
        };

        for (var i = 0; i < 5; i++)
            await ReadAllAsync(client);

        Assert.That(connections, Has.Count.EqualTo(1));
    }

    [TestCase(1)]
    [TestCase(2)]
    [TestCase(3)]
    [TestCase(7)]
    public async Task GetStreamingResponseAsync_BytesInAnyPortions_LosesNothing(int size)
    {
        string[] pieces = ["Grüße ", "漢字", "👩‍👩‍👧", "\r\n", "\"{}\\", "\u2028", "end"];
        var stream = string.Concat(pieces.Select(p => LlmReplies.Event(LlmReplies.Chunk(Model, p))))
            + LlmReplies.Event(LlmReplies.FinishChunk(Model, "stop")) + LlmReplies.Done;
        Llm.Enqueue(LlmReplies.RawStream([.. Encoding.UTF8.GetBytes(stream).Chunk(size)]));

        var updates = await ReadAllAsync(Client());

        Assert.That(string.Concat(updates.Select(u => u.Text)), Is.EqualTo(string.Concat(pieces)));
    }

    [TestCase("\n")]
    [TestCase("\r\n")]
    [TestCase("\r")]
    public async Task GetStreamingResponseAsync_AnyLineEndAndComments_AreRead(string lineEnd)
    {
        string[] lines =
        [
            ": keep-alive", "", "event: message", "id: 7", $"data:{LlmReplies.Chunk(Model, "a")}", "", ": processing", "",
            "data:", "", $"data: {LlmReplies.Chunk(Model, "b")}", "", $"data: {LlmReplies.FinishChunk(Model, "stop")}", "", "data: [DONE]", "", "",
        ];
        Llm.Enqueue(LlmReplies.RawStream(string.Join(lineEnd, lines)));

        var response = (await ReadAllAsync(Client())).ToChatResponse();

        Assert.That(response.Text, Is.EqualTo("ab"));
    }

    [Test]
    public async Task GetStreamingResponseAsync_FinishWithoutDone_IsWhole()
    {
        Llm.Enqueue(LlmReplies.RawStream(LlmReplies.Event(LlmReplies.Chunk(Model, "all")) + LlmReplies.Event(LlmReplies.FinishChunk(Model, "stop"))));

        var response = (await ReadAllAsync(Client())).ToChatResponse();

        Assert.That(response.Text, Is.EqualTo("all"));
    }

    [Test]
    public async Task GetStreamingResponseAsync_DoneWithoutFinish_IsWhole()
    {
        Llm.Enqueue(LlmReplies.RawStream(LlmReplies.Event(LlmReplies.Chunk(Model, "all")) + LlmReplies.Done));

        var response = (await ReadAllAsync(Client())).ToChatResponse();

        Assert.Multiple(() =>
        {
            Assert.That(response.Text, Is.EqualTo("all"));
            Assert.That(response.FinishReason, Is.Null);
        });
    }

    [Test]
    public async Task GetStreamingResponseAsync_CutBehindTheFinish_IsWhole()
    {
        Llm.Enqueue(async call =>
        {
            call.Response.ContentType = "text/event-stream";
            await call.SendAsync(LlmReplies.Event(LlmReplies.Chunk(Model, "all")) + LlmReplies.Event(LlmReplies.FinishChunk(Model, "stop")));
            throw new InvalidOperationException("Closes the connection.");
        });

        var response = (await ReadAllAsync(Client())).ToChatResponse();

        Assert.That(response.Text, Is.EqualTo("all"));
    }

    [Test]
    public async Task GetStreamingResponseAsync_RunningUsage_ComesWithEveryPiece()
    {
        var stream = """
            data: {"choices":[{"delta":{"content":"a"}}],"usage":{"prompt_tokens":9,"completion_tokens":1}}

            data: {"choices":[{"delta":{"content":"b"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":2}}

            data: [DONE]


            """;
        Llm.Enqueue(LlmReplies.RawStream(stream));

        var updates = await ReadAllAsync(Client());

        var usages = updates.Select(u => u.Contents.OfType<UsageContent>().Single().Details);
        Assert.Multiple(() =>
        {
            Assert.That(updates.Select(u => u.Text), Is.EqualTo(new[] { "a", "b" }));
            Assert.That(usages.Select(u => (u.InputTokenCount, u.OutputTokenCount)), Is.EqualTo(new[] { (9L, 1L), (9L, 2L) }));
        });
    }

    [Test]
    public async Task GetStreamingResponseAsync_CutInTheMiddle_GivesThePiecesAndFails()
    {
        Llm.Enqueue(LlmReplies.CutStream("one ", "two "));

        var (text, failure) = await ReadUntilFailureAsync();

        Assert.Multiple(() =>
        {
            Assert.That(text, Is.EqualTo("one two "));
            Assert.That(failure.Error, Is.EqualTo(ProviderError.InvalidResponse));
        });
    }

    [TestCase("")]
    [TestCase("data: {\"choices\":[{\"delta\":{\"content\":\"one \"}}]}\n\n")]
    [TestCase("data: {\"choices\":[\n\n")]
    [TestCase("<html>It works!</html>")]
    [TestCase("{\"choices\":[{\"message\":{\"content\":\"not streamed\"}}]}")]
    public async Task GetStreamingResponseAsync_NoEnd_IsInvalid(string stream)
    {
        Llm.Enqueue(LlmReplies.RawStream(stream));

        var (_, failure) = await ReadUntilFailureAsync();

        Assert.That(failure.Error, Is.EqualTo(ProviderError.InvalidResponse));
    }

    [Test]
    public async Task GetStreamingResponseAsync_ErrorEvent_FailsWithItsWords()
    {
        Llm.Enqueue(LlmReplies.FailingStream("The model is overloaded.", "one "));

        var (text, failure) = await ReadUntilFailureAsync();

        Assert.Multiple(() =>
        {
            Assert.That(text, Is.EqualTo("one "));
            Assert.That(failure.Error, Is.EqualTo(ProviderError.InvalidResponse));
            Assert.That(failure.Message, Does.Contain("The model is overloaded."));
        });
    }

    [Test]
    public async Task GetStreamingResponseAsync_Status_IsMappedBeforeAnyPiece()
    {
        Llm.Enqueue(LlmReplies.Status(429, "Slow down.", ("Retry-After", "3")));

        var (text, failure) = await ReadUntilFailureAsync();

        Assert.Multiple(() =>
        {
            Assert.That(text, Is.Empty);
            Assert.That(failure.Error, Is.EqualTo(ProviderError.RateLimited));
            Assert.That(failure.RetryAfter, Is.EqualTo(TimeSpan.FromSeconds(3)));
        });
    }

    [Test]
    public async Task GetStreamingResponseAsync_SilenceInTheMiddle_IsTimeoutAndHangsUp()
    {
        var settings = Settings();
        settings.Timeout = TimeSpan.FromMilliseconds(200);
        Llm.Enqueue(LlmReplies.PausingStream("one ", "two "));

        var (text, failure) = await ReadUntilFailureAsync(Client(settings));

        Assert.That((text, failure.Error), Is.EqualTo(("one ", ProviderError.Timeout)));
        await Llm.WaitForAbortsAsync(1);
    }

    [Test]
    public async Task GetStreamingResponseAsync_LongerThanTimeoutButNeverSilent_IsWhole()
    {
        var settings = Settings();
        settings.Timeout = TimeSpan.FromMilliseconds(400);
        settings.FirstTokenTimeout = TimeSpan.FromMinutes(1);
        Llm.Enqueue(async call =>
        {
            call.Response.ContentType = "text/event-stream";
            for (var i = 0; i < 12; i++)
            {
                await call.SendAsync(": still thinking\n\n");
                await Task.Delay(50, call.Aborted);
            }

            await call.SendAsync(LlmReplies.Event(LlmReplies.Chunk(Model, "done")) + LlmReplies.Done);
        });

        var response = (await ReadAllAsync(Client(settings))).ToChatResponse();

        Assert.That(response.Text, Is.EqualTo("done"));
    }

    [Test]
    public async Task GetStreamingResponseAsync_SignsOfLifeButNoToken_IsTimeoutOfTheFirstToken()
    {
        var settings = Settings();
        settings.FirstTokenTimeout = TimeSpan.FromMilliseconds(200);
        Llm.Enqueue(async call =>
        {
            call.Response.ContentType = "text/event-stream";
            while (true)
            {
                await call.SendAsync(": still thinking\n\n" + LlmReplies.Event(LlmReplies.Chunk(Model, "")));
                await Task.Delay(20, call.Aborted);
            }
        });

        var (text, failure) = await ReadUntilFailureAsync(Client(settings));

        Assert.That((text, failure.Error), Is.EqualTo(("", ProviderError.Timeout)));
        Assert.That(failure.Message, Does.Contain("within 00:00:00.2000000 (Providers:groq:FirstTokenTimeout)"));
        await Llm.WaitForAbortsAsync(1);
    }

    [Test]
    public async Task GetStreamingResponseAsync_NoHeadersWithinFirstTokenTimeout_IsTimeout()
    {
        var settings = Settings();
        settings.FirstTokenTimeout = TimeSpan.FromMilliseconds(100);
        Llm.Enqueue(LlmReplies.Slow());

        var (_, failure) = await ReadUntilFailureAsync(Client(settings));

        Assert.That(failure.Error, Is.EqualTo(ProviderError.Timeout));
        await Llm.WaitForAbortsAsync(1);
    }

    [TestCase("reasoning")]
    [TestCase("reasoning_content")]
    [TestCase("content")]
    public async Task GetStreamingResponseAsync_AnyTokenInTime_EndsTheWaitForTheFirst(string field)
    {
        var settings = Settings();
        settings.FirstTokenTimeout = TimeSpan.FromSeconds(1);
        Llm.Enqueue(async call =>
        {
            call.Response.ContentType = "text/event-stream";
            await call.SendAsync(LlmReplies.Event($$$"""{"choices":[{"delta":{"{{{field}}}":"hm"}}]}"""));
            await Task.Delay(settings.FirstTokenTimeout.Value * 1.2, call.Aborted);
            await call.SendAsync(LlmReplies.Event(LlmReplies.Chunk(Model, " done")) + LlmReplies.Done);
        });

        var response = (await ReadAllAsync(Client(settings))).ToChatResponse();

        Assert.That(response.Text, Does.EndWith(" done"));
    }

    [Test]
    public async Task GetStreamingResponseAsync_CallerCancels_ThrowsThatAndHangsUp()
    {
        using var caller = new CancellationTokenSource();
        Llm.Enqueue(LlmReplies.PausingStream("one ", "two "));
        await using var updates = Client().GetStreamingResponseAsync("Hello", cancellationToken: caller.Token).GetAsyncEnumerator(None);

        await updates.MoveNextAsync();
        var next = updates.MoveNextAsync();
        await caller.CancelAsync();

        Assert.That(async () => await next, Throws.InstanceOf<OperationCanceledException>());
        await Llm.WaitForAbortsAsync(1);
    }

    [Test]
    public async Task GetStreamingResponseAsync_ConsumerStops_HangsUp()
    {
        Llm.Enqueue(LlmReplies.PausingStream("one ", "two "));

        await foreach (var _ in Client().GetStreamingResponseAsync("Hello"))
            break;

        Assert.DoesNotThrowAsync(() => Llm.WaitForAbortsAsync(1));
    }

    private async Task<(string Text, ProviderException Failure)> ReadUntilFailureAsync(IChatClient? client = null)
    {
        var text = new StringBuilder();
        try
        {
            await foreach (var update in (client ?? Client()).GetStreamingResponseAsync("Hello"))
                text.Append(update.Text);
        }
        catch (ProviderException failure)
        {
            return (text.ToString(), failure);
        }

        throw new AssertionException("The stream was expected to fail.");
    }
}
