using AiChat.Core.Chats;
using AiChat.Core.Errors;
using AiChat.Core.Models;
using AiChat.Core.Runs;
using Microsoft.Extensions.AI;
using Moq;

namespace AiChat.Tests.Core.Runs;

public sealed class RunExecutorTests : RunTestBase
{
    private static readonly RunAdmission.Accepted Begun = new(new RunPlace(1, 2), BusyWith: null);
    private static readonly RunAdmission.Accepted Queued = new(new RunPlace(3, 4), BusyWith: "another run");

    [Test]
    public async Task Begin_ModelReportsNoUsage_EstimatesIt()
    {
        Answers((_, _) => Task.FromResult(new ChatResponse(new ChatMessage(ChatRole.Assistant, "123456"))));

        var result = await InTime(SendAsync(Send("123"), None));

        Assert.That((result!.Usage, result.FinishReason), Is.EqualTo((new TokenUsage(5, 2, IsEstimated: true), "stop")));
    }

    [Test]
    public async Task Begin_ModelStopsAtItsLimit_KeepsTheReason()
    {
        Answers((_, _) => Task.FromResult(new ChatResponse(new ChatMessage(ChatRole.Assistant, "Once upon")) { FinishReason = ChatFinishReason.Length }));

        var result = await InTime(SendAsync(Send(), None));

        Assert.That((result!.Status, result.FinishReason), Is.EqualTo((RunStatus.Completed, "length")));
    }

    /// <summary>It is the provider's own word, and not every database takes U+0000.</summary>
    [Test]
    public async Task Begin_ModelStopsForAReasonOfItsOwn_KeepsOneShortLine()
    {
        Answers((_, _) => Task.FromResult(
            new ChatResponse(new ChatMessage(ChatRole.Assistant, "Once")) { FinishReason = new ChatFinishReason("too\0 much " + new string('x', 100)) }));

        var result = await InTime(SendAsync(Send(), None));

        Assert.That((result!.Status, result.FinishReason), Is.EqualTo((RunStatus.Completed, "too much")));
    }

    [TestCase(ProviderError.Unavailable, "provider_unavailable", ProviderError.Unavailable)]
    [TestCase(ProviderError.RateLimited, "provider_rate_limited", ProviderError.RateLimited)]
    [TestCase(ProviderError.Rejected, "provider_rejected", null)]
    public async Task Begin_ProviderFails_StoresAFailureAndRemembersTroubleOfTheProvider(ProviderError error, string code, ProviderError? remembered)
    {
        Log.Expect("failed: groq");
        Answers((_, _) => throw new ProviderException("groq", error, "vendor text"));

        var run = await Service.StartAsync(Send(), None);
        var result = await InTime(run!.Completion);

        Assert.Multiple(() =>
        {
            Assert.That(Stored, Is.EqualTo(new[] { result }));
            Assert.That((result.Status, result.Error!.Code, result.Reply, result.Usage), Is.EqualTo((RunStatus.Failed, code, "", (TokenUsage?)null)));
            Assert.That(result.Error.Message, Does.Not.Contain("vendor text"));
            Assert.That(result.Receipt, Is.Not.Null);
            Assert.That(Registry.Get("fast").Active.Health.LastError, Is.EqualTo(remembered));
        });
    }

    [Test]
    public async Task Begin_ProviderAnswersAgain_ForgetsItsTrouble()
    {
        var candidate = Registry.Get("fast").Active;
        await candidate.Circuit.ReportAsync(new ProviderException("groq", ProviderError.Timeout, ""));

        await InTime(SendAsync(Send(), None));

        Assert.That(candidate.Health.LastError, Is.Null);
    }

    [Test]
    public async Task Begin_EmptyReply_IsAFailureOfTheProvider()
    {
        Log.Expect("The reply has no text.");
        Answers((_, _) => Task.FromResult(Reply("")));

        var run = await Service.StartAsync(Send(), None);
        var result = await InTime(run!.Completion);

        Assert.That((result.Status, result.Error!.Code), Is.EqualTo((RunStatus.Failed, "provider_invalid_response")));
        Assert.That(Stored, Is.EqualTo(new[] { result }));
    }

    [Test]
    public async Task Begin_Defect_IsStoredAsFailureWithoutDetails()
    {
        Log.Expect("failed because of a defect");
        Answers((_, _) => throw new InvalidOperationException("secret detail"));

        var run = await Service.StartAsync(Send(), None);
        var result = await InTime(run!.Completion);

        Assert.That((result.Status, result.Error!.Code), Is.EqualTo((RunStatus.Failed, "internal_error")));
        Assert.That(result.Error.Message, Does.Not.Contain("secret detail"));
        Assert.That(Stored, Is.EqualTo(new[] { result }));
    }

