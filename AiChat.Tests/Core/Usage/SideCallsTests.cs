using AiChat.Core.Errors;
using AiChat.Core.Models;
using AiChat.Core.Usage;
using AiChat.Tests.Core.Models;
using AiChat.Tests.Support;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Moq;

namespace AiChat.Tests.Core.Usage;

/// <summary>What is paid for gets into the ledger, whatever the database does. What callers make of the answers is tested with them.</summary>
public sealed class SideCallsTests
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(10);
    private static readonly UnavailableException Unavailable = UnavailableException.ForDatabase(new IOException("The disk is full."));

    private FakeTime time = null!;
    private StoppingLifetime lifetime = null!;
    private Mock<IUsageRepository> usage = null!;
    private CapturedLog log = null!;
    private LoggerFactory loggers = null!;
    private SideCalls calls = null!;

    [SetUp]
    public void SetUp()
    {
        time = new FakeTime();
        lifetime = new StoppingLifetime();
        usage = new Mock<IUsageRepository>();
        log = new CapturedLog();
        loggers = new LoggerFactory([log]);
        calls = NewCalls();
    }

    [TearDown]
    public void TearDown()
    {
        loggers.Dispose();
        lifetime.Dispose();
        log.AssertNothingUnexpected();
        log.Dispose();
    }

    [Test]
    public async Task Ask_DatabaseUnavailableForAWhile_WaitsForIt()
    {
        usage.SetupSequence(u => u.AddAsync(It.IsAny<LedgerEntry>(), CancellationToken.None)).ThrowsAsync(Unavailable).Returns(Task.CompletedTask);

        var ask = calls.AskAsync(NewCall(), CancellationToken.None);
        var isOverBefore = ask.IsCompleted;
        time.Advance(TimeSpan.FromSeconds(1));

        Assert.That((isOverBefore, await ask.WaitAsync(LongestWait)), Is.EqualTo((false, "Tiber")));
        usage.Verify(u => u.AddAsync(It.IsAny<LedgerEntry>(), CancellationToken.None), Times.Exactly(2));
    }

    [Test]
    public async Task Ask_DatabaseUnavailableAsTheServerEnds_GivesUpAndSaysSo()
    {
        log.Expect("The call of a model for the SearchQuery of chat chat-1 is missing in the ledger");
        usage.Setup(u => u.AddAsync(It.IsAny<LedgerEntry>(), CancellationToken.None)).ThrowsAsync(Unavailable);

        var ask = calls.AskAsync(NewCall(), CancellationToken.None);
        var isOverBefore = ask.IsCompleted;
        lifetime.StopApplication();

        Assert.That((isOverBefore, await ask.WaitAsync(LongestWait)), Is.EqualTo((false, "Tiber")));
    }

    private static SideCall NewCall() => new()
    {
        Purpose = AttemptPurpose.SearchQuery,
        UserId = "anna",
        ChatId = "chat-1",
        Alias = "fast",
        Prompt = [new ChatMessage(ChatRole.User, "Which river?")],
        MaxOutputTokens = 100,
        Timeout = TimeSpan.FromMinutes(1),
    };

    private SideCalls NewCalls()
    {
        var provider = new Mock<IProvider>();
        provider.Setup(p => p.Name).Returns("groq");
        provider.Setup(p => p.CreateChatClient(It.IsAny<string>())).Returns(new ScriptedChatClient().Then("Tiber"));
        var models = new ModelsOptions();
        models.Aliases["fast"] = new ModelAliasOptions { Candidates = [new ModelCandidateOptions { Provider = "groq", Model = "oss-20b" }] };
        var registry = new ModelRegistry(
            [provider.Object], Options.Create(models), Options.Create(new RoutingOptions()), new ChatTelemetry(includeContents: false), time,
            NullLogger<CandidateCircuit>.Instance);
        return new SideCalls(registry, usage.Object, lifetime, time, loggers.CreateLogger<SideCalls>());
    }
}
