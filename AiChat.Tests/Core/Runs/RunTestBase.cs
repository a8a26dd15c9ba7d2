using System.Runtime.CompilerServices;
using System.Threading.Channels;
using AiChat.Core.Budgets;
using AiChat.Core.Chats;
using AiChat.Core.Idempotency;
using AiChat.Core.Memory;
using AiChat.Core.Models;
using AiChat.Core.Nodes;
using AiChat.Core.Runs;
using AiChat.Core.WebSearch;
using AiChat.Core.Usage;
using AiChat.Tests.Support;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Hosting.Internal;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Moq;

namespace AiChat.Tests.Core.Runs;

/// <summary>
/// The service and the executor of runs over ports that do as they are told. Unless a test says otherwise, every chat is anna's, is free
/// and has no history, the database takes everything, and the model answers "Hello!".
/// </summary>
public abstract class RunTestBase
{
    private protected const string UserId = "anna";
    private protected const string ChatId = "chat-1";

    /// <summary>Only ever waited for in full by a test that fails.</summary>
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(10);

    private readonly List<RunResult> stored = [];
    private LoggerFactory loggers = null!;

    private protected Mock<IChatRepository> Chats { get; private set; } = null!;
    private protected Mock<IMessageRepository> Messages { get; private set; } = null!;
    private protected Mock<IRunRepository> Runs { get; private set; } = null!;
    private protected Mock<IIdempotencyRepository> Keys { get; private set; } = null!;
    private protected RunOptions Settings { get; private set; } = null!;
    private protected Mock<IChatClient> Model { get; private set; } = null!;

    /// <summary>Searches the web; not configured unless a test says so.</summary>
    private protected Mock<INodeRepository> Nodes { get; private set; } = null!;

    private protected TestSignals Signals { get; private set; } = null!;

    private protected RunMirrors Mirrors { get; private set; } = null!;

    private protected Mock<IWebSearch> Engine { get; private set; } = null!;

    private protected Mock<IPageReader> Pages { get; private set; } = null!;
    private protected FakeTime Time { get; private set; } = null!;
    private protected CapturedLog Log { get; private set; } = null!;
    private protected ApplicationLifetime Lifetime { get; private set; } = null!;
    private protected RunGenerator Generator { get; private set; } = null!;
    private protected RunExecutor Executor { get; private set; } = null!;
    private protected RunService Service { get; private set; } = null!;
    private protected ModelRegistry Registry { get; private set; } = null!;

    /// <summary>The ends that were stored, in order.</summary>
    private protected IReadOnlyList<RunResult> Stored
    {
        get
        {
            lock (stored)
                return [.. stored];
        }
    }

    private protected static CancellationToken None => CancellationToken.None;

    /// <summary>As in the host: with one, whoever waits goes on elsewhere. Not in an asynchronous method, which would restore it.</summary>
    [SetUp]
    public void LeaveContext() => SynchronizationContext.SetSynchronizationContext(null);

    [SetUp]
    public async Task SetUpRuns()
    {
        stored.Clear();
        Settings = new RunOptions { ShutdownTimeout = TimeSpan.FromSeconds(10) };
        Keys = new Mock<IIdempotencyRepository>(MockBehavior.Strict);
        (Engine, Pages) = (new(MockBehavior.Strict), new(MockBehavior.Strict));
        Engine.Setup(e => e.Name).Returns("searxng");
        Engine.Setup(e => e.MissingSetting).Returns("WebSearch:SearxngUrl");
        (Chats, Messages, Runs, Model) = (new(MockBehavior.Strict), new(MockBehavior.Strict), new(MockBehavior.Strict), new(MockBehavior.Strict));
        Chats.Setup(c => c.GetAsync(UserId, It.IsAny<string>(), It.IsAny<CancellationToken>()))
            .ReturnsAsync((string _, string chatId, CancellationToken _) => NewChat(chatId));
        Messages.Setup(m => m.ReadBackwardsAsync(UserId, It.IsAny<string>(), It.IsAny<int>(), It.IsAny<CancellationToken>()))
            .Returns(Array.Empty<HistoryMessage>().ToAsyncEnumerable());
        AcceptsRuns(new RunAdmission.Accepted(new RunPlace(1, 2), BusyWith: null));
        FinishesRuns((_, _) => Task.FromResult(new FinishedRun(FinishOutcome.Stored, Next: null)));
        Answers((_, _) => Task.FromResult(Reply("Hello!")));

        Time = new FakeTime();
        Log = new CapturedLog();
        loggers = new LoggerFactory([Log]);
        Lifetime = new ApplicationLifetime(NullLogger<ApplicationLifetime>.Instance);
        Registry = NewRegistry();
        var context = new ContextBuilder(Messages.Object, Options.Create(new MemoryOptions()));
        var options = Options.Create(Settings);
        var calls = new SideCalls(Registry, Mock.Of<IUsageRepository>(), Lifetime, Time, loggers.CreateLogger<SideCalls>());
        var webOptions = Options.Create(new WebSearchOptions());
        var web = new WebSearchService([Engine.Object], Pages.Object, webOptions, Time, loggers.CreateLogger<WebSearchService>());
        Generator = new RunGenerator(
            context, new SearchQueryWriter(Messages.Object, calls, webOptions), web, options, Time, loggers.CreateLogger<RunGenerator>());
        var titles = new TitleWriter(Chats.Object, calls, Options.Create(new TitleOptions { Enabled = false }), loggers.CreateLogger<TitleWriter>());
        Nodes = new(MockBehavior.Strict);
        Nodes.Setup(n => n.IsShared).Returns(false);
        Signals = new TestSignals();
        Executor = new RunExecutor(Runs.Object, Generator, titles, Signals, options, Lifetime, Time, loggers.CreateLogger<RunExecutor>());
        Mirrors = new RunMirrors(Runs.Object, Nodes.Object, Executor, Signals, Time, loggers.CreateLogger<RunMirrors>());
        var budgets = new BudgetPolicy(Options.Create(new BudgetOptions()));
        Service = new RunService(Chats.Object, Messages.Object, Runs.Object, Keys.Object, Registry, context, web, budgets, Executor, Mirrors, Signals, options, Time);
        await Executor.StartAsync(None);
    }

