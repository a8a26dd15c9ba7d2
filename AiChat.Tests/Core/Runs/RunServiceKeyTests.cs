using AiChat.Core.Chats;
using AiChat.Core.Errors;
using AiChat.Core.Idempotency;
using AiChat.Core.Runs;
using Moq;

namespace AiChat.Tests.Core.Runs;

/// <summary>Requests with an <c>Idempotency-Key</c>.</summary>
public sealed class RunServiceKeyTests : RunTestBase
{
    private static readonly SendCommand Keyed = Send() with { IdempotencyKey = "key-1" };
    private static readonly RetryCommand KeyedRetry = new() { UserId = UserId, RunId = "run-1", IdempotencyKey = "key-1" };

    [Test]
    public async Task StartAsync_NewKey_IsClaimedWithTheRun()
    {
        HasKey(null);
        Settings.IdempotencyRetention = TimeSpan.FromHours(3);

        var run = await Service.StartAsync(Keyed, None);

        var key = Started().Single().Key!;
        Assert.That((key.UserId, key.Value, key.ExpiredBefore), Is.EqualTo((UserId, "key-1", Time.GetUtcNow().AddHours(-3))));
        Assert.That(run!.IsReplay, Is.False);
    }

    [Test]
    public async Task StartAsync_NoKey_LooksForNone()
    {
        await InTime(SendAsync(Send(), None));

        Assert.That(Started().Single().Key, Is.Null);
        Keys.VerifyNoOtherCalls();
    }

    [Test]
    public async Task StartAsync_KeyOfARunThatGoesOn_IsThatRun()
    {
        var model = StreamsWhatIsWritten();
        HasKey(null);
        var first = await Service.StartAsync(Keyed, None);
        HasKey(Earlier(first!.RunId));

        var second = await Service.StartAsync(Keyed, None);
        model.TryWrite("Once.");
        model.Complete();

        Assert.That((second!.RunId, second.IsReplay), Is.EqualTo((first.RunId, true)));
        Assert.That(await InTime(second.Completion), Is.SameAs(await InTime(first.Completion)));
        Assert.That(Started(), Has.Count.EqualTo(1));
    }

    [Test]
    public async Task StartAsync_KeyOfARunThatHasEnded_IsItsReply()
    {
        HasRun(NewStored(RunStatus.Completed, "Hello!", lastSequence: 8));
        HasKey(await EarlierOfAsync(Keyed, "run-1"));

        var run = await Service.StartAsync(Keyed, None);

        var result = await InTime(run!.WaitAsync(None));
        Assert.That((run.IsReplay, result.RunId, result.Reply), Is.EqualTo((true, "run-1", "Hello!")));
    }

    [Test]
    public async Task StartAsync_KeyOfARunThatFailed_FailsTheSameWay()
    {
        HasRun(NewStored());
        HasKey(await EarlierOfAsync(Keyed, "run-1"));

        var run = await Service.StartAsync(Keyed, None);

        var failure = Assert.ThrowsAsync<RunFailedException>(() => InTime(run!.WaitAsync(None)));
        Assert.That((failure.Code, failure.Message), Is.EqualTo(("provider_timeout", "Too slow.")));
    }

    [Test]
    public async Task StartAsync_KeyOfARunWhoseChatWasDeleted_IsNull()
    {
        HasKey(await EarlierOfAsync(Keyed, "run-1"));
        Runs.Setup(r => r.GetAsync(UserId, "run-1", None)).ReturnsAsync(default(StoredRun));

        var run = await Service.StartAsync(Keyed, None);

        Assert.That(run, Is.Null);
    }

    [Test]
    public async Task StartAsync_KnownKeyDuringShutdown_IsAnsweredAllTheSame()
    {
        HasRun(NewStored(RunStatus.Completed, "Hello!", lastSequence: 8));
        HasKey(await EarlierOfAsync(Keyed, "run-1"));
        Lifetime.StopApplication();

        var run = await Service.StartAsync(Keyed, None);

        Assert.That(run!.IsReplay, Is.True);
    }

