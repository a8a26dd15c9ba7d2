using AiChat.Core.Models;
using AiChat.Infrastructure.Providers.Offline;
using AiChat.Tests.Support;
using Microsoft.Extensions.AI;

namespace AiChat.Tests.Infrastructure.Providers;

public sealed class OfflineChatClientTests
{
    private const string Hint = "Set GROQ_API_KEY for a real answer.";

    private readonly FakeTime time = new();

    [Test]
    public async Task GetResponseAsync_OrdinaryMessage_SaysWhatItIsAndWhatItWasSent()
    {
        ChatMessage[] messages = [new(ChatRole.System, "Be kind."), new(ChatRole.User, "Hi"), new(ChatRole.Assistant, "Hi!"), new(ChatRole.User, "Hello, AI!")];

        var response = await Client().GetResponseAsync(messages);

        Assert.Multiple(() =>
        {
            Assert.That(response.Text, Is.EqualTo(
                "This is AiChat's offline backend: no model is connected, so nobody thought about this. "
                + "I was sent 4 messages (about 25 tokens); the newest says: \"Hello, AI!\". Set GROQ_API_KEY for a real answer."));
            Assert.That(response.ModelId, Is.EqualTo("offline"));
            Assert.That(response.FinishReason, Is.EqualTo(ChatFinishReason.Stop));
            Assert.That(response.Usage!.InputTokenCount, Is.EqualTo(25));
            Assert.That(response.Usage.OutputTokenCount, Is.EqualTo(65));
        });
    }

    [Test]
    public async Task GetResponseAsync_CallsAndResults_CountsThemAndAnswersTheNewestUserMessage()
    {
        var prompt = ToolPrompts.EndingWithResult();

        var response = await Client().GetResponseAsync(prompt);

        // Three messages of 4 tokens, "Time?", "clock", "{}" and "Noon".
        Assert.That(response.Usage!.InputTokenCount, Is.EqualTo((3 * 4) + 2 + 2 + 1 + 2));
        Assert.That(response.Text, Does.Contain("I was sent 3 messages (about 19 tokens); the newest says: \"Time?\"."));
    }

    [Test]
    public async Task GetResponseAsync_LongMessage_QuotesItsBeginningInWholeCharacters()
    {
        var response = await Client().GetResponseAsync(new string('x', 199) + "😀" + new string('y', 1000));

        Assert.That(response.Text, Does.Contain($": \"{new string('x', 199)}…\".").And.Contain("I was sent 1 message ("));
    }

    [Test]
    public async Task GetStreamingResponseAsync_AnyText_IsTheSameTextInPieces()
    {
        const string Text = " two  words\n\nand 漢字 😀 \t";

        var updates = await ReadAllAsync($"#say {Text}");

        Assert.Multiple(() =>
        {
            Assert.That(updates.Select(u => u.Text), Is.EqualTo(new[] { " ", "two  ", "words\n\n", "and ", "漢字 ", "😀 \t", "" }));
            Assert.That(updates.ToChatResponse().FinishReason, Is.EqualTo(ChatFinishReason.Stop));
            Assert.That(updates.ToChatResponse().Usage!.OutputTokenCount, Is.EqualTo(10));
        });
    }

    [TestCase("#say exactly this", "exactly this")]
    [TestCase("#say #fail 500 is text here", "#fail 500 is text here")]
    [TestCase("please #say  two\nlines ", " two\nlines ")]
    [TestCase("#empty", "")]
    [TestCase("now #empty please", "")]
    public async Task GetResponseAsync_ScriptedReply_AnswersExactlyThat(string message, string expected)
    {
        var response = await Client().GetResponseAsync(message);

        Assert.That(response.Text, Is.EqualTo(expected));
    }

    [TestCase("#fail")]
    [TestCase("#fail 42")]
    [TestCase("#fail 4290")]
    [TestCase("issue#fail 500")]
    [TestCase("#failure 500")]
    [TestCase("#delay 99999999999")]
    [TestCase("#emptyness")]
    [TestCase("#saying")]
    public async Task GetResponseAsync_AlmostADirective_IsAnOrdinaryMessage(string message)
    {
        var response = await Client().GetResponseAsync(message);

        Assert.That(response.Text, Does.Contain($"\"{message}\""));
    }

