using System.Text;
using AiChat.Core.Models;
using AiChat.Tests.Support;
using Microsoft.Extensions.AI;

namespace AiChat.Tests.Infrastructure.Providers;

/// <summary>What the adapter for Anthropic makes of streamed answers.</summary>
public sealed class AnthropicStreamTests : AnthropicTestBase
{
    private const string Recorded = """
        event: message_start
        data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-haiku-4-5-20251001","content":[],"stop_reason":null,"usage":{"input_tokens":12,"cache_creation_input_tokens":5,"cache_read_input_tokens":8,"output_tokens":1}}}

        event: content_block_start
        data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

        event: ping
        data: {"type":"ping"}

        event: content_block_delta
        data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Grüezi"}}

        event: something_new
        data: {"type":"something_new","text_of_it":"unknown"}

        event: content_block_delta
        data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":", 漢字\n"}}

        event: content_block_stop
        data: {"type":"content_block_stop","index":0}

        event: message_delta
        data: {"type":"message_delta","delta":{"stop_reason":"max_tokens","stop_sequence":null},"usage":{"output_tokens":15}}

        event: message_stop
        data: {"type":"message_stop"}


        """;

    [Test]
    public async Task GetStreamingResponseAsync_ModelCallsATool_EndsWithoutText()
    {
        Llm.Enqueue(LlmReplies.RawStream(Event("""{"type":"message_start","message":{"content":[],"usage":{"input_tokens":9,"output_tokens":1}}}""")
            + Event("""{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"toolu_1","name":"clock","input":{"text":"no"}}}""")
            + Event("""{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"text\":\"no\"}"}}""")
            + Event("""{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":5}}""")
            + Event("""{"type":"message_stop"}""")));

        var response = (await ReadAllAsync(Client())).ToChatResponse();

        Assert.That((response.Text, response.FinishReason), Is.EqualTo(("", ChatFinishReason.ToolCalls)));
    }

    [Test]
    public async Task GetStreamingResponseAsync_WholeStream_GivesEveryPieceUsageAndTheEnd()
    {
        Llm.Enqueue(LlmReplies.RawStream(Recorded));

        var updates = await ReadAllAsync(Client());

        Assert.Multiple(() =>
        {
            Assert.That(updates.Select(u => u.Text), Is.EqualTo(new[] { "", "Grüezi", ", 漢字\n", "" }));
            Assert.That(updates.Select(u => u.ModelId), Is.All.EqualTo("claude-haiku-4-5-20251001"));
            // The one token of the begin is a placeholder: who breaks off here has an answer of unknown length.
            Assert.That(updates[0].Contents.OfType<UsageContent>().Single().Details.OutputTokenCount, Is.Null);
            Assert.That(updates[0].Contents.OfType<UsageContent>().Single().Details.InputTokenCount, Is.EqualTo(25));
            Assert.That(Usage(updates[^1]), Is.EqualTo((25L, 15L)));
            Assert.That(updates[^1].Contents.OfType<UsageContent>().Single().Details.CachedInputTokenCount, Is.EqualTo(8));
            Assert.That(updates[^1].FinishReason, Is.EqualTo(ChatFinishReason.Length));
        });
    }

    [TestCase(1)]
    [TestCase(3)]
    [TestCase(7)]
    public async Task GetStreamingResponseAsync_BytesInAnyPortions_LosesNothing(int size)
    {
        Llm.Enqueue(LlmReplies.RawStream([.. Encoding.UTF8.GetBytes(Recorded).Chunk(size)]));

        var updates = await ReadAllAsync(Client());

        Assert.That(string.Concat(updates.Select(u => u.Text)), Is.EqualTo("Grüezi, 漢字\n"));
    }