    [Test]
    public async Task StartAsync_KnownKeyOfARequestThatWouldNotBeTakenNow_IsAnsweredAllTheSame()
    {
        var command = Keyed with { Model = "fast", Message = "Hi" };
        HasRun(NewStored(RunStatus.Completed, "Hello!", lastSequence: 8));
        HasKey(await EarlierOfAsync(command, "run-1"));
        Chats.Setup(c => c.GetAsync(UserId, ChatId, None)).ReturnsAsync(default(Chat));

        var run = await Service.StartAsync(command, None);

        Assert.That(run!.IsReplay, Is.True);
    }

    [Test]
    public void StartAsync_UnknownKeyDuringShutdown_IsRefused()
    {
        HasKey(null);
        Lifetime.StopApplication();

        Assert.ThrowsAsync<UnavailableException>(() => Service.StartAsync(Keyed, None));
    }

    [Test]
    public void StartAsync_KeyOfAnotherBody_IsRefused()
    {
        HasKey(new KeyedRequest("another fingerprint", "run-1", default));

        var failure = Assert.ThrowsAsync<InvalidRequestException>(() => Service.StartAsync(Keyed, None));

        Assert.That((failure.Code, failure.Field), Is.EqualTo(("idempotency_key_reused", "Idempotency-Key")));
        Assert.That(Started(), Is.Empty);
    }

    private static IEnumerable<TestCaseData> OtherBodies()
    {
        yield return new TestCaseData(Keyed with { Message = "Ho" }).SetArgDisplayNames("message");
        yield return new TestCaseData(Keyed with { ChatId = null }).SetArgDisplayNames("chat");
        yield return new TestCaseData(Keyed with { Model = "fast" }).SetArgDisplayNames("model");
        yield return new TestCaseData(Keyed with { Temperature = 0 }).SetArgDisplayNames("temperature");
        yield return new TestCaseData(Keyed with { MaxTokens = 5 }).SetArgDisplayNames("max_tokens");
        yield return new TestCaseData(Keyed with { OnBusy = OnBusy.Reject }).SetArgDisplayNames("on_busy");
    }

    [TestCaseSource(nameof(OtherBodies))]
    public async Task StartAsync_AnyFieldDiffers_IsAnotherBody(SendCommand other)
    {
        HasKey(await EarlierOfAsync(Keyed, "run-1"));

        var failure = Assert.ThrowsAsync<InvalidRequestException>(() => Service.StartAsync(other, None));

        Assert.That(failure.Code, Is.EqualTo("idempotency_key_reused"));
    }

    /// <summary>Two requests that come at the same moment: the database knows which was first.</summary>
    [Test]
    public async Task StartAsync_KeyIsTakenThisMoment_IsTheOtherRun()
    {
        HasKey(null);
        HasRun(NewStored(RunStatus.Completed, "Hello!", lastSequence: 8));
        Runs.Setup(r => r.StartAsync(It.IsAny<NewRun>(), None))
            .ReturnsAsync((NewRun run, CancellationToken _) => new RunAdmission.KeyTaken(new KeyedRequest(run.Key!.Fingerprint, "run-1", default)));

        var run = await Service.StartAsync(Keyed, None);

        Assert.That((run!.RunId, run.IsReplay), Is.EqualTo(("run-1", true)));
        Assert.That(Executor.Active, Is.Empty);
    }

    [Test]
    public void StartAsync_KeyIsTakenThisMomentByAnotherBody_IsRefused()
    {
        HasKey(null);
        AcceptsRuns(new RunAdmission.KeyTaken(new KeyedRequest("another fingerprint", "run-1", default)));

        var failure = Assert.ThrowsAsync<InvalidRequestException>(() => Service.StartAsync(Keyed, None));

        Assert.That(failure.Code, Is.EqualTo("idempotency_key_reused"));
        Assert.That(Executor.Active, Is.Empty);
    }

