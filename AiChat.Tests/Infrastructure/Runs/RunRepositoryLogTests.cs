using AiChat.Core.Chats;
using AiChat.Core.Models;
using AiChat.Core.Runs;
using AiChat.Tests.Infrastructure.Persistence;

namespace AiChat.Tests.Infrastructure.Runs;

/// <summary>The text of running replies, and what becomes of it at their end or after a crash.</summary>
[TestFixtureSource(typeof(TestDatabase), nameof(TestDatabase.Engines))]
public sealed class RunRepositoryLogTests(Engine engine) : RepositoryTestBase(engine)
{
    private const string ChatId = "chat-1";
    private const long Gap = RunLog.CrashGap;

    private static readonly RunText Hello = new("run-1", Sequence: 6, Offset: 0, "Hello");
    private static readonly RunText World = new("run-1", Sequence: 12, Offset: 5, " world");

    [SetUp]
    public Task CreateChat() => CreateChatAsync(ChatId);

    [Test]
    public async Task AppendAsync_SeveralRuns_StoresTheirTexts()
    {
        await CreateChatAsync("chat-2");
        await BeginAsync("run-1", ChatId);
        await BeginAsync("run-2", "chat-2");

        await AppendAsync(Hello, new RunText("run-2", 3, 0, "Ho"));

        Assert.That(await GetEventsAsync(), Is.EqualTo(new[] { ("run-1", 6, "message.delta", 0, "Hello"), ("run-2", 3, "message.delta", 0, "Ho") }));
    }

    [Test]
    public async Task AppendAsync_RunHasEnded_LeavesItsTextOut()
    {
        await CreateChatAsync("chat-2");
        var ended = await BeginAsync("run-1", ChatId);
        await BeginAsync("run-2", "chat-2");
        await Database.Runs.FinishAsync(Reply(ended, 1), None);

        await AppendAsync(Hello, new RunText("run-2", 3, 0, "Ho"));

        Assert.That((await GetEventsAsync()).Select(e => e.RunId), Is.EqualTo(new[] { "run-2" }));
    }

    [Test]
    public async Task AppendAsync_ChatWasDeleted_LeavesTheTextOut()
    {
        await BeginAsync("run-1", ChatId, Hello);
        await Database.Chats.DeleteAsync(Anna, ChatId, None);

        await AppendAsync(World);

        Assert.That(await GetEventsAsync(), Is.Empty);
    }

    /// <summary>It was taken from the log just before that attempt ended.</summary>
    [TestCase(1)]
    [TestCase(2)]
    public async Task AppendAsync_TextOfAnEarlierAttempt_IsLeftOut(int leaseNumber)
    {
        var run = await BeginAsync("run-1", ChatId);
        await Database.Runs.FinishAsync(Failure(run, 1) with { LastSequence = 13 }, None);
        await Database.Runs.RetryAsync(Retry(run, firstSequence: 14), None);

        await AppendAsync(leaseNumber, World);

        Assert.That(await GetEventsAsync(), Is.Empty);
    }

    [Test]
    public async Task AppendAsync_AttemptBeganAndEnded_IsOneRowWithItsEnd()
    {
        var run = await BeginAsync("run-1", ChatId);
        await AppendAsync(run, NewAttempt());

        await AppendAsync(run, NewAttempt(1, AttemptOutcome.Failed) with { Error = ProviderError.Timeout, CompletedAt = At(3) });

        var attempt = (await Database.Runs.GetAsync(Anna, "run-1", None))!.Attempts.Single();
        Assert.That((attempt.Outcome, attempt.Error!.Code, attempt.CompletedAt), Is.EqualTo(
            (AttemptOutcome.Failed, "provider_timeout", (DateTimeOffset?)At(3))));
    }

    /// <summary>It was taken from memory just before the end was stored.</summary>
    [Test]
    public async Task AppendAsync_AttemptHasEndedMeanwhile_StaysAsItEnded()
    {
        var run = await BeginAsync("run-1", ChatId);
        await Database.Runs.FinishAsync(Reply(run, 1) with { Attempts = [NewAttempt(1, AttemptOutcome.Completed)] }, None);

        await AppendAsync(run, NewAttempt());

        Assert.That((await Database.Runs.GetAsync(Anna, "run-1", None))!.Attempts.Single().Outcome, Is.EqualTo(AttemptOutcome.Completed));
    }

