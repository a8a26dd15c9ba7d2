using System.Collections.Concurrent;
using System.Diagnostics;
using AiChat.Tests.Support;

namespace AiChat.Tests.Operations;

/// <summary>A provider that dies under load. Every send is answered, and the circuit keeps the dead one out of the way.</summary>
public sealed class ProviderLossTests
{
    private const int Sends = 1_000;
    private const int Parallel = 32;

    [Test]
    public async Task Send_FirstOfThreeProvidersIsKilledUnderLoad_LosesNothing()
    {
        await using var fleet = await FakeFleet.StartAsync(WireFormat.OpenAi, WireFormat.OpenAi, WireFormat.Anthropic);
        await using var app = AiChatApplication.Start(fleet.Settings());
        app.Log.Expect("fake1");
        app.Log.Expect("No key for any provider of smart");
        var chats = await Task.WhenAll(Enumerable.Range(0, Parallel).Select(_ => app.CreateChatAsync()));

        // One before the others warms up.
        await SendAllAsync(app, chats, 0, Sends);
        var before = await SendAllAsync(app, chats, 0, Sends);
        var killed = await SendAllAsync(app, chats, Sends / 2, Sends, fleet.Providers[0].KillAsync);
        var callsWhenOpen = fleet.Providers[0].Llm.Requests.Count;
        var open = await SendAllAsync(app, chats, 0, Sends);

        var p99 = (Before: Percentile(before, 0.99), Killed: Percentile(killed, 0.99), Open: Percentile(open, 0.99));
        await TestContext.Out.WriteLineAsync(
            $"{Sends} sends at {Parallel}: p99 {p99.Before:0.0} ms before, {p99.Killed:0.0} ms with the kill, {p99.Open:0.0} ms while the circuit is open ({p99.Open / p99.Before:0.00})");
        Assert.That(fleet.Providers[0].Llm.Requests, Has.Count.EqualTo(callsWhenOpen));
        Assert.That((await app.GetAsync("/models")).Json.GetProperty("models")[0].GetProperty("candidates").Texts("state").Take(2), Is.EqualTo(new[] { "open", "closed" }));
    }

    /// <summary>Milliseconds of each send. Half of <paramref name="disturbAfter"/>'s way through something happens, when that is given.</summary>
    private static async Task<double[]> SendAllAsync(AiChatApplication app, string[] chats, int disturbAfter, int count, Func<Task>? disturb = null)
    {
        var taken = new ConcurrentBag<double>();
        var next = 0;
        await Task.WhenAll(chats.Select(async chatId =>
        {
            for (var i = Interlocked.Increment(ref next); i <= count; i = Interlocked.Increment(ref next))
            {
                if (i == disturbAfter && disturb is not null)
                    await disturb();
                var start = Stopwatch.GetTimestamp();
                var sent = await app.SendAsync(chatId, $"Message {i}");
                taken.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
                Assert.That((sent.Status, sent.Json.Text("reply")), Is.EqualTo((200, $"echo: Message {i}")), sent.Text);
            }
        }));
        return [.. taken.Order()];
    }

    private static double Percentile(double[] ordered, double rank) => ordered[(int)Math.Ceiling(rank * ordered.Length) - 1];
}