    [Test]
    public async Task Begin_ModelCancelsByItself_IsStoredAsFailure()
    {
        Log.Expect("failed because of a defect");
        Answers((_, _) => throw new OperationCanceledException());

        var run = await Service.StartAsync(Send(), None);
        var result = await InTime(run!.Completion);

        Assert.That((result.Status, result.Error!.Code), Is.EqualTo((RunStatus.Failed, "internal_error")));
    }

    [Test]
    public async Task Begin_HistoryCannotBeRead_IsStoredAsFailureWithoutAReceipt()
    {
        AcceptsRuns(Begun with { Place = new RunPlace(3, 4) });
        Messages.Setup(m => m.ReadBackwardsAsync(UserId, ChatId, 3, It.IsAny<CancellationToken>())).Throws(UnavailableException.ForDatabase(new IOException()));

        var run = await Service.StartAsync(Send(), None);
        await RunClockUntilAsync(run!.Completion);
        var result = await run.Completion;

        Assert.That((result.Status, result.Error!.Code, result.Receipt), Is.EqualTo((RunStatus.Failed, "database_unavailable", default(AiChat.Core.Memory.Receipt))));
        Assert.That(result.Error.Message, Does.Contain("Your message is stored").And.Not.Contains("Nothing"));
        Assert.That(result.Error.RetryAfter, Is.EqualTo(TimeSpan.FromSeconds(5)));
    }

    /// <summary>It was accepted, and nothing was asked of a model yet.</summary>
    [Test]
    public async Task Begin_HistoryCannotBeReadForAWhile_IsAnsweredAfterwards()
    {
        AcceptsRuns(Begun with { Place = new RunPlace(3, 4) });
        Messages.SetupSequence(m => m.ReadBackwardsAsync(UserId, ChatId, 3, It.IsAny<CancellationToken>()))
            .Throws(UnavailableException.ForDatabase(new IOException()))
            .Throws(UnavailableException.ForDatabase(new IOException()))
            .Returns(AsyncEnumerable.Empty<HistoryMessage>());

        var run = await Service.StartAsync(Send(), None);
        await RunClockUntilAsync(run!.Completion);

        Assert.That((await run.Completion).Status, Is.EqualTo(RunStatus.Completed));
    }

    [Test]
    public async Task Begin_QueuedRun_WaitsForItsPredecessorAndReadsItsReply()
    {
        var answers = new TaskCompletionSource<ChatResponse>[] { new(), new() };
        var asked = new List<string>();
        Answers((messages, _) =>
        {
            asked.Add(messages[^1].Text);
            return answers[asked.Count - 1].Task;
        });
        AcceptsRuns(Begun, Queued);
        var first = await Service.StartAsync(Send("One?"), None);
        var second = await Service.StartAsync(Send("Two?"), None);
        FinishesRuns((result, _) => Task.FromResult(
            new FinishedRun(FinishOutcome.Stored, result.RunId == first!.RunId ? new NextRun(second!.RunId, Attempt: 1) : null)));

        var askedAtFirst = asked.ToArray();
        answers[0].SetResult(Reply("One."));
        await InTime(first!.Completion);
        answers[1].SetResult(Reply("Two."));
        var result = await InTime(second!.Completion);

        Assert.That(askedAtFirst, Is.EqualTo(new[] { "One?" }));
        Assert.That(asked, Is.EqualTo(new[] { "One?", "Two?" }));
        Assert.That((result.AssistantSequence, result.Reply), Is.EqualTo((4, "Two.")));
        Messages.Verify(m => m.ReadBackwardsAsync(UserId, ChatId, 3, It.IsAny<CancellationToken>()), Times.Once);
    }

    [Test]
    public async Task Begin_PredecessorFails_QueuedRunBeginsAllTheSame()
    {
        Log.Expect("failed: groq");
        AcceptsRuns(Queued, Begun);
        Answers((messages, _) => messages[^1].Text == "Two?"
            ? Task.FromResult(Reply("Two."))
            : throw new ProviderException("groq", ProviderError.Timeout, ""));
        var second = await Service.StartAsync(Send("Two?"), None);
        FinishesRuns((result, _) => Task.FromResult(
            new FinishedRun(FinishOutcome.Stored, result.Status == RunStatus.Failed ? new NextRun(second!.RunId, Attempt: 1) : null)));

        await Service.StartAsync(Send("One?"), None);

        Assert.That((await InTime(second!.Completion)).Reply, Is.EqualTo("Two."));
    }

