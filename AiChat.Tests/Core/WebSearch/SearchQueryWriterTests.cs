using System.Collections.Concurrent;
using AiChat.Core.Chats;
using AiChat.Core.Models;
using AiChat.Core.Usage;
using AiChat.Core.WebSearch;
using AiChat.Tests.Core.Models;
using AiChat.Tests.Support;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Moq;

namespace AiChat.Tests.Core.WebSearch;

public sealed class SearchQueryWriterTests
{
    private const string UserId = "anna";
    private const string ChatId = "chat-1";
    private const string Message = "And how   long\nis it?";
    private const string MessageAsQuery = "And how long is it?";

    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(10);

    private readonly ConcurrentQueue<LedgerEntry> ledger = new();
    private WebSearchOptions settings = null!;
    private FakeTime time = null!;
    private ScriptedChatClient model = null!;
    private StoppingLifetime lifetime = null!;
    private List<HistoryMessage> earlier = null!;
    private CapturedLog log = null!;
    private LoggerFactory loggers = null!;

    private static CancellationToken None => CancellationToken.None;

    [SetUp]
    public void SetUp()
    {
        ledger.Clear();
        settings = new WebSearchOptions();
        time = new FakeTime();
        model = new ScriptedChatClient();
        lifetime = new StoppingLifetime();
        earlier = [NewMessage(1, MessageRole.User, "Which river flows through Rome?"), NewMessage(2, MessageRole.Assistant, "The Tiber.")];
        log = new CapturedLog();
        loggers = new LoggerFactory([log]);
    }

    [TearDown]
    public void TearDown()
    {
        model.Dispose();
        loggers.Dispose();
        lifetime.Dispose();
        log.AssertNothingUnexpected();
        log.Dispose();
    }

    [Test]
    public async Task Write_FirstMessageOfTheChat_IsTheQueryItself()
    {
        earlier.Clear();

        Assert.That(await WriteAsync(NewWriter(), Ask(Message, sequence: 1), None), Is.EqualTo(MessageAsQuery));
        Assert.That(model.Calls, Is.Empty);
    }

    [Test]
    public async Task Write_LongFirstMessage_IsCutBehindAWord()
    {
        earlier.Clear();

        var query = await WriteAsync(NewWriter(), Ask(string.Concat(Enumerable.Repeat("river ", 1000)), sequence: 1), None);

        Assert.That(query, Is.EqualTo(string.Concat(Enumerable.Repeat("river ", 50)).Trim()));
    }

    [TestCase("length of the river Tiber", "length of the river Tiber")]
    [TestCase("\n **Search query:** `length of the Tiber`.\n", "length of the Tiber")]
    [TestCase("Query: \"length of the  Tiber\"\n\nI chose these words because…", "length of the Tiber")]
    public async Task Write_LaterMessage_IsWhatTheModelMakesOfIt(string answer, string query)
    {
        model.Then(answer);

        Assert.That(await WriteAsync(NewWriter(), Ask(Message, sequence: 3), None), Is.EqualTo(query));
    }

    [Test]
    public async Task Write_LongAnswer_IsCut()
    {
        model.Then(string.Concat(Enumerable.Repeat("river ", 1000)));

        Assert.That(await WriteAsync(NewWriter(), Ask(Message, sequence: 3), None), Has.Length.EqualTo(299));
    }

    [Test]
    public async Task Write_LaterMessage_ShowsTheModelWhatCameBefore()
    {
        model.Then("Tiber");

        await WriteAsync(NewWriter(), Ask(Message, sequence: 3), None);

        var (messages, options) = model.Calls.Single();
        Assert.That(messages.Select(m => m.Role), Is.EqualTo(new[] { ChatRole.System, ChatRole.User }));
        Assert.That(messages[1].Text, Is.EqualTo($"User: Which river flows through Rome?\n\nAssistant: The Tiber.\n\nLast message: {Message}"));
        Assert.That(options!.MaxOutputTokens, Is.EqualTo(256));
    }

    [Test]
    public async Task Write_LongChat_ReadsTheLastMessagesAndNoMore()
    {
        model.Then("Tiber");
        earlier = [.. Enumerable.Range(1, 100).Select(n => NewMessage(n, n % 2 == 1 ? MessageRole.User : MessageRole.Assistant, $"message {n} " + new string('x', 10_000)))];
        earlier[98] = NewMessage(99, MessageRole.Tool, "result of a tool");
        earlier[97] = NewMessage(98, MessageRole.Assistant, " ");
        var read = 0;

        await WriteAsync(NewWriter(() => read++), Ask(new string('y', 10_000), sequence: 101), None);

        var prompt = model.Calls.Single().Messages[1].Text;
        Assert.That(prompt, Does.StartWith("User: message 93 x").And.Contain("Assistant: message 100 x").And.Contain("Last message: yyy"));
        Assert.That((prompt.Contains("tool", StringComparison.Ordinal), prompt.Length < 4500, read), Is.EqualTo((false, true, 8)));
    }

    [Test]
    public async Task Write_ManyResultsOfToolsInARow_AreNotReadToTheirEnd()
    {
        model.Then("Tiber");
        earlier = [.. Enumerable.Range(1, 100).Select(n => NewMessage(n, n is 1 or 60 ? MessageRole.User : MessageRole.Tool, $"message {n}"))];
        var read = 0;

        await WriteAsync(NewWriter(() => read++), Ask(Message, sequence: 101), None);

        Assert.That(model.Calls.Single().Messages[1].Text, Is.EqualTo($"User: message 60\n\nLast message: {Message}"));
        Assert.That(read, Is.EqualTo(50));
    }

