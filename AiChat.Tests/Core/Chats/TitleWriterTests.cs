using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using AiChat.Core.Chats;
using AiChat.Core.Errors;
using AiChat.Core.Memory;
using AiChat.Core.Models;
using AiChat.Core.Runs;
using AiChat.Core.Usage;
using AiChat.Tests.Support;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Moq;

namespace AiChat.Tests.Core.Chats;

public sealed class TitleWriterTests
{
    private const string UserId = "anna";
    private const string Message = "Which three places should I see on one day in Rome, and where do I eat?";
    private const string BeginningOfMessage = "Which three places should I see on one day in Rome, and";

    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(10);

    private readonly TitleOptions settings = new();
    private readonly FakeTime time = new();
    private readonly ConcurrentQueue<LedgerEntry> ledger = new();
    private Mock<IChatRepository> chats = null!;
    private Mock<IChatClient> model = null!;
    private CapturedLog log = null!;
    private LoggerFactory loggers = null!;
    private TaskCompletionSource<(string ChatId, string Title)> titled = null!;
    private StoppingLifetime lifetime = null!;
    private TitleWriter writer = null!;

    [SetUp]
    public async Task SetUp()
    {
        ledger.Clear();
        titled = new(TaskCreationOptions.RunContinuationsAsynchronously);
        chats = new Mock<IChatRepository>();
        chats.Setup(c => c.GetAsync(UserId, It.IsAny<string>(), It.IsAny<CancellationToken>()))
            .ReturnsAsync((string _, string chatId, CancellationToken _) => NewChat(chatId));
        chats.Setup(c => c.SetTitleAsync(UserId, It.IsAny<string>(), It.IsAny<string>(), It.IsAny<CancellationToken>()))
            .Callback((string _, string chatId, string title, CancellationToken _) => titled.TrySetResult((chatId, title)))
            .ReturnsAsync(true);
        model = new Mock<IChatClient>();
        Answers("Title: \"A day in Rome.\"");
        log = new CapturedLog();
        loggers = new LoggerFactory([log]);
        lifetime = new StoppingLifetime();
        writer = NewWriter("groq");
        await writer.StartAsync(CancellationToken.None);
    }

    [TearDown]
    public async Task TearDown()
    {
        await writer.StopAsync(CancellationToken.None);
        writer.Dispose();
        lifetime.Dispose();
        loggers.Dispose();
        log.Dispose();
        log.AssertNothingUnexpected();
    }

    [Test]
    public async Task Offer_FirstReply_GivesTheChatTheModelsTitle()
    {
        writer.Offer(Message, NewEnd("chat-1"));

        Assert.That(await WaitForTitleAsync(), Is.EqualTo(("chat-1", "A day in Rome")));
    }

    [Test]
    public async Task Offer_FirstReply_IsInTheLedgerWithAnIdOfItsOwn()
    {
        writer.Offer(Message, NewEnd("chat-1"));
        await WaitForTitleAsync();

        var entry = ledger.Single();
        Assert.Multiple(() =>
        {
            Assert.That((entry.Purpose, entry.ChatId, entry.UserId, entry.Alias), Is.EqualTo((AttemptPurpose.Title, "chat-1", UserId, "fast")));
            Assert.That(Guid.Parse(entry.RunId).Version, Is.EqualTo(7));
            Assert.That((entry.Attempt.Outcome, entry.Attempt.Usage), Is.EqualTo((AttemptOutcome.Completed, new TokenUsage(40, 8))));
        });
    }

    [Test]
    public async Task Offer_LongMessageAndReply_FitIntoTheCap()
    {
        var prompt = default(ChatMessage[]);
        var options = default(ChatOptions);
        Streams((messages, given, _) =>
        {
            (prompt, options) = (messages, given);
            return Stream("Rome");
        });

        writer.Offer(new string('m', 100_000), NewEnd("chat-1") with { Reply = new string('ä', 100_000) });
        await WaitForTitleAsync();

        Assert.Multiple(() =>
        {
            Assert.That(prompt!.Sum(m => TokenEstimator.CountMessage(m.Text)), Is.InRange(settings.MaxInputTokens - 5, settings.MaxInputTokens));
            Assert.That(prompt!.Select(m => m.Role), Is.EqualTo(new[] { ChatRole.System, ChatRole.User }));
            Assert.That(prompt![1].Text, Does.StartWith("User: mmm").And.Contain("m\n\nAssistant: ä").And.EndsWith("ä"));
            Assert.That((options!.MaxOutputTokens, ((RoutedChatOptions)options).PromptTokens), Is.EqualTo((256, prompt!.Sum(m => TokenEstimator.CountMessage(m.Text)))));
        });
    }