    [Test]
    public async Task FinishAsync_AnotherAttemptTookOver_HasBothWithTheirRepliesAndTheSeam()
    {
        var run = await BeginAsync("run-1", ChatId);
        await Database.Runs.FinishAsync(Reply(run, 1, "Hello world") with
        {
            Attempt = 2,
            Attempts =
            [
                NewAttempt(1, AttemptOutcome.Incomplete) with { Error = ProviderError.InvalidResponse, FirstTokenAt = At(1) },
                NewAttempt(2, AttemptOutcome.Completed) with { Usage = new TokenUsage(20, 5) { CachedTokens = 3, ReasoningTokens = 1 }, FirstTokenAt = At(2), CompletedAt = At(2) },
            ],
            Marks = [new RunContinued(7, 5, 2)],
            LastSequence = 14,
        }, None);

        var stored = (await Database.Runs.GetAsync(Anna, "run-1", None))!;

        Assert.That((stored.Attempt, stored.Marks.Single()), Is.EqualTo((2, new RunContinued(7, 5, 2))));
        Assert.That(stored.Attempts.Select(a => (a.Number, a.Outcome, a.Reply, a.Error?.Code)), Is.EqualTo(new[]
        {
            (1, AttemptOutcome.Incomplete, "Hello", "provider_invalid_response"), (2, AttemptOutcome.Completed, "Hello world", null),
        }));
        Assert.That((stored.Attempts[1].Usage, stored.Attempts[1].Cost), Is.EqualTo(
            ((TokenUsage?)new TokenUsage(20, 5) { CachedTokens = 3, ReasoningTokens = 1 }, (decimal?)0.00009m)));
    }

    /// <summary>The flush that stores it may be under way while the end is put together.</summary>
    [Test]
    public async Task FinishAsync_SeamIsStoredAlready_IsStoredOnce()
    {
        var run = await BeginAsync("run-1", ChatId);
        await AppendAsync(new RunText("run-1", 7, 5, "", new RunContinued(7, 5, 2)));

        await Database.Runs.FinishAsync(Reply(run, 1, "Hello world") with { Attempt = 2, Marks = [new RunContinued(7, 5, 2)], LastSequence = 14 }, None);

        Assert.That((await Database.Runs.GetAsync(Anna, "run-1", None))!.Marks, Is.EqualTo(new[] { new RunContinued(7, 5, 2) }));
    }

    /// <summary>It was paid for.</summary>
    [Test]
    public async Task FinishAsync_ChatWasDeleted_KeepsTheAttempts()
    {
        var run = await BeginAsync("run-1", ChatId);
        await Database.Chats.DeleteAsync(Anna, ChatId, None);

        await Database.Runs.FinishAsync(Reply(run, 1) with { Attempts = [NewAttempt(1, AttemptOutcome.Completed)] }, None);

        Assert.That(await Database.QueryAsync<string>("select chat_id from attempts"), Is.EqualTo(new[] { ChatId }));
    }

    [Test]
    public async Task FinishAsync_TextWasFlushed_RemovesIt()
    {
        var run = await BeginAsync("run-1", ChatId, Hello, World);

        await Database.Runs.FinishAsync(Reply(run, 1, "Hello world") with { HasFlushed = true }, None);

        Assert.That(await GetEventsAsync(), Is.Empty);
    }

    [Test]
    public async Task FinishAsync_TextOfOtherRuns_Stays()
    {
        await CreateChatAsync("chat-2");
        var run = await BeginAsync("run-1", ChatId, Hello);
        await BeginAsync("run-2", "chat-2", new RunText("", 3, 0, "Ho"));

        await Database.Runs.FinishAsync(Reply(run, 1, "Hello") with { HasFlushed = true }, None);

        Assert.That((await GetEventsAsync()).Select(e => e.RunId), Is.EqualTo(new[] { "run-2" }));
    }