    /// <summary>Otherwise whoever sends to a busy chat waits for everybody behind it, and a long queue is a deep stack.</summary>
    [Test]
    public async Task Begin_QueuedRun_DoesNotHoldUpTheCallerOfItsPredecessor()
    {
        using var isFirstAnswered = new ManualResetEventSlim();
        AcceptsRuns(Queued, Begun);
        Answers((messages, ct) =>
        {
            var isAlone = messages[^1].Text == "One?" || isFirstAnswered.Wait(TimeSpan.FromSeconds(5), ct);
            return Task.FromResult(Reply(isAlone ? "Yes." : "The caller of the first run was kept waiting."));
        });
        var second = await Service.StartAsync(Send("Two?"), None);
        FinishesRuns((result, calls) => Task.FromResult(new FinishedRun(FinishOutcome.Stored, calls == 1 ? new NextRun(second!.RunId, Attempt: 1) : null)));

        await Service.StartAsync(Send("One?"), None);
        isFirstAnswered.Set();

        Assert.That((await InTime(second!.Completion)).Reply, Is.EqualTo("Yes."));
    }

    [Test]
    public async Task Begin_DatabaseRefusesTheEnd_TellsTheWaiterAndStoresItLater()
    {
        Log.Expect("cannot be stored; trying again");
        var isStored = new TaskCompletionSource();
        FinishesRuns((_, calls) =>
        {
            if (calls < 3)
                throw UnavailableException.ForDatabase(new IOException());
            isStored.SetResult();
            return Task.FromResult(new FinishedRun(FinishOutcome.Stored, Next: null));
        });

        var failure = Assert.ThrowsAsync<UnavailableException>(() => InTime(SendAsync(Send(), None)));
        var storedAtFirst = Stored.Count;
        await RunClockUntilAsync(isStored.Task);
        await RunClockUntilAsync(Executor.StopAsync(None));

        Assert.That(failure.Code, Is.EqualTo("database_unavailable"));
        Assert.That(failure.Message, Does.Contain("do not send the message again"));
        Assert.That(storedAtFirst, Is.Zero);
        Assert.That((Stored.Single().Status, Stored.Single().Reply), Is.EqualTo((RunStatus.Completed, "Hello!")));
    }

    /// <summary>The first time may have stored it, so that only the answer was lost.</summary>
    [Test]
    public async Task Begin_DatabaseRefusesTheEndOnce_TheWaiterDoesNotNotice()
    {
        FinishesRuns((_, calls) => calls == 1
            ? throw UnavailableException.ForUnknownCommit(new IOException())
            : Task.FromResult(new FinishedRun(FinishOutcome.Stored, Next: null)));

        var result = await InTime(SendAsync(Send(), None));

        Assert.That((result!.Status, result.Reply), Is.EqualTo((RunStatus.Completed, "Hello!")));
    }

    [Test]
    public async Task Begin_DatabaseStillRefusesAtShutdown_GivesUpAndSaysSo()
    {
        Log.Expect("cannot be stored; trying again");
        Log.Expect("was not stored; the next start settles it");
        FinishesRuns((_, _) => throw UnavailableException.ForDatabase(new IOException()));

        Assert.ThrowsAsync<UnavailableException>(() => InTime(SendAsync(Send(), None)));
        Lifetime.StopApplication();
        await RunClockUntilAsync(Executor.StopAsync(None));

        Assert.That(Stored, Is.Empty);
    }

    /// <summary>It is tried until the shutdown: a chat that stays busy is worse than a log that is full of it.</summary>
    [Test]
    public async Task Begin_NoEndCanBeStoredForADefect_TellsTheWaiterAndStoresItAsSoonAsItCan()
    {
        Log.Expect("failed because of a defect");
        FinishesRuns((_, calls) => calls < 5 ? throw new InvalidOperationException() : Task.FromResult(new FinishedRun(FinishOutcome.Stored, Next: null)));

        var run = await Service.StartAsync(Send(), None);

        Assert.ThrowsAsync<InvalidOperationException>(() => InTime(run!.Completion));
        await RunClockUntilAsync(Executor.StopAsync(None));
        Assert.That(Stored.Single().Status, Is.EqualTo(RunStatus.Failed));
    }