    [Test]
    public async Task Offer_ShortReply_LeavesItsShareToTheMessage()
    {
        var prompt = "";
        Streams((messages, _, _) =>
        {
            prompt = messages[1].Text;
            return Stream("Rome");
        });

        writer.Offer(new string('m', 100_000), NewEnd("chat-1") with { Reply = "Yes." });
        await WaitForTitleAsync();

        Assert.That(prompt, Does.EndWith("mmm\n\nAssistant: Yes."));
        Assert.That(TokenEstimator.Count(prompt), Is.GreaterThan(settings.MaxInputTokens * 3 / 4));
    }

    [TestCase(RunStatus.Completed, 4)]
    [TestCase(RunStatus.Failed, 2)]
    [TestCase(RunStatus.Cancelled, 2)]
    [TestCase(RunStatus.Incomplete, 2)]
    public async Task Offer_AnythingButAWholeFirstReply_IsPassedOver(RunStatus status, int sequence)
    {
        writer.Offer(Message, NewEnd("passed-over") with { Status = status, AssistantSequence = sequence });
        writer.Offer(Message, NewEnd("chat-1"));

        Assert.That((await WaitForTitleAsync()).ChatId, Is.EqualTo("chat-1"));
        chats.Verify(c => c.GetAsync(UserId, "passed-over", It.IsAny<CancellationToken>()), Times.Never);
    }

    [Test]
    public async Task Offer_ChatWithTitleOrNoChat_AsksNoModel()
    {
        chats.Setup(c => c.GetAsync(UserId, "titled", It.IsAny<CancellationToken>())).ReturnsAsync(NewChat("titled") with { Title = "Rome" });
        chats.Setup(c => c.GetAsync(UserId, "gone", It.IsAny<CancellationToken>())).ReturnsAsync((Chat?)null);

        writer.Offer(Message, NewEnd("titled"));
        writer.Offer(Message, NewEnd("gone"));
        writer.Offer(Message, NewEnd("chat-1"));
        await WaitForTitleAsync();

        Assert.That(ledger.Select(e => e.ChatId), Is.EqualTo(new[] { "chat-1" }));
    }

    [Test]
    public async Task Offer_SwitchedOff_IsPassedOver()
    {
        settings.Enabled = false;
        writer.Offer(Message, NewEnd("passed-over"));
        settings.Enabled = true;
        writer.Offer(Message, NewEnd("chat-1"));

        Assert.That((await WaitForTitleAsync()).ChatId, Is.EqualTo("chat-1"));
    }

    [Test]
    public async Task Offer_ModelFails_TakesTheBeginningOfTheMessage()
    {
        Streams((_, _, _) => Fail());

        writer.Offer(Message, NewEnd("chat-1"));

        Assert.That((await WaitForTitleAsync()).Title, Is.EqualTo(BeginningOfMessage));
        Assert.That(ledger.Select(e => e.Attempt.Outcome), Is.EqualTo(new[] { AttemptOutcome.Failed }));
    }

    [Test]
    public async Task Offer_ModelSaysNothingUsable_TakesTheBeginningOfTheMessage()
    {
        Answers("\"...\"");

        writer.Offer(Message, NewEnd("chat-1"));

        Assert.That((await WaitForTitleAsync()).Title, Is.EqualTo(BeginningOfMessage));
    }

    [Test]
    public async Task Offer_ModelHangs_TakesTheBeginningOfTheMessageAfterTheTimeout()
    {
        var asked = HangsWhenAsked();

        writer.Offer(Message, NewEnd("chat-1"));
        await asked.WaitAsync(LongestWait);
        time.Advance(settings.Timeout);

        Assert.That((await WaitForTitleAsync()).Title, Is.EqualTo(BeginningOfMessage));
        Assert.That(ledger.Single().Attempt.Outcome, Is.EqualTo(AttemptOutcome.Cancelled));
    }

    [Test]
    public async Task Stop_ModelHangs_EndsAtOnceAndKeepsTheAccount()
    {
        var asked = HangsWhenAsked();
        writer.Offer(Message, NewEnd("chat-1"));
        await asked.WaitAsync(LongestWait);

        await writer.StopAsync(CancellationToken.None).WaitAsync(LongestWait);

        Assert.That(ledger.Single().Attempt.Outcome, Is.EqualTo(AttemptOutcome.Cancelled));
        Assert.That(titled.Task.IsCompleted, Is.False);
    }

    [Test]
    public async Task Offer_OfflineBackend_TakesTheBeginningOfTheMessageWithoutACall()
    {
        using var offline = NewWriter("offline");
        await offline.StartAsync(CancellationToken.None);

        offline.Offer("#fail 500 " + Message, NewEnd("chat-1"));

        Assert.That((await WaitForTitleAsync()).Title, Is.EqualTo("#fail 500 Which three places should I see on one day in"));
        Assert.That(ledger, Is.Empty);
        await offline.StopAsync(CancellationToken.None);
    }