    [Test]
    public async Task FinishAsync_RunThatWentOn_KeepsItsSeam()
    {
        var run = await BeginAsync("run-1", ChatId, Hello);
        await Database.ContinueUnfinishedAsync(At(5));

        await Database.Runs.FinishAsync(Reply(run, 1, "Hello world") with { HasFlushed = true, LastSequence = Gap + 13, LeaseNumber = 2 }, None);

        var stored = await Database.Runs.GetAsync(Anna, "run-1", None);
        Assert.That(stored!.Marks, Is.EqualTo(new[] { new RunContinued(Gap + 6, Offset: 5, Attempt: 2) }));
        Assert.That((await GetEventsAsync()).Select(e => e.Event), Is.EqualTo(new[] { "run.continued" }));
    }

    [Test]
    public async Task FinishAsync_End_IsStoredWithItsPositionAndTimes()
    {
        var run = await BeginAsync("run-1", ChatId);

        await Database.Runs.FinishAsync(Failure(run, 1) with { FirstTokenAt = At(1), LastSequence = 42 }, None);

        var stored = await Database.Runs.GetAsync(Anna, "run-1", None);
        Assert.That((stored!.LastSequence, stored.FirstTokenAt, stored.CompletedAt), Is.EqualTo(((long?)42, (DateTimeOffset?)At(1), (DateTimeOffset?)At(2))));
        Assert.That(stored.Error, Is.EqualTo(new RunError("provider_timeout", "Sorry.")));
    }

    [Test]
    public async Task GetAsync_Run_IsAsItWasAskedForAndEnded()
    {
        var run = NewRun("run-1", ChatId) with { Temperature = 0.25, MaxTokens = 77 };
        await Database.Runs.StartAsync(run, None);
        await Database.Runs.FinishAsync(Reply(run, 1, "Hello") with { LastSequence = 7 }, None);

        var stored = await Database.Runs.GetAsync(Anna, "run-1", None);

        Assert.That(stored! with { Attempts = [], Marks = [] }, Is.EqualTo(new StoredRun
        {
            Id = "run-1",
            ChatId = ChatId,
            UserMessageId = "run-1-question",
            AssistantMessageId = "run-1-reply",
            Place = new RunPlace(1, 2),
            Alias = "fast",
            Temperature = 0.25,
            MaxTokens = 77,
            Status = RunStatus.Completed,
            Attempt = 1,
            Provider = "groq",
            Model = "oss",
            Usage = new TokenUsage(11, 22),
            FinishReason = "stop",
            Reply = "Hello",
            FirstSequence = 1,
            LastSequence = 7,
            CreatedAt = At(1),
            StartedAt = At(1),
            CompletedAt = At(2),
        }));
    }

    [TestCase("run-1", Bob)]
    [TestCase("run-2", Anna)]
    public async Task GetAsync_NotTheUsersRun_IsNull(string runId, string userId)
    {
        await BeginAsync("run-1", ChatId);

        Assert.That(await Database.Runs.GetAsync(userId, runId, None), Is.Null);
    }

    [Test]
    public async Task SettleUnfinishedAsync_TextWasFlushed_BecomesTheReply()
    {
        await BeginAsync("run-1", ChatId, Hello, World);
        Database.Restart();

        await Database.SettleUnfinishedAsync(At(60));

        var stored = await Database.Runs.GetAsync(Anna, "run-1", None);
        Assert.That((stored!.Status, stored.Reply, stored.CompletedAt), Is.EqualTo((RunStatus.Incomplete, "Hello world", (DateTimeOffset?)At(60))));
        Assert.That(await GetEventsAsync(), Is.Empty);
    }

    [Test]
    public async Task SettleUnfinishedAsync_Run_SaysWhyAndThatItCanBeTriedAgain()
    {
        await BeginAsync("run-1", ChatId);

        await Database.SettleUnfinishedAsync(At(60));

        var error = (await Database.Runs.GetAsync(Anna, "run-1", None))!.Error!;
        Assert.That((error.Code, error.Message, error.RetryAfter is not null), Is.EqualTo(("run_interrupted", RunError.ForShutdown().Message, true)));
    }

