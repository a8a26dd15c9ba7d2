using AiChat.Core.Models;
using AiChat.Infrastructure.Providers;
using AiChat.Infrastructure.Providers.Anthropic;
using AiChat.Infrastructure.Providers.OpenAi;
using AiChat.Tests.Support;
using Microsoft.Extensions.AI;

namespace AiChat.Tests.Infrastructure.Providers;

/// <summary>Every script of the fake providers against the real clients, and that the client hears of everything that is billed.</summary>
[TestFixture("openai", false)]
[TestFixture("openai", true)]
[TestFixture("anthropic", false)]
[TestFixture("anthropic", true)]
public sealed class FakeFleetTests(string kind, bool usageWithEveryChunk)
{
    private const string Reply = "one two three four";

    private static readonly TimeSpan ShortTimeout = TimeSpan.FromMilliseconds(300);

    private FakeProvider fake = null!;
    private IProvider provider = null!;

    [SetUp]
    public async Task StartProvider()
    {
        fake = await FakeProvider.StartAsync("fake", kind == "openai" ? WireFormat.OpenAi : WireFormat.Anthropic);
        fake.UsageWithEveryChunk = usageWithEveryChunk;
        fake.Reply = _ => Reply;
        provider = Create(TimeSpan.FromMinutes(1));
    }

    [TearDown]
    public async Task StopProvider()
    {
        (provider as IDisposable)?.Dispose();
        await fake.DisposeAsync();
    }

    [TestCase(FakeScript.Answer)]
    [TestCase(FakeScript.Slow)]
    public async Task Stream_Answered_GivesTheReplyAndWhatIsBilled(FakeScript script)
    {
        fake.Enqueue(script);

        var result = await ReadAsync();

        Assert.That((result.Text, result.Error), Is.EqualTo((Reply, (ProviderError?)null)));
        Assert.That(result.Usage, Is.EqualTo((await BilledAsync()).Usage).And.EqualTo(new FakeUsage(5, 4)));
    }

    [Test]
    public async Task Stream_NoUsage_GivesTheReplyAlone()
    {
        fake.Enqueue(FakeScript.NoUsage);

        var result = await ReadAsync();

        Assert.That((result.Text, result.Usage, (await BilledAsync()).Usage), Is.EqualTo((Reply, (FakeUsage?)null, (FakeUsage?)null)));
    }

    [TestCase(FakeScript.RateLimited, ProviderError.RateLimited)]
    [TestCase(FakeScript.Broken, ProviderError.Unavailable)]
    [TestCase(FakeScript.RetiredModel, ProviderError.UnknownModel)]
    [TestCase(FakeScript.WrongKey, ProviderError.Unauthorized)]
    public async Task Stream_Refused_IsItsErrorAndNotBilled(FakeScript script, ProviderError expected)
    {
        fake.Enqueue(script);

        var result = await ReadAsync();

        Assert.That((result.Text, result.Error), Is.EqualTo(("", (ProviderError?)expected)));
        Assert.That((await BilledAsync()).Usage, Is.Null);
    }

    [Test]
    public async Task Stream_RateLimited_SaysHowLong()
    {
        fake.RetryAfter = TimeSpan.FromSeconds(2.5);
        fake.Enqueue(FakeScript.RateLimited);

        var result = await ReadAsync();

        Assert.That(result.RetryAfter, Is.EqualTo(fake.RetryAfter));
    }

    [Test]
    public async Task Stream_HangsBeforeTheFirstToken_IsTimeout()
    {
        UseTimeout(ShortTimeout);
        fake.Enqueue(FakeScript.HangBeforeFirstToken);

        var result = await ReadAsync();

        Assert.That((result.Text, result.Error), Is.EqualTo(("", (ProviderError?)ProviderError.Timeout)));
        Assert.That(result.Usage, Is.EqualTo((await BilledAsync()).Usage));
    }

    [Test]
    public async Task Stream_HangsInTheMiddle_IsTimeoutBehindHalfTheReply()
    {
        UseTimeout(ShortTimeout);
        fake.Enqueue(FakeScript.HangInTheMiddle);

        var result = await ReadAsync();

        Assert.That((result.Text, result.Error), Is.EqualTo(("one two", (ProviderError?)ProviderError.Timeout)));
        Assert.That(result.Usage, Is.EqualTo((await BilledAsync()).Usage));
    }