    [TearDown]
    public void TearDownRuns()
    {
        Executor.Dispose();
        Mirrors.Dispose();
        loggers.Dispose();
        Log.Dispose();
        Log.AssertNothingUnexpected();
    }

    private protected static Chat NewChat(string id) => new() { Id = id, UserId = UserId, CreatedAt = default, UpdatedAt = default };

    private protected static SendCommand Send(string message = "Hi", string? chatId = ChatId) => new() { UserId = UserId, ChatId = chatId, Message = message };

    /// <summary>Sends and waits for the reply.</summary>
    private protected async Task<RunResult?> SendAsync(SendCommand command, CancellationToken cancellationToken) =>
        await Service.StartAsync(command, cancellationToken) is { } run ? await run.WaitAsync(cancellationToken) : null;

    private protected static ChatResponse Reply(string text) => new(new ChatMessage(ChatRole.Assistant, text))
    {
        FinishReason = ChatFinishReason.Stop,
        Usage = new UsageDetails { InputTokenCount = 11, OutputTokenCount = 22 },
    };

    /// <summary>How the model answers; it is given what it is sent.</summary>
    private protected void Answers(Func<IReadOnlyList<ChatMessage>, CancellationToken, Task<ChatResponse>> answer)
    {
        Streams(Stream);

        async IAsyncEnumerable<ChatResponseUpdate> Stream(IReadOnlyList<ChatMessage> messages, [EnumeratorCancellation] CancellationToken ct)
        {
            foreach (var update in (await answer(messages, ct)).ToChatResponseUpdates())
                yield return update;
        }
    }

    /// <summary>How the model answers, piece by piece; it is given what it is sent.</summary>
    private protected void Streams(Func<IReadOnlyList<ChatMessage>, CancellationToken, IAsyncEnumerable<ChatResponseUpdate>> answer) => Model
        .Setup(c => c.GetStreamingResponseAsync(It.IsAny<IEnumerable<ChatMessage>>(), It.IsAny<ChatOptions>(), It.IsAny<CancellationToken>()))
        .Returns((IEnumerable<ChatMessage> messages, ChatOptions _, CancellationToken ct) => answer([.. messages], ct));

    /// <summary>
    /// A model whose reply is written by the test, piece by piece: each piece is in the log, and shown, when the write returns. Completing it
    /// with an exception is how the model fails.
    /// </summary>
    private protected ChannelWriter<string> StreamsWhatIsWritten()
    {
        var pieces = Channel.CreateUnbounded<string>(new UnboundedChannelOptions { AllowSynchronousContinuations = true });
        Streams((_, ct) => pieces.Reader.ReadAllAsync(ct).Select(NewUpdate));
        return pieces.Writer;
    }

    private protected static ChatResponseUpdate NewUpdate(string text) => new(ChatRole.Assistant, text);

    /// <summary>A model that answers nothing until it is cancelled.</summary>
    private protected void NeverAnswers() => Answers(async (_, ct) =>
    {
        await Task.Delay(Timeout.InfiniteTimeSpan, ct);
        return Reply("");
    });

    /// <summary>What the database says of new runs, one after the other; the last answer goes on for ever.</summary>
    private protected void AcceptsRuns(params RunAdmission[] answers)
    {
        var next = 0;
        Runs.Setup(r => r.StartAsync(It.IsAny<NewRun>(), It.IsAny<CancellationToken>()))
            .ReturnsAsync(() => answers[Math.Min(next++, answers.Length - 1)]);
    }

    /// <summary>What the database does with the n-th end of a run; ends it refuses are not in <see cref="Stored"/>.</summary>
    private protected void FinishesRuns(Func<RunResult, int, Task<FinishedRun>> finish)
    {
        var calls = 0;
        Runs.Setup(r => r.FinishAsync(It.IsAny<RunResult>(), It.IsAny<CancellationToken>()))
            .Returns(async (RunResult result, CancellationToken _) =>
            {
                var finished = await finish(result, ++calls);
                lock (stored)
                    stored.Add(result);
                return finished;
            });
    }