    [Test]
    public async Task SettleUnfinishedAsync_AttemptsWereMade_CountsWhatTheyUsed()
    {
        var run = await BeginAsync("run-1", ChatId);
        var failed = NewAttempt(1, AttemptOutcome.Failed) with { Usage = new TokenUsage(100, 0), CompletedAt = At(2) };
        await AppendAsync(run, failed, NewAttempt(2) with { Provider = "openai", Model = "gpt" });
        await AppendAsync(Hello);

        await Database.SettleUnfinishedAsync(At(60));

        var stored = (await Database.Runs.GetAsync(Anna, "run-1", None))!;
        Assert.That((stored.Attempt, stored.Provider, stored.Model), Is.EqualTo((2, "openai", "gpt")));
        Assert.That((stored.Usage, stored.Cost), Is.EqualTo(((TokenUsage?)new TokenUsage(111, 2, IsEstimated: true), (decimal?)0.000242m)));
        Assert.That(stored.Attempts.Select(a => (a.Number, a.Outcome, a.Usage!.Value.OutputTokens)), Is.EqualTo(new[]
        {
            (1, AttemptOutcome.Failed, 0), (2, AttemptOutcome.Incomplete, 2),
        }));
    }

    /// <summary>The text is that of the attempt that broke off; the one that was to go on with it had not written any.</summary>
    [Test]
    public async Task SettleUnfinishedAsync_AttemptBrokeOffBeforeTheCrash_CountsItsTextOnce()
    {
        var run = await BeginAsync("run-1", ChatId, Hello);
        var broken = NewAttempt(1, AttemptOutcome.Incomplete) with { Usage = new TokenUsage(11, 2, IsEstimated: true), FirstTokenAt = At(1), CompletedAt = At(2) };
        await AppendAsync(run, broken, NewAttempt(2));

        await Database.SettleUnfinishedAsync(At(60));

        var stored = (await Database.Runs.GetAsync(Anna, "run-1", None))!;
        Assert.That(stored.Attempts.Select(a => a.Usage!.Value.OutputTokens), Is.EqualTo(new[] { 2, 0 }));
        Assert.That(stored.Usage!.Value.OutputTokens, Is.EqualTo(2));
    }

    [TestCase(OnRestart.Settle)]
    [TestCase(OnRestart.Continue)]
    public async Task Unfinished_ChatWasDeletedBeforeTheCrash_EndsTheAttemptAllTheSame(OnRestart onRestart)
    {
        await AppendAsync(await BeginAsync(NewId(), ChatId), NewAttempt());
        await Database.Chats.DeleteAsync(Anna, ChatId, None);

        if (onRestart == OnRestart.Settle)
            await Database.SettleUnfinishedAsync(At(60));
        else
            await Database.ContinueUnfinishedAsync(At(60));

        Assert.That(await Database.QueryAsync<(string, string)>("select outcome, error_code from attempts"), Is.EqualTo(new[]
        {
            ("incomplete", "chat_deleted"),
        }));
    }

    /// <summary>The process may have shown text that it did not store: its positions must mean nothing else.</summary>
    [Test]
    public async Task SettleUnfinishedAsync_End_IsBehindEverythingThatWasShown()
    {
        await BeginAsync("run-1", ChatId, Hello);

        await Database.SettleUnfinishedAsync(At(60));

        Assert.That((await Database.Runs.GetAsync(Anna, "run-1", None))!.LastSequence, Is.EqualTo(Gap + 6));
    }

    [Test]
    public async Task SettleUnfinishedAsync_RunThatHadGoneOnBefore_KeepsWhatAllProcessesWrote()
    {
        await BeginAsync("run-1", ChatId, Hello);
        await Database.ContinueUnfinishedAsync(At(5));
        await AppendAsync(leaseNumber: 2, World with { Sequence = Gap + 12 });

        await Database.SettleUnfinishedAsync(At(60));

        var stored = await Database.Runs.GetAsync(Anna, "run-1", None);
        Assert.That((stored!.Reply, stored.LastSequence, stored.Marks.Count), Is.EqualTo(("Hello world", (long?)((2 * Gap) + 12), 1)));
    }