    [Test]
    public async Task Stream_CutInTheMiddle_IsInvalidBehindHalfTheReply()
    {
        fake.Enqueue(FakeScript.CutInTheMiddle);

        var result = await ReadAsync();

        Assert.That((result.Text, result.Error), Is.EqualTo(("one two", (ProviderError?)ProviderError.InvalidResponse)));
        Assert.That(result.Usage, Is.EqualTo((await BilledAsync()).Usage));
        Assert.That(result.Usage is not null, Is.EqualTo(usageWithEveryChunk || kind == "anthropic"));
    }

    [Test]
    public async Task Stream_EndsWithTheBeginningOfTheReply_GetsTheRest()
    {
        var result = await ReadAsync(new(ChatRole.User, "Count"), new(ChatRole.Assistant, "one two"));

        Assert.That(result.Text, Is.EqualTo(" three four"));
    }

    [Test]
    public async Task Whole_Answered_GivesTheReplyAndWhatIsBilled()
    {
        var response = await provider.CreateChatClient("model-1").GetResponseAsync("Count");

        var usage = new FakeUsage((int)response.Usage!.InputTokenCount!, (int)response.Usage.OutputTokenCount!);
        Assert.That((response.Text, usage), Is.EqualTo((Reply, (await BilledAsync()).Usage)));
    }

    [Test]
    public void Whole_Cut_IsInvalid()
    {
        fake.Enqueue(FakeScript.CutInTheMiddle);

        var failure = Assert.ThrowsAsync<ProviderException>(() => provider.CreateChatClient("model-1").GetResponseAsync("Count"));

        Assert.That(failure.Error, Is.EqualTo(ProviderError.InvalidResponse));
    }

    [Test]
    public async Task Killed_InTheMiddle_BreaksOffAndIsUnavailableUntilItIsBack()
    {
        fake.Enqueue(FakeScript.HangInTheMiddle);
        var reading = ReadAsync();
        await fake.Llm.WaitForRequestsAsync(1);

        await fake.KillAsync();
        var broken = await reading;
        var dead = await ReadAsync();
        await fake.RestartAsync();
        var back = await ReadAsync();

        Assert.That((broken.Error, dead.Error, back.Error),
            Is.EqualTo(((ProviderError?)ProviderError.InvalidResponse, (ProviderError?)ProviderError.Unavailable, (ProviderError?)null)));
        Assert.That(back.Text, Is.EqualTo(Reply));
    }

    private void UseTimeout(TimeSpan timeout)
    {
        (provider as IDisposable)?.Dispose();
        provider = Create(timeout);
    }

    private IProvider Create(TimeSpan timeout)
    {
        var settings = new ProviderOptions { Kind = kind, BaseUrl = fake.BaseUrl, ApiKey = "key", Timeout = timeout };
        return kind == "openai"
            ? new OpenAiProvider("fake", settings, TimeProvider.System)
            : new AnthropicProvider("fake", settings, TimeProvider.System);
    }

    private async Task<BilledCall> BilledAsync()
    {
        await fake.WaitForBillAsync(1);
        return fake.Bill.Single();
    }

    private async Task<Outcome> ReadAsync(params ChatMessage[] messages)
    {
        var result = new Outcome("", null, null, null);
        try
        {
            ChatMessage[] asked = messages.Length == 0 ? [new(ChatRole.User, "Count slowly")] : messages;
            await foreach (var update in provider.CreateChatClient("model-1").GetStreamingResponseAsync(asked))
                result = result.Add(update);
        }
        catch (ProviderException failure)
        {
            return result with { Error = failure.Error, RetryAfter = failure.RetryAfter };
        }

        return result;
    }

    private sealed record Outcome(string Text, FakeUsage? Usage, ProviderError? Error, TimeSpan? RetryAfter)
    {
        public Outcome Add(ChatResponseUpdate update)
        {
            var usage = update.Contents.OfType<UsageContent>().LastOrDefault()?.Details;
            return this with
            {
                Text = Text + update.Text,
                Usage = usage is null ? Usage : new FakeUsage((int)usage.InputTokenCount!, (int)(usage.OutputTokenCount ?? 0)),
            };
        }
    }
}