    [Test]
    public async Task GetResponseAsync_DirectiveInAnOlderMessage_DoesNothing()
    {
        ChatMessage[] messages = [new(ChatRole.User, "#fail 500"), new(ChatRole.Assistant, "#empty"), new(ChatRole.User, "#say fine")];

        var response = await Client().GetResponseAsync(messages);

        Assert.That(response.Text, Is.EqualTo("fine"));
    }

    [TestCase(401, ProviderError.Unauthorized)]
    [TestCase(429, ProviderError.RateLimited)]
    [TestCase(408, ProviderError.Timeout)]
    [TestCase(503, ProviderError.Unavailable)]
    [TestCase(422, ProviderError.Rejected)]
    [TestCase(200, ProviderError.InvalidResponse)]
    public void GetResponseAsync_Fail_IsMappedLikeAServersStatus(int status, ProviderError expected)
    {
        var failure = Assert.ThrowsAsync<ProviderException>(() => Client().GetResponseAsync($"#fail {status}"));

        Assert.That((failure.Error, failure.Provider), Is.EqualTo((expected, "offline")));
    }

    [Test]
    public async Task GetResponseAsync_Delay_AnswersThenAndNotBefore()
    {
        var answer = Client().GetResponseAsync("#delay 200 #say late");

        time.Advance(TimeSpan.FromMilliseconds(199));
        var isEarly = answer.IsCompleted;
        time.Advance(TimeSpan.FromMilliseconds(1));

        Assert.That(isEarly, Is.False);
        Assert.That((await answer).Text, Is.EqualTo("late"));
    }

    [Test]
    public async Task GetResponseAsync_CancelledDuringDelay_Stops()
    {
        using var caller = new CancellationTokenSource();

        var answer = Client().GetResponseAsync("#delay 200", cancellationToken: caller.Token);
        await caller.CancelAsync();

        Assert.That(async () => await answer, Throws.InstanceOf<OperationCanceledException>());
    }

    [Test]
    public async Task GetStreamingResponseAsync_Pace_WaitsBetweenPieces()
    {
        await using var updates = Client().GetStreamingResponseAsync("#pace 20 #say one two").GetAsyncEnumerator();

        var isFirstAtOnce = await updates.MoveNextAsync();
        var second = updates.MoveNextAsync().AsTask();
        time.Advance(TimeSpan.FromMilliseconds(19));
        var isSecondEarly = second.IsCompleted;
        time.Advance(TimeSpan.FromMilliseconds(1));

        Assert.That((isFirstAtOnce, isSecondEarly, await second), Is.EqualTo((true, false, true)));
    }

    [Test]
    public async Task GetStreamingResponseAsync_Cut_BreaksOffBehindThatManyPieces()
    {
        await using var updates = Client().GetStreamingResponseAsync("#cut 2 #say one two three four").GetAsyncEnumerator();

        await updates.MoveNextAsync();
        await updates.MoveNextAsync();

        Assert.That(updates.Current.Text, Is.EqualTo("two "));
        Assert.That(async () => await updates.MoveNextAsync(),
            Throws.InstanceOf<ProviderException>().With.Property(nameof(ProviderException.Error)).EqualTo(ProviderError.InvalidResponse));
    }

    [Test]
    public void GetResponseAsync_Cut_IsInvalid()
    {
        var failure = Assert.ThrowsAsync<ProviderException>(() => Client().GetResponseAsync("#cut 2"));

        Assert.That(failure.Error, Is.EqualTo(ProviderError.InvalidResponse));
    }

    [Test]
    public async Task GetResponseAsync_MaxOutputTokens_LimitsTheReply()
    {
        var response = await Client().GetResponseAsync("#say 漢字漢字 and more", new ChatOptions { MaxOutputTokens = 3 });

        Assert.Multiple(() =>
        {
            Assert.That(response.Text, Is.EqualTo("漢字漢"));
            Assert.That(response.FinishReason, Is.EqualTo(ChatFinishReason.Length));
            Assert.That(response.Usage!.OutputTokenCount, Is.EqualTo(3));
        });
    }

    private IChatClient Client() => new OfflineProvider("offline", Hint, time).CreateChatClient("offline");

    private async Task<List<ChatResponseUpdate>> ReadAllAsync(string message)
    {
        var updates = new List<ChatResponseUpdate>();
        await foreach (var update in Client().GetStreamingResponseAsync(message))
            updates.Add(update);
        return updates;
    }
}