    [Test]
    public async Task SettleUnfinishedAsync_SettledRun_CanBeTriedAgain()
    {
        var run = await BeginAsync("run-1", ChatId, Hello);
        await Database.SettleUnfinishedAsync(At(60));

        var admission = await Database.Runs.RetryAsync(Retry(run), None);

        Assert.That(admission, Is.EqualTo(new RunAdmission.Accepted(new RunPlace(1, 2), BusyWith: null) { LeaseNumber = 3 }));
    }

    [Test]
    public async Task ContinueUnfinishedAsync_RunThatWasWritten_GoesOnAsAnotherAttempt()
    {
        await BeginAsync("run-1", ChatId, Hello, World);
        Database.Restart();

        var interrupted = (await Database.ContinueUnfinishedAsync(At(60))).Single();

        Assert.That((interrupted.UserId, interrupted.Question), Is.EqualTo((Anna, new RunQuestion("Question of run-1?", null))));
        Assert.That((interrupted.Run.Id, interrupted.Run.Status, interrupted.Run.Attempt, interrupted.Run.Reply), Is.EqualTo(
            ("run-1", RunStatus.InProgress, 2, "Hello world")));
        Assert.That(interrupted.Run.Marks, Is.EqualTo(new[] { new RunContinued(Gap + 12, Offset: 11, Attempt: 2) }));
    }

    [Test]
    public async Task ContinueUnfinishedAsync_Run_IsStoredWithTheAttemptThatDied()
    {
        await AppendAsync(await BeginAsync("run-1", ChatId, Hello), NewAttempt());

        await Database.ContinueUnfinishedAsync(At(60));

        var stored = await Database.Runs.GetAsync(Anna, "run-1", None);
        Assert.That((stored!.Status, stored.Attempt, stored.StartedAt), Is.EqualTo((RunStatus.InProgress, 2, (DateTimeOffset?)At(60))));
        var attempt = stored.Attempts.Single();
        Assert.That((attempt.Number, attempt.Outcome, attempt.Error!.Code, attempt.Reply, attempt.StartedAt, attempt.CompletedAt), Is.EqualTo(
            (1, AttemptOutcome.Incomplete, "run_interrupted", "Hello", At(1), (DateTimeOffset?)At(60))));
        // Eleven tokens in, two of text out, at two and ten for a million.
        Assert.That((attempt.Usage, attempt.Cost), Is.EqualTo(((TokenUsage?)new TokenUsage(11, 2, IsEstimated: true), (decimal?)0.000042m)));
    }

    [Test]
    public async Task ContinueUnfinishedAsync_NothingWasFlushed_BeginsWithoutText()
    {
        await BeginAsync("run-1", ChatId);

        var interrupted = (await Database.ContinueUnfinishedAsync(At(60))).Single();

        Assert.That((interrupted.Run.Reply, interrupted.Run.Marks[0]), Is.EqualTo(("", new RunContinued(Gap + 1, Offset: 0, Attempt: 2))));
    }

    [Test]
    public async Task ContinueUnfinishedAsync_SecondCrash_HasBothSeams()
    {
        await BeginAsync("run-1", ChatId, Hello);
        await Database.ContinueUnfinishedAsync(At(60));
        await AppendAsync(leaseNumber: 2, World with { Sequence = Gap + 12 });

        var interrupted = (await Database.ContinueUnfinishedAsync(At(70))).Single();

        Assert.That((interrupted.Run.Reply, interrupted.Run.Attempt), Is.EqualTo(("Hello world", 3)));
        Assert.That(interrupted.Run.Marks, Is.EqualTo(new[] { new RunContinued(Gap + 6, 5, 2), new RunContinued((2 * Gap) + 12, 11, 3) }));
    }

    [Test]
    public async Task ContinueUnfinishedAsync_Queues_StayAndComeInTheOrderOfTheirTurns()
    {
        // Ids against the order: only the sequence may decide.
        await BeginAsync("run-c", ChatId, Hello);
        await BeginAsync("run-b", ChatId);
        await BeginAsync("run-a", ChatId);

        var interrupted = await Database.ContinueUnfinishedAsync(At(60));

        Assert.That(interrupted.Select(i => (i.Run.Id, i.Run.Status, i.Run.Attempt, i.Run.Place.UserSequence)), Is.EqualTo(new[]
        {
            ("run-c", RunStatus.InProgress, 2, 1), ("run-b", RunStatus.Queued, 1, 3), ("run-a", RunStatus.Queued, 1, 5),
        }));
    }