    [Test]
    public async Task Write_Call_IsInTheLedger()
    {
        model.Then("Tiber", new ChatResponseUpdate(ChatRole.Assistant, [new UsageContent(new UsageDetails { InputTokenCount = 40, OutputTokenCount = 8 })]));

        await WriteAsync(NewWriter(), Ask(Message, sequence: 3), None);

        var entry = ledger.Single();
        Assert.That((entry.Purpose, entry.ChatId, entry.UserId, entry.Alias), Is.EqualTo((AttemptPurpose.SearchQuery, ChatId, UserId, "fast")));
        Assert.That((entry.Attempt.Outcome, entry.Attempt.Usage), Is.EqualTo((AttemptOutcome.Completed, new TokenUsage(40, 8))));
    }

    [Test]
    public async Task Write_OfflineBackend_TakesTheMessageWithoutACall()
    {
        Assert.That(await WriteAsync(NewWriter(provider: "offline"), Ask(Message, sequence: 3), None), Is.EqualTo(MessageAsQuery));
        Assert.That((model.Calls.Count, ledger.Count), Is.EqualTo((0, 0)));
    }

    [TestCase("")]
    [TestCase(" \n\"\"\n")]
    public async Task Write_ModelSaysNothing_TakesTheMessage(string answer)
    {
        model.Then(answer);

        Assert.That(await WriteAsync(NewWriter(), Ask(Message, sequence: 3), None), Is.EqualTo(MessageAsQuery));
    }

    [Test]
    public async Task Write_ModelFails_TakesTheMessageAndKeepsTheAccount()
    {
        model.Then(new ProviderException("groq", ProviderError.Unauthorized, "groq refuses the key."));

        Assert.That(await WriteAsync(NewWriter(), Ask(Message, sequence: 3), None), Is.EqualTo(MessageAsQuery));
        Assert.That(ledger.Select(e => e.Attempt.Outcome), Is.EqualTo(new[] { AttemptOutcome.Failed }));
    }

    [Test]
    public async Task Write_ModelHangs_TakesTheMessageAfterTheTimeout()
    {
        var asked = Hangs();

        var write = WriteAsync(NewWriter(), Ask(Message, sequence: 3), None);
        await asked.WaitAsync(LongestWait);
        time.Advance(settings.QueryTimeout);

        Assert.That(await write.WaitAsync(LongestWait), Is.EqualTo(MessageAsQuery));
        Assert.That(ledger.Select(e => e.Attempt.Outcome), Is.EqualTo(new[] { AttemptOutcome.Cancelled }));
    }

    [Test]
    public async Task Write_CallerGivesUp_IsCancelledAndKeepsTheAccount()
    {
        var asked = Hangs();
        using var giveUp = new CancellationTokenSource();

        var write = WriteAsync(NewWriter(), Ask(Message, sequence: 3), giveUp.Token);
        await asked.WaitAsync(LongestWait);
        await giveUp.CancelAsync();

        Assert.CatchAsync<OperationCanceledException>(() => write.WaitAsync(LongestWait));
        Assert.That(ledger.Select(e => e.Attempt.Outcome), Is.EqualTo(new[] { AttemptOutcome.Cancelled }));
    }

    private static async Task<string> WriteAsync(SearchQueryWriter writer, SearchQuestion question, CancellationToken cancellationToken) =>
        await writer.WriteAsync(question, await writer.ReadAsync(question, cancellationToken), cancellationToken);

    private static HistoryMessage NewMessage(int sequence, MessageRole role, string content) => new() { Sequence = sequence, Role = role, Content = content };

    private static SearchQuestion Ask(string message, int sequence) => new() { UserId = UserId, ChatId = ChatId, Message = message, Sequence = sequence };

    private static async IAsyncEnumerable<HistoryMessage> ReadBackwards(IEnumerable<HistoryMessage> messages, Action? onRead)
    {
        await Task.CompletedTask;
        foreach (var message in messages.Reverse())
        {
            onRead?.Invoke();
            yield return message;
        }
    }

    private Task Hangs()
    {
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        model.Then((Action)asked.SetResult, new TaskCompletionSource().Task);
        return asked.Task;
    }

    private SearchQueryWriter NewWriter(Action? onRead = null, string provider = "groq")
    {
        var messages = new Mock<IMessageRepository>();
        messages.Setup(m => m.ReadBackwardsAsync(UserId, ChatId, It.IsAny<int>(), It.IsAny<CancellationToken>()))
            .Returns((string _, string _, int before, CancellationToken _) => ReadBackwards(earlier.Where(m => m.Sequence < before), onRead));
        var usage = new Mock<IUsageRepository>();
        usage.Setup(u => u.AddAsync(It.IsAny<LedgerEntry>(), None)).Callback((LedgerEntry entry, CancellationToken _) => ledger.Enqueue(entry)).Returns(Task.CompletedTask);
        return new SearchQueryWriter(messages.Object, NewCalls(usage.Object, provider), Options.Create(settings));
    }

    private SideCalls NewCalls(IUsageRepository usage, string providerName)
    {
        var provider = new Mock<IProvider>();
        provider.Setup(p => p.Name).Returns(providerName);
        provider.Setup(p => p.CreateChatClient(It.IsAny<string>())).Returns(model);
        var models = new ModelsOptions();
        models.Aliases["fast"] = new ModelAliasOptions { Candidates = [new ModelCandidateOptions { Provider = providerName, Model = "oss-20b" }] };
        var registry = new ModelRegistry(
            [provider.Object], Options.Create(models), Options.Create(new RoutingOptions { Retries = 0 }), new ChatTelemetry(includeContents: false), time,
            NullLogger<CandidateCircuit>.Instance);
        return new SideCalls(registry, usage, lifetime, time, loggers.CreateLogger<SideCalls>());
    }
}