    [Test]
    public async Task Begin_NoEndCanBeStoredForADefectUntilTheShutdown_LeavesItToTheNextStart()
    {
        Log.Expect("failed because of a defect");
        Log.Expect("was not stored; the next start settles it");
        FinishesRuns((_, _) => throw new InvalidOperationException());
        var run = await Service.StartAsync(Send(), None);
        Assert.ThrowsAsync<InvalidOperationException>(() => InTime(run!.Completion));

        Lifetime.StopApplication();
        Time.Advance(TimeSpan.FromSeconds(10));
        await RunClockUntilAsync(Executor.StopAsync(None));

        Assert.That(Executor.Find(run!.RunId), Is.Null);
    }

    /// <summary>What clients were shown must not become something else because of a slip.</summary>
    [Test]
    public async Task Begin_DefectWhileTheEndIsStored_TriesTheSameEndAgain()
    {
        Log.Expect("failed because of a defect");
        FinishesRuns((_, calls) => calls == 1 ? throw new InvalidOperationException() : Task.FromResult(new FinishedRun(FinishOutcome.Stored, Next: null)));

        var result = await InTime(SendAsync(Send(), None));

        Assert.That((result!.Status, result.Reply), Is.EqualTo((RunStatus.Completed, "Hello!")));
    }

    [Test]
    public async Task Begin_EndCannotBeStoredAsItIs_KeepsTheTextAsIncomplete()
    {
        Log.Expect("failed because of a defect");
        FinishesRuns((result, _) => result.Status == RunStatus.Completed
            ? throw new InvalidOperationException() : Task.FromResult(new FinishedRun(FinishOutcome.Stored, Next: null)));

        Assert.ThrowsAsync<RunFailedException>(() => InTime(SendAsync(Send(), None)));

        Assert.That(Stored.Select(r => (r.Status, r.Reply, r.Error!.Code)), Is.EqualTo(new[] { (RunStatus.Incomplete, "Hello!", "internal_error") }));
    }

    /// <summary>Its turn was given to an attempt that was cancelled meanwhile; the one after it waits behind somebody else.</summary>
    [Test]
    public async Task Begin_TurnOfAnEarlierAttempt_DoesNotBeginTheNextOne()
    {
        var stored = new TaskCompletionSource();
        var turn = default(NextRun);
        FinishesRuns(async (_, calls) =>
        {
            if (calls != 1)
                return new FinishedRun(FinishOutcome.Stored, Next: null);
            await stored.Task;
            return new FinishedRun(FinishOutcome.Stored, turn);
        });
        AcceptsRuns(Begun, Queued);
        var first = await Service.StartAsync(Send(), None);
        var queued = await Service.StartAsync(Send(), None);
        turn = new NextRun(queued!.RunId, Attempt: 1);
        Executor.Find(queued.RunId)!.Stop(RunStopReason.Cancelled);
        await InTime(queued.Completion);
        HasRun(NewStored(RunStatus.Cancelled) with { Id = queued.RunId, Place = new RunPlace(3, 4) });
        AcceptsRetries(new RunAdmission.Accepted(new RunPlace(3, 4), "somebody else"));
        var retried = await Service.RetryAsync(new RetryCommand { UserId = UserId, RunId = queued.RunId }, None);

        stored.SetResult();
        await InTime(first!.Completion);
        await FlushThreadPoolAsync();

        Assert.That(retried!.Completion.IsCompleted, Is.False);
        Executor.Forget(Executor.Find(queued.RunId)!);
    }

    /// <summary>What is stored must not be sent again: the next start shows it as interrupted.</summary>
    [Test]
    public async Task Begin_DatabaseRefusesTheEndDuringTheShutdown_SaysThatTheMessageIsStored()
    {
        Log.Expect("was stopped by the shutdown");
        Log.Expect("was not stored; the next start settles it");
        NeverAnswers();
        FinishesRuns((_, _) => throw UnavailableException.ForDatabase(new IOException()));
        var run = await Service.StartAsync(Send(), None);

        Lifetime.StopApplication();
        Time.Advance(TimeSpan.FromSeconds(10));

        var failure = Assert.ThrowsAsync<UnavailableException>(() => InTime(run!.Completion));
        Assert.That(failure.Message, Does.Contain("do not send the message again"));
    }