    [Test]
    public async Task RetryAsync_NewKey_IsClaimedWithTheAttempt()
    {
        HasKey(null);
        HasRun(NewStored());
        AcceptsRetries(new RunAdmission.Accepted(new RunPlace(1, 2), BusyWith: null));

        await Service.RetryAsync(KeyedRetry, None);

        Runs.Verify(r => r.RetryAsync(It.Is<RunRetry>(a => a.Key!.Value == "key-1" && a.Key.UserId == UserId), None), Times.Once);
    }

    /// <summary>Else a client that asks again because its connection broke would be told that the run cannot be tried again.</summary>
    [Test]
    public async Task RetryAsync_KnownKey_IsTheRunAndNoFurtherAttempt()
    {
        var model = StreamsWhatIsWritten();
        HasKey(null);
        HasRun(NewStored());
        AcceptsRetries(new RunAdmission.Accepted(new RunPlace(1, 2), BusyWith: null));
        await Service.RetryAsync(KeyedRetry, None);
        var key = ((RunRetry)Runs.Invocations.Single(i => i.Method.Name == nameof(IRunRepository.RetryAsync)).Arguments[0]).Key!;
        HasKey(new KeyedRequest(key.Fingerprint, "run-1", default));

        var again = await Service.RetryAsync(KeyedRetry, None);

        Assert.That((again!.RunId, again.IsReplay), Is.EqualTo(("run-1", true)));
        Runs.Verify(r => r.RetryAsync(It.IsAny<RunRetry>(), It.IsAny<CancellationToken>()), Times.Once);
        model.TryWrite("Done.");
        model.Complete();
        await InTime(again.Completion);
    }

    /// <summary>Between the look for the key and the look at the run a request under the same key came in and was answered.</summary>
    [Test]
    public async Task RetryAsync_SameKeyWasFasterAndIsDone_IsItsRun()
    {
        var earlier = new KeyedRequest(IdempotencyKey.GetFingerprint("retry", "run-1", nameof(OnBusy.Queue)), "run-1", default);
        Keys.SetupSequence(k => k.FindAsync(It.IsAny<IdempotencyKey>(), It.IsAny<CancellationToken>())).ReturnsAsync(default(KeyedRequest)).ReturnsAsync(earlier);
        HasRun(NewStored(RunStatus.Completed, "Done.", lastSequence: 8, attempt: 2));

        var run = await Service.RetryAsync(KeyedRetry, None);

        Assert.That((run!.RunId, run.IsReplay), Is.EqualTo(("run-1", true)));
    }

    [Test]
    public async Task RetryAsync_KeyOfASend_IsRefused()
    {
        HasKey(await EarlierOfAsync(Keyed, "run-1"));

        var failure = Assert.ThrowsAsync<InvalidRequestException>(() => Service.RetryAsync(KeyedRetry, None));

        Assert.That(failure.Code, Is.EqualTo("idempotency_key_reused"));
    }

    [Test]
    public async Task StartAsync_KnownKeyOfARunThatIsTriedAgainThisMoment_IsTheNewAttempt()
    {
        HasKey(await EarlierOfAsync(Keyed, "run-1"));
        using var begun = NewActive();
        Runs.Setup(r => r.GetAsync(UserId, "run-1", None)).ReturnsAsync(() =>
        {
            Executor.TryRegister(begun);
            begun.Accept(new RunPlace(1, 2), leaseNumber: 1);
            return NewStored(RunStatus.InProgress, lastSequence: null, attempt: 2);
        });

        var run = await Service.StartAsync(Keyed, None);

        Assert.That((run!.IsReplay, run.Completion), Is.EqualTo((true, begun.Completion)));
        Executor.Forget(begun);
    }

    private KeyedRequest Earlier(string runId) => new(Started().Single().Key!.Fingerprint, runId, default);

    /// <summary>What is known of the key of this request, after it made this run.</summary>
    private async Task<KeyedRequest> EarlierOfAsync(SendCommand command, string runId)
    {
        HasKey(null);
        await InTime(SendAsync(command, None));
        return Earlier(runId);
    }
}