    [Test]
    public async Task GetStreamingResponseAsync_ManyRequests_ReuseOneConnection()
    {
        var client = Client();
        var connections = new HashSet<string>();
        Llm.Handler = _ => call =>
        {
            connections.Add(call.Response.HttpContext.Connection.Id);
            return LlmReplies.RawStream(Hello)(call);
        };

        for (var i = 0; i < 5; i++)
            await ReadAllAsync(client);

        Assert.That(connections, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task GetStreamingResponseAsync_CutBehindTheStopReason_IsWhole()
    {
        Llm.Enqueue(async call =>
        {
            call.Response.ContentType = "text/event-stream";
            await call.SendAsync(Hello[..Hello.IndexOf("event: message_stop", StringComparison.Ordinal)]);
            throw new LlmReplies.CutException();
        });

        var updates = await ReadAllAsync(Client());

        Assert.That(string.Concat(updates.Select(u => u.Text)), Is.EqualTo("Hello"));
    }

    [Test]
    public async Task GetStreamingResponseAsync_ServerDoesNotStream_GivesTheAnswerInOnePiece()
    {
        Llm.Enqueue(LlmReplies.Json(Whole("All at once")));

        var response = (await ReadAllAsync(Client())).ToChatResponse();

        Assert.That((response.Text, response.Usage!.OutputTokenCount), Is.EqualTo(("All at once", 2)));
    }

    [TestCase("event: message_start\ndata: {\"type\":\"message_start\",\"message\":{}}\n\n")]
    [TestCase("event: content_block_delta\ndata: {\"type\":\n\n")]
    [TestCase("")]
    [TestCase("<html>It works!</html>")]
    public async Task GetStreamingResponseAsync_NoEnd_IsInvalid(string stream)
    {
        Llm.Enqueue(LlmReplies.RawStream(stream));

        var (_, failure) = await ReadUntilFailureAsync();

        Assert.That(failure.Error, Is.EqualTo(ProviderError.InvalidResponse));
    }

    [Test]
    public async Task GetStreamingResponseAsync_CutInTheMiddle_GivesThePiecesAndFails()
    {
        Llm.Enqueue(async call =>
        {
            call.Response.ContentType = "text/event-stream";
            await call.SendAsync(Events(WireFormat.Anthropic.Begin(Model, null), WireFormat.Anthropic.Piece(Model, "one ", null)));
            throw new LlmReplies.CutException();
        });

        var (text, failure) = await ReadUntilFailureAsync();

        Assert.That((text, failure.Error), Is.EqualTo(("one ", ProviderError.InvalidResponse)));
    }

    [Test]
    public async Task GetStreamingResponseAsync_ErrorEvent_FailsWithItsWords()
    {
        Llm.Enqueue(LlmReplies.RawStream(WireFormat.Anthropic.Piece(Model, "one ", null)
            + "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n"));

        var (text, failure) = await ReadUntilFailureAsync();

        Assert.That((text, failure.Error), Is.EqualTo(("one ", ProviderError.InvalidResponse)));
        Assert.That(failure.Message, Does.EndWith("Overloaded"));
    }

    [Test]
    public async Task GetStreamingResponseAsync_PingsButNoToken_IsTimeoutOfTheFirstToken()
    {
        var settings = Settings();
        settings.FirstTokenTimeout = TimeSpan.FromMilliseconds(200);
        Llm.Enqueue(async call =>
        {
            call.Response.ContentType = "text/event-stream";
            while (true)
            {
                await call.SendAsync("event: ping\ndata: {\"type\":\"ping\"}\n\n");
                await Task.Delay(20, call.Aborted);
            }
        });

        var (_, failure) = await ReadUntilFailureAsync(Client(settings));

        Assert.That(failure.Error, Is.EqualTo(ProviderError.Timeout));
        Assert.That(failure.Message, Does.Contain("Providers:anthropic:FirstTokenTimeout"));
        await Llm.WaitForAbortsAsync(1);
    }

    [Test]
    public async Task GetStreamingResponseAsync_SilenceInTheMiddle_IsTimeoutAndHangsUp()
    {
        var settings = Settings();
        settings.Timeout = TimeSpan.FromMilliseconds(200);
        Llm.Enqueue(async call =>
        {
            call.Response.ContentType = "text/event-stream";
            await call.SendAsync(WireFormat.Anthropic.Piece(Model, "one ", null));
            await call.WaitForReleaseAsync();
        });

        var (text, failure) = await ReadUntilFailureAsync(Client(settings));

        Assert.That((text, failure.Error), Is.EqualTo(("one ", ProviderError.Timeout)));
        await Llm.WaitForAbortsAsync(1);
    }

    [Test]
    public async Task GetStreamingResponseAsync_CallerCancels_ThrowsThatAndHangsUp()
    {
        using var caller = new CancellationTokenSource();
        Llm.Enqueue(async call =>
        {
            call.Response.ContentType = "text/event-stream";
            await call.SendAsync(WireFormat.Anthropic.Piece(Model, "one ", null));
            await call.WaitForReleaseAsync();
        });
        await using var updates = Client().GetStreamingResponseAsync("Hello", cancellationToken: caller.Token).GetAsyncEnumerator(CancellationToken.None);

        await updates.MoveNextAsync();
        var next = updates.MoveNextAsync();
        await caller.CancelAsync();

        Assert.That(async () => await next, Throws.InstanceOf<OperationCanceledException>());
        await Llm.WaitForAbortsAsync(1);
    }

    [Test]
    public async Task GetStreamingResponseAsync_ConsumerStops_HangsUp()
    {
        Llm.Enqueue(async call =>
        {
            call.Response.ContentType = "text/event-stream";
            await call.SendAsync(WireFormat.Anthropic.Piece(Model, "one ", null));
            await call.WaitForReleaseAsync();
        });

        await foreach (var _ in Client().GetStreamingResponseAsync("Hello"))
            break;

        Assert.DoesNotThrowAsync(() => Llm.WaitForAbortsAsync(1));
    }

    [TestCase("one \n", new[] { " ", "\n", " two" }, " two")]
    [TestCase("one \n", new[] { "two" }, "two")]
    [TestCase("one \n", new[] { " two" }, "two")]
    [TestCase("one", new[] { " two" }, " two")]
    public async Task GetStreamingResponseAsync_GoesOnWithABeginning_LeavesOutItsWhiteSpace(string beginning, string[] pieces, string expected)
    {
        Llm.Enqueue(LlmReplies.RawStream(string.Concat(pieces.Select(p => WireFormat.Anthropic.Piece(Model, p, null)))
            + WireFormat.Anthropic.End(Model, "stop", null)));

        var updates = await ReadAllAsync(Client(), new(ChatRole.User, "Count"), new(ChatRole.Assistant, beginning));

        Assert.That(string.Concat(updates.Select(u => u.Text)), Is.EqualTo(expected));
    }
}