    /// <summary>A run as the database has it; what is not given is that of a first attempt that failed.</summary>
    private protected static StoredRun NewStored(RunStatus status = RunStatus.Failed, string reply = "", long? lastSequence = 2, int attempt = 1) => new()
    {
        Id = "run-1",
        ChatId = ChatId,
        UserMessageId = "question-1",
        AssistantMessageId = "reply-1",
        Place = new RunPlace(1, 2),
        Alias = "fast",
        Status = status,
        Attempt = attempt,
        Provider = status is RunStatus.Queued or RunStatus.InProgress ? null : "groq",
        Model = status is RunStatus.Queued or RunStatus.InProgress ? null : "oss-20b",
        Error = status is RunStatus.Failed or RunStatus.Cancelled or RunStatus.Incomplete ? new RunError("provider_timeout", "Too slow.") : null,
        Reply = reply,
        FirstSequence = 1,
        LastSequence = lastSequence,
        CreatedAt = default,
        CompletedAt = lastSequence is null ? null : DateTimeOffset.MaxValue,
    };

    /// <summary>Another attempt at <see cref="NewStored"/>, which nobody has begun.</summary>
    private protected ActiveRun NewActive()
    {
        var stored = NewStored(RunStatus.InProgress, lastSequence: null, attempt: 2);
        var alias = Registry.Get("fast");
        var log = new RunLog(stored.ToStarted(alias.Active.Provider, alias.Active.Model), Time);
        return new ActiveRun(stored.ToNewRun(UserId, new RunQuestion("Hi", null)), null, alias, log, Time);
    }

    /// <summary>The database has this run of anna's, and knows its question.</summary>
    private protected void HasRun(StoredRun run, string question = "Hi", string? systemPrompt = null)
    {
        Runs.Setup(r => r.GetAsync(It.IsAny<string>(), run.Id, It.IsAny<CancellationToken>()))
            .ReturnsAsync((string userId, string _, CancellationToken _) => userId == UserId ? run : null);
        Runs.Setup(r => r.GetQuestionAsync(It.IsAny<string>(), run.Id, It.IsAny<CancellationToken>()))
            .ReturnsAsync((string userId, string _, CancellationToken _) => userId == UserId ? new RunQuestion(question, systemPrompt) : null);
    }

    /// <summary>What the database says of a run that is to be tried again.</summary>
    private protected void AcceptsRetries(RunAdmission answer) => Runs
        .Setup(r => r.RetryAsync(It.IsAny<RunRetry>(), It.IsAny<CancellationToken>()))
        .ReturnsAsync(answer);

    /// <summary>What is known of every key; null for nothing.</summary>
    private protected void HasKey(KeyedRequest? earlier) => Keys
        .Setup(k => k.FindAsync(It.IsAny<IdempotencyKey>(), It.IsAny<CancellationToken>()))
        .ReturnsAsync(earlier);

    /// <summary>The runs that were given to the database to be stored.</summary>
    private protected IReadOnlyList<NewRun> Started() =>
        [.. Runs.Invocations.Where(i => i.Method.Name == nameof(IRunRepository.StartAsync)).Select(i => (NewRun)i.Arguments[0])];

    /// <summary>Lets the clock run until the task is done; fails when it never is.</summary>
    private protected Task RunClockUntilAsync(Task task) => RunClockUntilAsync(task, TimeSpan.FromMilliseconds(10));

    private protected async Task RunClockUntilAsync(Task task, TimeSpan step)
    {
        using var limit = new CancellationTokenSource(LongestWait);
        while (!task.IsCompleted)
        {
            limit.Token.ThrowIfCancellationRequested();
            Time.Advance(step);
            await Task.Yield();
        }
    }

    private protected static Task<T> InTime<T>(Task<T> task) => task.WaitAsync(LongestWait);

    private protected static Task InTime(Task task) => task.WaitAsync(LongestWait);

    private ModelRegistry NewRegistry()
    {
        var provider = new Mock<IProvider>();
        provider.Setup(p => p.Name).Returns("groq");
        provider.Setup(p => p.CreateChatClient(It.IsAny<string>())).Returns(Model.Object);
        var options = new ModelsOptions();
        options.Aliases["fast"] = Alias("oss-20b", 2048);
        options.Aliases["smart"] = Alias("oss-120b", 8192);
        // A test's clock stands still: nobody would end a wait for another try.
        var routing = Options.Create(new RoutingOptions { Retries = 0 });
        return new ModelRegistry([provider.Object], Options.Create(options), routing, new ChatTelemetry(includeContents: false), Time, loggers.CreateLogger<CandidateCircuit>());

        static ModelAliasOptions Alias(string model, int window) =>
            new() { Candidates = [new ModelCandidateOptions { Provider = "groq", Model = model, ContextWindow = window }] };
    }
}