    [Test]
    public async Task Begin_ReplyCannotBeStoredForADefect_IsStoredAsAFailureAndTheChatGoesOn()
    {
        Log.Expect("failed because of a defect");
        FinishesRuns((result, _) => result.Reply.Length > 0
            ? throw new InvalidOperationException() : Task.FromResult(new FinishedRun(FinishOutcome.Stored, Next: null)));
        var run = await Service.StartAsync(Send(), None);

        Assert.ThrowsAsync<InvalidOperationException>(() => InTime(run!.Completion));
        await RunClockUntilAsync(Executor.StopAsync(None));

        Assert.That(Stored.Select(r => (r.Status, r.Reply, r.Error!.Code)), Is.EqualTo(new[] { (RunStatus.Failed, "", "internal_error") }));
    }

    [Test]
    public async Task Begin_EndCannotBeStoredUntilTheShutdown_TellsThoseWhoWaitBehindIt()
    {
        Log.Expect("failed because of a defect");
        Log.Expect("was not stored; the next start settles it");
        // Those who wait may be stopped by the shutdown before they are told.
        Log.Allow("was stopped by the shutdown");
        FinishesRuns((_, _) => throw new InvalidOperationException());
        AcceptsRuns(Queued, Begun);
        var second = await Service.StartAsync(Send(), None);
        var first = await Service.StartAsync(Send(), None);
        Assert.ThrowsAsync<InvalidOperationException>(() => InTime(first!.Completion));

        Lifetime.StopApplication();
        Time.Advance(TimeSpan.FromSeconds(10));
        await RunClockUntilAsync(Executor.StopAsync(None));

        Assert.That(second!.Completion.IsCompleted, Is.True);
    }

    [Test]
    public async Task StopAsync_DatabaseRefusesAChatWithAQueue_EndsAllTheSame()
    {
        Log.Expect("was stopped by the shutdown");
        Log.Expect("was not stored; the next start settles it");
        NeverAnswers();
        FinishesRuns((_, _) => throw UnavailableException.ForDatabase(new IOException()));
        AcceptsRuns(Begun, Queued);
        await Service.StartAsync(Send(), None);
        var second = await Service.StartAsync(Send(), None);

        Lifetime.StopApplication();
        Time.Advance(TimeSpan.FromSeconds(10));
        await RunClockUntilAsync(Executor.StopAsync(None));

        Assert.ThrowsAsync<UnavailableException>(() => InTime(second!.Completion));
    }

    [Test]
    public async Task AbandonChat_ReplyIsBeingWritten_StopsIt()
    {
        NeverAnswers();
        FinishesRuns((_, _) => Task.FromResult(new FinishedRun(FinishOutcome.ChatDeleted, Next: null)));
        var run = await Service.StartAsync(Send(), None);

        Executor.AbandonChat(ChatId);

        var result = await InTime(run!.Completion);
        Assert.That((result.Status, result.Error!.Code), Is.EqualTo((RunStatus.Cancelled, "chat_deleted")));
    }

    [Test]
    public async Task AbandonChat_RunsOfOtherChats_GoOn()
    {
        var answer = new TaskCompletionSource<ChatResponse>();
        Answers((_, ct) => answer.Task.WaitAsync(ct));
        var run = await Service.StartAsync(Send(chatId: "chat-2"), None);

        Executor.AbandonChat(ChatId);
        answer.SetResult(Reply("Still here."));

        Assert.That((await InTime(run!.Completion)).Reply, Is.EqualTo("Still here."));
    }

    [Test]
    public async Task AbandonChat_RunsWaitInItsQueue_EndsThemToo()
    {
        NeverAnswers();
        AcceptsRuns(Begun, Queued, Queued with { Place = new RunPlace(5, 6) });
        FinishesRuns((_, _) => Task.FromResult(new FinishedRun(FinishOutcome.ChatDeleted, Next: null)));
        await Service.StartAsync(Send(), None);
        var second = await Service.StartAsync(Send(), None);
        var third = await Service.StartAsync(Send(), None);

        Executor.AbandonChat(ChatId);

        var results = await InTime(Task.WhenAll(second!.Completion, third!.Completion));
        Assert.That(results.Select(r => (r.Status, r.Error!.Code)), Is.All.EqualTo((RunStatus.Cancelled, "chat_deleted")));
        await RunClockUntilAsync(Executor.StopAsync(None));
    }

