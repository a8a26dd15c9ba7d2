using AiChat.Core.Chats;
using AiChat.Core.Idempotency;
using AiChat.Core.Memory;
using AiChat.Core.Models;
using AiChat.Core.Runs;

namespace AiChat.Tests.Infrastructure.Persistence;

/// <summary>A fresh database of one engine for each test, and short ways to fill it.</summary>
public abstract class RepositoryTestBase(Engine engine)
{
    private protected const string Anna = "anna";
    private protected const string Bob = "bob";

    /// <summary>The moment everything begins.</summary>
    private protected static readonly DateTimeOffset Start = new(2026, 1, 2, 3, 4, 5, 678, TimeSpan.Zero);

    private protected TestDatabase Database { get; private set; } = null!;

    private protected static CancellationToken None => CancellationToken.None;

    [SetUp]
    public async Task CreateDatabase() => Database = await TestDatabase.CreateAsync(engine);

    [TearDown]
    public void DropDatabase() => Database.Dispose();

    private protected static DateTimeOffset At(int seconds) => Start.AddSeconds(seconds);

    /// <summary>An id as runs really have them: it grows with time.</summary>
    private protected static string NewId(int at = 0) => Guid.CreateVersion7(At(at)).ToString();

    private protected static Chat NewChat(string id, string userId = Anna, int updatedAt = 0) => new()
    {
        Id = id,
        UserId = userId,
        CreatedAt = Start,
        UpdatedAt = At(updatedAt),
    };

    private protected static NewRun NewRun(string id, string chatId, int at = 1) => new()
    {
        Id = id,
        ChatId = chatId,
        UserId = Anna,
        UserMessageId = id + "-question",
        AssistantMessageId = id + "-reply",
        Message = $"Question of {id}?",
        Alias = "fast",
        Admission = new RunAdmissionRule(MostUnfinished: 1000),
        CreatedAt = At(at),
    };

    private protected static RunResult Reply(NewRun run, int userSequence, string text = "Yes.", int at = 2) => new()
    {
        RunId = run.Id,
        ChatId = run.ChatId,
        UserId = run.UserId,
        Alias = run.Alias,
        UserMessageId = run.UserMessageId,
        AssistantMessageId = run.AssistantMessageId,
        AssistantSequence = userSequence + 1,
        Status = RunStatus.Completed,
        Reply = text,
        Provider = "groq",
        Model = "oss",
        Usage = new TokenUsage(11, 22),
        FinishReason = "stop",
        CompletedAt = At(at),
    };

    private protected static RunResult Failure(NewRun run, int userSequence, int at = 2) => Reply(run, userSequence, "", at) with
    {
        Status = RunStatus.Failed,
        Usage = null,
        FinishReason = null,
        Error = new RunError("provider_timeout", "Sorry."),
        Receipt = new Receipt
        {
            BudgetTokens = 1,
            PromptTokens = 2,
            SystemTokens = 3,
            HistoryMessages = 4,
            FirstSequence = 5,
            LastSequence = 6,
            DroppedMessages = 7,
            SourceTokens = 8,
        },
    };

    /// <summary>A key of anna's that is good for a minute: one stored more than that before <paramref name="at"/> is free again.</summary>
    private protected static IdempotencyKey Key(string value = "key-1", string fingerprint = "fingerprint", int at = 0) =>
        new(Anna, value, fingerprint, ExpiredBefore: At(at - 60));

    private protected static RunRetry Retry(NewRun run, int attempt = 2, long firstSequence = 7, int at = 10) => new()
    {
        RunId = run.Id,
        ChatId = run.ChatId,
        UserId = run.UserId,
        Attempt = attempt,
        FirstSequence = firstSequence,
        Admission = new RunAdmissionRule(MostUnfinished: 1000),
        Now = At(at),
    };

    private protected async Task<Chat> CreateChatAsync(string id, string userId = Anna, int updatedAt = 0)
    {
        var chat = NewChat(id, userId, updatedAt);
        await Database.Chats.CreateAsync(chat, key: null, None);
        return chat;
    }

    /// <summary>A run whose turn it is, with as much of its reply as the database was given.</summary>
    private protected async Task<NewRun> BeginAsync(string id, string chatId, params RunText[] flushed)
    {
        var run = NewRun(id, chatId);
        await Database.Runs.StartAsync(run, None);
        foreach (var text in flushed)
            await AppendAsync(text with { RunId = id });
        return run;
    }

    private protected Task AppendAsync(params RunText[] texts) => AppendAsync(leaseNumber: 1, texts);

    private protected Task AppendAsync(int leaseNumber, params RunText[] texts) => Database.Runs.AppendAsync(
        [.. texts.Select(t => new RunProgress { Run = NewRun(t.RunId, "chat-1"), LeaseNumber = leaseNumber, Texts = [t], Attempts = [] })], None);

    /// <summary>The n-th attempt of a run of anna's; unless it is said otherwise, it goes on.</summary>
    private protected static Attempt NewAttempt(int number = 1, AttemptOutcome outcome = AttemptOutcome.InProgress) => new()
    {
        Number = number,
        Provider = "groq",
        Model = "oss",
        Outcome = outcome,
        Usage = new TokenUsage(11, 0, IsEstimated: true),
        Price = new ModelPrice(2m, 10m),
        StartedAt = At(1),
    };

    /// <summary>The run's attempts, as they begin or end.</summary>
    private protected Task AppendAsync(NewRun run, params Attempt[] attempts) =>
        Database.Runs.AppendAsync([new RunProgress { Run = run, Texts = [], Attempts = attempts }], None);

    /// <summary>What the database keeps of the texts of running replies, and of the seams in them.</summary>
    private protected Task<IReadOnlyList<(string RunId, long Sequence, string Event, long Offset, string Text)>> GetEventsAsync() =>
        Database.QueryAsync<(string, long, string, long, string)>(
            "select run_id, sequence, event, text_offset, text from run_events order by run_id, sequence");

    /// <summary>A question with its reply; the run has the id <c>run-{sequence of the question}</c>.</summary>
    private protected async Task AddTurnAsync(string chatId, string? reply = "Yes.")
    {
        var sequence = (await Database.Chats.GetAsync(Anna, chatId, None))!.MessageCount + 1;
        var run = NewRun($"{chatId}-run-{sequence}", chatId);
        await Database.Runs.StartAsync(run, None);
        await Database.Runs.FinishAsync(reply is null ? Failure(run, sequence) : Reply(run, sequence, reply), None);
    }
}
