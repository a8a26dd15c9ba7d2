using System.Collections.Concurrent;
using AiChat.Tests.Support;

namespace AiChat.Tests.Operations;

/// <summary>What the providers billed and what the server says was used are the same.</summary>
public sealed class LedgerTests
{
    private const int Sends = 2_000;
    private const int Parallel = 16;

    private static readonly FakeScript[] Scripts =
    [
        FakeScript.Answer, FakeScript.Answer, FakeScript.Answer, FakeScript.Answer, FakeScript.RateLimited, FakeScript.Broken, FakeScript.CutInTheMiddle,
        FakeScript.HangInTheMiddle, FakeScript.NoUsage,
    ];

    [Test]
    public async Task Usage_TwoThousandSendsWithFailuresAndCancels_IsWhatTheProvidersBilled()
    {
        var seed = Random.Shared.Next();
        await TestContext.Out.WriteLineAsync($"seed {seed}");
        var random = new Random(seed);
        await using var fleet = await FakeFleet.StartAsync(WireFormat.OpenAi, WireFormat.Anthropic, WireFormat.OpenAi);
        foreach (var provider in fleet.Providers)
        {
            provider.UsageWithEveryChunk = true;
            provider.Script = _ => Pick();
        }

        // Circuits would keep most of the failures away.
        await using var app = AiChatApplication.Start([.. fleet.Settings(), ("Routing:FailureRatio", "1"), ("Routing:MinimumThroughput", "1000000"), ("Routing:FailuresInARow", "1000000")]);
        app.Log.Expect("fake");
        app.Log.Expect("No key for any provider of smart");
        var chats = await Task.WhenAll(Enumerable.Range(0, Parallel).Select(i => app.CreateChatAsync($"user{i % 4}")));

        var endings = new ConcurrentBag<string>();
        var next = 0;
        await Task.WhenAll(chats.Select(async (chatId, i) =>
        {
            while (Interlocked.Increment(ref next) <= Sends)
                endings.Add(await SendAsync(app, chatId, $"user{i % 4}"));
        }));

        var usage = (await app.GetAsync("/usage?group_by=user")).Json;
        var total = usage.GetProperty("total");
        await TestContext.Out.WriteLineAsync($"{string.Join(", ", endings.CountBy(e => e))}; {fleet.Bill.Count} calls; {total}");
        Assert.Multiple(() =>
        {
            Assert.That(total.Number("attempts"), Is.EqualTo(fleet.Bill.Count));
            Assert.That(total.Number("input_tokens") - total.Number("estimated_input_tokens"), Is.EqualTo(fleet.Total.InputTokens));
            Assert.That(total.Number("output_tokens") - total.Number("estimated_output_tokens"), Is.EqualTo(fleet.Total.OutputTokens));
            Assert.That(total.Number("estimated_attempts"), Is.EqualTo(fleet.Bill.Count(c => c.Script == FakeScript.NoUsage)));
            Assert.That(usage.GetProperty("groups").EnumerateArray().Sum(g => g.GetProperty("cost").GetDecimal()), Is.EqualTo(total.GetProperty("cost").GetDecimal()));
        });

        FakeScript Pick()
        {
            lock (random)
                return Scripts[random.Next(Scripts.Length)];
        }
    }

    /// <summary>Sends, and cancels what hangs; returns how it ended.</summary>
    private static async Task<string> SendAsync(AiChatApplication app, string chatId, string userId)
    {
        await using var stream = await app.StreamAsync(chatId, "one two three four five six", userId);
        var last = await stream.NextAsync();
        while (last.Name is "run.started" or "message.delta" or "run.continued")
        {
            var next = stream.NextAsync();
            if (last.Name == "message.delta" && await Task.WhenAny(next, Task.Delay(TimeSpan.FromMilliseconds(300))) != next)
                await app.CancelAsync(last.RunId, userId);
            last = await next;
        }

        return last.Name;
    }
}
