using AiChat.Core.Errors;
using AiChat.Core.Models;
using AiChat.Core.Runs;
using Microsoft.Extensions.AI;
using Moq;

namespace AiChat.Tests.Core.Runs;

public sealed class RunServiceRetryTests : RunTestBase
{
    private static readonly RetryCommand Retry = new() { UserId = UserId, RunId = "run-1" };

    [SetUp]
    public void SetUp() => AcceptsRetries(new RunAdmission.Accepted(new RunPlace(1, 2), BusyWith: null));

    [TestCase(RunStatus.Failed)]
    [TestCase(RunStatus.Cancelled)]
    [TestCase(RunStatus.Incomplete)]
    public async Task RetryAsync_RunWithoutAWholeReply_IsAnsweredAgain(RunStatus status)
    {
        HasRun(NewStored(status));

        var run = await Service.RetryAsync(Retry, None);

        var result = await InTime(run!.WaitAsync(None));
        Assert.That((result.RunId, result.AssistantMessageId, result.AssistantSequence, result.Reply), Is.EqualTo(("run-1", "reply-1", 2, "Hello!")));
    }

    [Test]
    public async Task RetryAsync_Run_IsAskedAsBefore()
    {
        HasRun(NewStored() with { Alias = "smart", Temperature = 0.5, MaxTokens = 77 }, question: "Really?", systemPrompt: "Be kind.");
        var sent = default(IReadOnlyList<ChatMessage>);
        Answers((messages, _) =>
        {
            sent = messages;
            return Task.FromResult(Reply("Yes."));
        });

        var run = await Service.RetryAsync(Retry, None);

        var result = await InTime(run!.WaitAsync(None));
        Assert.That((sent!.Select(m => $"{m.Role}: {m.Text}"), result.Model), Is.EqualTo((new[] { "system: Be kind.", "user: Really?" }, "oss-120b")));
        Model.Verify(c => c.GetStreamingResponseAsync(
            It.IsAny<IEnumerable<ChatMessage>>(), It.Is<ChatOptions>(o => o.Temperature == 0.5f && o.MaxOutputTokens == 77), It.IsAny<CancellationToken>()));
    }

    [Test]
    public async Task RetryAsync_Attempt_BeginsBehindTheLogOfTheLastOne()
    {
        HasRun(NewStored(RunStatus.Incomplete, "Hello", lastSequence: 27, attempt: 2));

        await Service.RetryAsync(Retry, None);

        Runs.Verify(r => r.RetryAsync(
            new RunRetry
            {
                RunId = "run-1",
                ChatId = ChatId,
                UserId = UserId,
                Attempt = 3,
                FirstSequence = 28,
                Admission = new RunAdmissionRule(Settings.QueueLimit),
                Now = Time.GetUtcNow(),
            },
            None), Times.Once);
    }

    [Test]
    public async Task RetryAsync_FollowerOfTheLastAttempt_StartsOver()
    {
        HasRun(NewStored(RunStatus.Incomplete, "Hello", lastSequence: 7));

        var run = await Service.RetryAsync(Retry, None);
        await InTime(run!.Completion);
        var events = await run.FollowAsync(after: 7, None).Select(LogReader.Show).ToArrayAsync();

        Assert.That(events, Is.EqualTo(new[] { "8 started 2", "14 delta 0 'Hello!'", "15 ended Completed" }));
    }

    [Test]
    public async Task RetryAsync_FailsAgain_IsStoredAsFailure()
    {
        Log.Expect("failed: groq");
        HasRun(NewStored(RunStatus.Incomplete, "Hello", lastSequence: 7));
        Answers((_, _) => throw new ProviderException("groq", ProviderError.Timeout, ""));

        var run = await Service.RetryAsync(Retry, None);

        var result = await InTime(run!.Completion);
        Assert.That((result.Status, result.Reply, result.LastSequence), Is.EqualTo((RunStatus.Failed, "", (long?)9)));
    }

    [TestCase(RunStatus.Completed, 8)]
    [TestCase(RunStatus.InProgress, null)]
    [TestCase(RunStatus.Queued, null)]
    public void RetryAsync_RunThatHasAReplyOrWillHaveOne_IsRefused(RunStatus status, long? lastSequence)
    {
        HasRun(NewStored(status, lastSequence: lastSequence));

        var failure = Assert.ThrowsAsync<ConflictException>(() => Service.RetryAsync(Retry, None));

        Assert.That((failure.Code, failure.RunId, failure.RetryAfter), Is.EqualTo(("run_not_retryable", "run-1", (TimeSpan?)null)));
        AssertNotTried();
    }

