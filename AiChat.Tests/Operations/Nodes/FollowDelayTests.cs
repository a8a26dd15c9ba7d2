using System.Diagnostics;
using AiChat.Tests.Support;
using static AiChat.Tests.Operations.Nodes.NodeCluster;

namespace AiChat.Tests.Operations.Nodes;

/// <summary>How much later than on the node that writes it a token is seen on another one. No time decides here; what was measured is printed.</summary>
[OwnDatabase]
public sealed class FollowDelayTests
{
    private const int Streams = 100;
    private const int Tokens = 30;

    [Test]
    public async Task Follow_HundredRunsOfAnotherNode_ShowsEveryTokenOfEach()
    {
        await using var cluster = await NodeCluster.StartAsync(2);
        cluster.Llm.Handler = _ => async call =>
        {
            call.Response.ContentType = "text/event-stream";
            for (var i = 0; i < Tokens; i++)
            {
                await call.SendAsync(LlmReplies.Event(LlmReplies.Chunk(call.Request.Model, "token ")));
                await Task.Delay(100, call.Aborted);
            }

            await call.SendAsync(LlmReplies.Event(LlmReplies.FinishChunk(call.Request.Model, "stop")) + LlmReplies.Done);
        };

        var delays = (await Task.WhenAll(Enumerable.Range(0, Streams).Select(_ => MeasureAsync(cluster)))).SelectMany(d => d).Order().ToList();

        Assert.That(delays, Has.Count.EqualTo(Streams * Tokens));
        TestContext.Out.WriteLine(
            $"{Streams} streams, {delays.Count} tokens: a follower on another node sees one {At(0.5):0} ms (p50), {At(0.99):0} ms (p99) after the owner's client");

        double At(double share) => delays[(int)(share * (delays.Count - 1))].TotalMilliseconds;
    }

    private static async Task<IEnumerable<TimeSpan>> MeasureAsync(NodeCluster cluster)
    {
        await using var owner = await SendAsync(cluster.A, "Go");
        await using var follower = await FollowAsync(cluster.B, (await owner.NextAsync()).RunId);
        var (onA, onB) = (ReadAsync(owner), ReadAsync(follower));
        return (await onB).Zip(await onA, (b, a) => Stopwatch.GetElapsedTime(a, b));
    }

    /// <summary>When each token was seen.</summary>
    private static async Task<IReadOnlyList<long>> ReadAsync(EventStream stream)
    {
        var seen = new List<long>();
        var length = 0;
        while (await stream.TryNextAsync() is { } next)
        {
            if (next.Name != "message.delta")
                continue;
            length += next.Data.Text("text")!.Length;
            while (seen.Count < length / "token ".Length)
                seen.Add(Stopwatch.GetTimestamp());
        }

        return seen;
    }
}
