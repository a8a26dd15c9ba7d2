using System.Runtime.CompilerServices;
using AiChat.Core.Chats;
using AiChat.Core.Idempotency;
using AiChat.Core.Memory;
using AiChat.Core.Models;
using AiChat.Core.Runs;
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
    private protected FakeTime Time { get; private set; } = null!;
    private protected CapturedLog Log { get; private set; } = null!;
    private protected ApplicationLifetime Lifetime { get; private set; } = null!;
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

    [SetUp]
    public async Task SetUpRuns()
    {
        stored.Clear();
        Settings = new RunOptions { ShutdownTimeout = TimeSpan.FromSeconds(10) };
        Keys = new Mock<IIdempotencyRepository>(MockBehavior.Strict);
        (Chats, Messages, Runs, Model) = (new(MockBehavior.Strict), new(MockBehavior.Strict), new(MockBehavior.Strict), new(MockBehavior.Strict));
        Chats.Setup(c => c.GetAsync(UserId, It.IsAny<string>(), It.IsAny<CancellationToken>()))
            .ReturnsAsync((string _, string chatId, CancellationToken _) => NewChat(chatId));
        Messages.Setup(m => m.ReadBackwardsAsync(UserId, It.IsAny<string>(), It.IsAny<int>(), It.IsAny<CancellationToken>()))
            .Returns(Array.Empty<HistoryMessage>().ToAsyncEnumerable());
        AcceptsRuns(new RunAdmission.Accepted(UserSequence: 1, BusyWith: null));
        FinishesRuns((_, _) => Task.FromResult(new FinishedRun(IsChatThere: true, Next: null)));
        Answers((_, _) => Task.FromResult(Reply("Hello!")));

        Time = new FakeTime();
        Log = new CapturedLog();
        loggers = new LoggerFactory([Log]);
        Lifetime = new ApplicationLifetime(NullLogger<ApplicationLifetime>.Instance);
        Registry = NewRegistry();
        var context = new ContextBuilder(Messages.Object, Options.Create(new MemoryOptions()));
        var options = Options.Create(Settings);
        var generator = new RunGenerator(context, options, Time, loggers.CreateLogger<RunGenerator>());
        Executor = new RunExecutor(Runs.Object, generator, options, Lifetime, Time, loggers.CreateLogger<RunExecutor>());
        Service = new RunService(Chats.Object, Runs.Object, Keys.Object, Registry, context, Executor, options, Time);
        await Executor.StartAsync(None);
    }

    [TearDown]
    public void TearDownRuns()
    {
        Executor.Dispose();
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

    /// <summary>Lets the clock run until the task is done; fails when it never is.</summary>
    private protected async Task RunClockUntilAsync(Task task)
    {
        using var limit = new CancellationTokenSource(LongestWait);
        while (!task.IsCompleted)
        {
            limit.Token.ThrowIfCancellationRequested();
            Time.Advance(TimeSpan.FromMilliseconds(10));
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
        return new ModelRegistry([provider.Object], Options.Create(options));

        static ModelAliasOptions Alias(string model, int window) =>
            new() { Candidates = [new ModelCandidateOptions { Provider = "groq", Model = model, ContextWindow = window }] };
    }
}