    [Test]
    public async Task Offer_DatabaseFails_IsLoggedAndForgotten()
    {
        log.Expect("Chat broken gets no title");
        chats.Setup(c => c.GetAsync(UserId, "broken", It.IsAny<CancellationToken>()))
            .ThrowsAsync(UnavailableException.ForDatabase(new IOException("The disk is full.")));

        writer.Offer(Message, NewEnd("broken"));
        await log.WaitForAsync("Chat broken gets no title");
        writer.Offer(Message, NewEnd("chat-1"));

        Assert.That((await WaitForTitleAsync()).ChatId, Is.EqualTo("chat-1"));
    }

    [Test]
    public void Offer_TooManyWait_DropsAndSaysSo()
    {
        using var idle = NewWriter("groq");
        for (var i = 0; i < 256; i++)
            idle.Offer(Message, NewEnd($"chat-{i}"));
        var before = log.Entries.Count;
        log.Expect("Chat one-too-many gets no title: too many others wait");

        idle.Offer(Message, NewEnd("one-too-many"));

        Assert.That((before, log.Entries.Count), Is.EqualTo((0, 1)));
    }

    private static Chat NewChat(string id) => new() { Id = id, UserId = UserId, CreatedAt = default, UpdatedAt = default };

    private static RunResult NewEnd(string chatId) => new()
    {
        RunId = "run-1",
        ChatId = chatId,
        UserId = UserId,
        Alias = "smart",
        UserMessageId = "question",
        AssistantMessageId = "reply",
        AssistantSequence = 2,
        Status = RunStatus.Completed,
        Reply = "The Colosseum, the Pantheon and the Trevi Fountain.",
        Provider = "groq",
        Model = "oss-120b",
        CompletedAt = default,
    };

    private static async IAsyncEnumerable<ChatResponseUpdate> Stream(string text)
    {
        await Task.CompletedTask;
        yield return new ChatResponseUpdate(ChatRole.Assistant, text) { FinishReason = ChatFinishReason.Stop };
        yield return new ChatResponseUpdate(
            ChatRole.Assistant, [new UsageContent(new UsageDetails { InputTokenCount = 40, OutputTokenCount = 8 })]);
    }

    private static async IAsyncEnumerable<ChatResponseUpdate> Fail()
    {
        await Task.FromException(new ProviderException("groq", ProviderError.Unauthorized, "groq refuses the key."));
        yield break;
    }

    private static async IAsyncEnumerable<ChatResponseUpdate> HangAsync(
        TaskCompletionSource asked, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        asked.TrySetResult();
        await Task.Delay(Timeout.Infinite, cancellationToken);
        yield break;
    }

    private Task<(string ChatId, string Title)> WaitForTitleAsync() => titled.Task.WaitAsync(LongestWait);

    private void Answers(string text) => Streams((_, _, _) => Stream(text));

    private Task HangsWhenAsked()
    {
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Streams((_, _, cancellationToken) => HangAsync(asked, cancellationToken));
        return asked.Task;
    }

    private void Streams(Func<ChatMessage[], ChatOptions, CancellationToken, IAsyncEnumerable<ChatResponseUpdate>> answer) => model
        .Setup(c => c.GetStreamingResponseAsync(It.IsAny<IEnumerable<ChatMessage>>(), It.IsAny<ChatOptions>(), It.IsAny<CancellationToken>()))
        .Returns((IEnumerable<ChatMessage> messages, ChatOptions options, CancellationToken ct) => answer([.. messages], options, ct));

    private TitleWriter NewWriter(string providerName)
    {
        var provider = new Mock<IProvider>();
        provider.Setup(p => p.Name).Returns(providerName);
        provider.Setup(p => p.CreateChatClient(It.IsAny<string>())).Returns(model.Object);
        var models = new ModelsOptions();
        models.Aliases["fast"] = new ModelAliasOptions { Candidates = [new ModelCandidateOptions { Provider = providerName, Model = "oss-20b" }] };
        var usage = new Mock<IUsageRepository>();
        usage.Setup(u => u.AddAsync(It.IsAny<LedgerEntry>(), It.IsAny<CancellationToken>()))
            .Callback((LedgerEntry entry, CancellationToken _) => ledger.Enqueue(entry)).Returns(Task.CompletedTask);
        var registry = new ModelRegistry([provider.Object], Options.Create(models), Options.Create(new RoutingOptions { Retries = 0 }), new ChatTelemetry(includeContents: false), time,
            NullLogger<CandidateCircuit>.Instance);
        var calls = new SideCalls(registry, usage.Object, lifetime, time, loggers.CreateLogger<SideCalls>());
        return new TitleWriter(chats.Object, calls, Options.Create(settings), loggers.CreateLogger<TitleWriter>());
    }
}