    [Test]
    public async Task RetryAsync_WhileItIsTriedAgain_IsRefused()
    {
        var model = StreamsWhatIsWritten();
        HasRun(NewStored());
        var first = await Service.RetryAsync(Retry, None);

        var failure = Assert.ThrowsAsync<ConflictException>(() => Service.RetryAsync(Retry, None));

        Assert.That(failure.Code, Is.EqualTo("run_not_retryable"));
        model.TryWrite("Done.");
        model.Complete();
        Assert.That((await InTime(first!.Completion)).Reply, Is.EqualTo("Done."));
    }

    [Test]
    public void RetryAsync_TriedAgainSinceItWasRead_IsRefusedAndLeavesNothingRunning()
    {
        HasRun(NewStored());
        AcceptsRetries(new RunAdmission.NotRetryable());

        var failure = Assert.ThrowsAsync<ConflictException>(() => Service.RetryAsync(Retry, None));

        Assert.That(failure.Code, Is.EqualTo("run_not_retryable"));
        Assert.That(Executor.Active, Is.Empty);
    }

    [Test]
    public async Task RetryAsync_RunOfSomebodyElse_IsNull()
    {
        HasRun(NewStored());

        var run = await Service.RetryAsync(Retry with { UserId = "bob" }, None);

        Assert.That(run, Is.Null);
        AssertNotTried();
    }

    [Test]
    public void RetryAsync_DuringShutdown_IsRefused()
    {
        Lifetime.StopApplication();

        var failure = Assert.ThrowsAsync<UnavailableException>(() => Service.RetryAsync(Retry, None));

        Assert.That(failure.Code, Is.EqualTo("shutting_down"));
    }

    [Test]
    public void RetryAsync_AliasThatIsGone_IsRefused()
    {
        HasRun(NewStored() with { Alias = "old" });

        var failure = Assert.ThrowsAsync<InvalidRequestException>(() => Service.RetryAsync(Retry, None));

        Assert.That(failure.Code, Is.EqualTo("unknown_model"));
        AssertNotTried();
    }

    [Test]
    public void RetryAsync_SystemPromptHasGrownTooLong_IsRefused()
    {
        HasRun(NewStored(), systemPrompt: new string('s', 3 * 1020));

        var failure = Assert.ThrowsAsync<InvalidRequestException>(() => Service.RetryAsync(Retry, None));

        Assert.That(failure.Code, Is.EqualTo("message_too_long"));
        AssertNotTried();
    }

    [Test]
    public void RetryAsync_RejectOnABusyChat_IsRefusedWithTheRunThatIsInTheWay()
    {
        HasRun(NewStored());
        AcceptsRetries(new RunAdmission.Busy("run-2"));

        var failure = Assert.ThrowsAsync<ConflictException>(() => Service.RetryAsync(Retry with { OnBusy = OnBusy.Reject }, None));

        Assert.That((failure.Code, failure.RunId), Is.EqualTo(("chat_busy", "run-2")));
        Assert.That(Executor.Active, Is.Empty);
    }

    [Test]
    public async Task RetryAsync_BusyChat_WaitsForItsTurn()
    {
        HasRun(NewStored());
        AcceptsRetries(new RunAdmission.Accepted(new RunPlace(1, 2), BusyWith: "run-2"));

        var run = await Service.RetryAsync(Retry, None);
        var isBegunEarly = Model.Invocations.Count > 0;
        Executor.Begin(Executor.Find("run-1")!);

        Assert.That((isBegunEarly, (await InTime(run!.Completion)).Reply), Is.EqualTo((false, "Hello!")));
    }

    private void AssertNotTried() => Runs.Verify(r => r.RetryAsync(It.IsAny<RunRetry>(), It.IsAny<CancellationToken>()), Times.Never);

    /// <summary>The database has the end already, the executor is not told yet.</summary>
    [Test]
    public async Task RetryAsync_EndIsJustBeingStored_WaitsForIt()
    {
        Log.Expect("failed: groq");
        AcceptsRetries(new RunAdmission.Accepted(new RunPlace(1, 2), BusyWith: null));
        var stored = new TaskCompletionSource();
        FinishesRuns(async (_, calls) =>
        {
            if (calls == 1)
                await stored.Task;
            return new FinishedRun(FinishOutcome.Stored, Next: null);
        });
        Answers((_, _) => throw new ProviderException("groq", ProviderError.Timeout, ""));
        var run = await Service.StartAsync(Send(), None);
        HasRun(NewStored() with { Id = run!.RunId });

        var retry = Service.RetryAsync(new RetryCommand { UserId = UserId, RunId = run.RunId }, None);
        stored.SetResult();

        Assert.That((await InTime(retry))!.RunId, Is.EqualTo(run.RunId));
        await RunClockUntilAsync(Executor.StopAsync(None));
    }
}