    [Test]
    public async Task AbandonChat_ReplyWasStoredAMomentAgo_ChangesNothing()
    {
        var answer = new TaskCompletionSource<ChatResponse>();
        Answers((_, ct) => answer.Task.WaitAsync(ct));
        var handle = await Service.StartAsync(Send(), None);
        var run = Executor.Find(handle!.RunId);
        answer.SetResult(Reply("Done."));
        await InTime(handle.Completion);
        await RunClockUntilAsync(Executor.StopAsync(None));

        Assert.That(() => run!.Stop(RunStopReason.ChatDeleted), Throws.Nothing);
    }

    [Test]
    public async Task Begin_ChatDeletedWhileTheReplyWasWritten_SaysSo()
    {
        FinishesRuns((_, _) => Task.FromResult(new FinishedRun(FinishOutcome.ChatDeleted, Next: null)));

        var failure = Assert.ThrowsAsync<RunFailedException>(() => InTime(SendAsync(Send(), None)));

        Assert.That((failure.Code, failure.Result.Status, failure.Result.Reply), Is.EqualTo(("chat_deleted", RunStatus.Cancelled, "Hello!")));
        await RunClockUntilAsync(Executor.StopAsync(None));
    }

    [Test]
    public async Task StopAsync_NothingRuns_EndsAtOnce()
    {
        await InTime(SendAsync(Send(), None));
        await RunClockUntilAsync(Executor.StopAsync(None));

        Assert.That(Executor.StopAsync(None).IsCompleted, Is.True);
    }

    [Test]
    public async Task StopAsync_ReplyComesInTime_IsWaitedForAndStored()
    {
        var answer = new TaskCompletionSource<ChatResponse>();
        Answers((_, ct) => answer.Task.WaitAsync(ct));
        var run = await Service.StartAsync(Send(), None);

        Lifetime.StopApplication();
        var stop = Executor.StopAsync(None);
        Time.Advance(TimeSpan.FromMilliseconds(9_999));
        var isStoppedEarly = stop.IsCompleted;
        answer.SetResult(Reply("Just in time."));
        await RunClockUntilAsync(stop);

        Assert.That(isStoppedEarly, Is.False);
        Assert.That((await InTime(run!.Completion)).Reply, Is.EqualTo("Just in time."));
        Assert.That(Stored.Single().Status, Is.EqualTo(RunStatus.Completed));
    }

    [Test]
    public async Task StopAsync_ReplyTakesLongerThanTheTimeout_IsStoredAsIncomplete()
    {
        Log.Expect("was stopped by the shutdown");
        NeverAnswers();
        var run = await Service.StartAsync(Send(), None);

        Lifetime.StopApplication();
        Time.Advance(TimeSpan.FromSeconds(10));
        await RunClockUntilAsync(Executor.StopAsync(None));

        var result = await InTime(run!.Completion);
        Assert.That((result.Status, result.Error!.Code), Is.EqualTo((RunStatus.Incomplete, "run_interrupted")));
        Assert.That(Stored, Is.EqualTo(new[] { result }));
    }

    [Test]
    public async Task StopAsync_ChatWithAQueue_EveryRunIsStored()
    {
        Log.Expect("was stopped by the shutdown");
        NeverAnswers();
        AcceptsRuns(Begun, Queued);
        var first = await Service.StartAsync(Send(), None);
        var second = await Service.StartAsync(Send(), None);
        FinishesRuns((_, calls) => Task.FromResult(new FinishedRun(FinishOutcome.Stored, calls == 1 ? new NextRun(second!.RunId, Attempt: 1) : null)));

        Lifetime.StopApplication();
        Time.Advance(TimeSpan.FromSeconds(10));
        await RunClockUntilAsync(Executor.StopAsync(None));

        Assert.That(Stored.Select(r => (r.RunId, r.Status)), Is.EquivalentTo(new[]
        {
            (first!.RunId, RunStatus.Incomplete), (second!.RunId, RunStatus.Incomplete),
        }));
    }

    [Test]
    public async Task StopAsync_HostWaitsNoLonger_Ends()
    {
        NeverAnswers();
        await Service.StartAsync(Send(), None);
        using var host = new CancellationTokenSource();

        var stop = Executor.StopAsync(host.Token);
        await host.CancelAsync();

        await RunClockUntilAsync(stop);
        Assert.That(Stored, Is.Empty);
        Executor.AbandonChat(ChatId);
    }

    /// <summary>Whatever was queued to the pool by now has begun when this returns, as far as it runs at once.</summary>
    private static async Task FlushThreadPoolAsync()
    {
        for (var i = 0; i < 100; i++)
            await Task.Run(() => { });
    }
}