    [Test]
    public async Task ContinueUnfinishedAsync_Chat_StaysBusyUntilTheRunEnds()
    {
        var run = await BeginAsync("run-1", ChatId, Hello);
        await BeginAsync("run-2", ChatId);
        await Database.ContinueUnfinishedAsync(At(60));

        var finished = await Database.Runs.FinishAsync(Reply(run, 1, "Hello world") with { HasFlushed = true, LeaseNumber = 2 }, None);

        Assert.That(finished.Next, Is.EqualTo(new NextRun("run-2", 1)));
    }

    [Test]
    public async Task ContinueUnfinishedAsync_NothingUnfinished_IsEmpty()
    {
        await AddTurnAsync(ChatId);

        Assert.That(await Database.ContinueUnfinishedAsync(At(60)), Is.Empty);
    }

    [Test]
    public async Task DeleteLogsAsync_OldRuns_LoseTheirSeams()
    {
        await CreateChatAsync("chat-2");
        await CreateChatAsync("chat-3");
        await ContinueAndFinishAsync("0-run-1", ChatId, endedAt: 100);
        await ContinueAndFinishAsync("0-run-2", "chat-2", endedAt: 101);
        await BeginAsync("0-run-3", "chat-3", new RunText("", 3, 0, "Ho"));

        var deleted = await Database.Runs.DeleteLogsAsync(At(101), 10, None);

        Assert.That(deleted, Is.EqualTo(1));
        Assert.That((await GetEventsAsync()).Select(e => (e.RunId, e.Event)), Is.EqualTo(new[] { ("0-run-2", "run.continued"), ("0-run-3", "message.delta") }));
    }

    [Test]
    public async Task DeleteLogsAsync_RunsThatGoOn_KeepTheirSeams()
    {
        await BeginAsync("0-run-1", ChatId, Hello);
        await Database.ContinueUnfinishedAsync(At(5));

        var deleted = await Database.Runs.DeleteLogsAsync(At(1000), 10, None);

        Assert.That(deleted, Is.Zero);
    }

    [Test]
    public async Task DeleteLogsAsync_Limit_IsKept()
    {
        await CreateChatAsync("chat-2");
        await ContinueAndFinishAsync("0-run-1", ChatId, endedAt: 100);
        await ContinueAndFinishAsync("0-run-2", "chat-2", endedAt: 100);

        var deleted = new[]
        {
            await Database.Runs.DeleteLogsAsync(At(200), 1, None), await Database.Runs.DeleteLogsAsync(At(200), 1, None),
            await Database.Runs.DeleteLogsAsync(At(200), 1, None),
        };

        Assert.That(deleted, Is.EqualTo(new[] { 1, 1, 0 }));
    }

    [Test]
    public async Task ReadBackwardsAsync_BrokenReplies_AreReadAsFarAsTheyWereWritten()
    {
        var first = await BeginAsync("run-1", ChatId);
        await Database.Runs.FinishAsync(Failure(first, 1) with { Status = RunStatus.Cancelled, Reply = "Hel" }, None);
        var second = await BeginAsync("run-2", ChatId);
        await Database.Runs.FinishAsync(Failure(second, 3) with { Status = RunStatus.Incomplete, Reply = "lo" }, None);

        var history = await Database.Messages.ReadBackwardsAsync(Anna, ChatId, 5, None).Select(m => (m.Role, m.Content)).ToListAsync();

        Assert.That(history, Is.EqualTo(new[]
        {
            (MessageRole.Assistant, "lo"), (MessageRole.User, "Question of run-2?"), (MessageRole.Assistant, "Hel"), (MessageRole.User, "Question of run-1?"),
        }));
    }

    private async Task ContinueAndFinishAsync(string id, string chatId, int endedAt)
    {
        var run = await BeginAsync(id, chatId, Hello);
        await Database.ContinueUnfinishedAsync(At(5));
        await Database.Runs.FinishAsync(Reply(run, 1, "Hello", endedAt) with { HasFlushed = true, LastSequence = Gap + 7, LeaseNumber = 2 }, None);
    }
}
