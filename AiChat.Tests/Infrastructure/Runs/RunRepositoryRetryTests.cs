using AiChat.Core.Chats;
using AiChat.Core.Idempotency;
using AiChat.Core.Models;
using AiChat.Core.Runs;
using AiChat.Tests.Infrastructure.Persistence;

namespace AiChat.Tests.Infrastructure.Runs;

/// <summary>Runs that are tried again, and limits on what a chat takes.</summary>
[TestFixtureSource(typeof(TestDatabase), nameof(TestDatabase.Engines))]
public sealed class RunRepositoryRetryTests(Engine engine) : RepositoryTestBase(engine)
{
    private const string ChatId = "chat-1";

    [SetUp]
    public Task CreateChat() => CreateChatAsync(ChatId);

    [TestCase(0, 0, true)]
    [TestCase(1, 0, false)]
    [TestCase(1, 1, true)]
    [TestCase(2, 1, false)]
    [TestCase(3, 3, true)]
    [TestCase(4, 3, false)]
    public async Task StartAsync_Limit_CountsTheUnfinishedRunsOfTheChat(int unfinished, int mostUnfinished, bool isAccepted)
    {
        for (var i = 0; i < unfinished; i++)
            await BeginAsync($"run-{i}", ChatId);

        var admission = await Database.Runs.StartAsync(NewRun("run-x", ChatId) with { Admission = new RunAdmissionRule(mostUnfinished) }, None);

        Assert.That(admission, isAccepted ? Is.InstanceOf<RunAdmission.Accepted>() : Is.EqualTo(new RunAdmission.Busy("run-0")));
    }

    [Test]
    public async Task StartAsync_Refused_StoresNothing()
    {
        await BeginAsync("run-1", ChatId);

        await Database.Runs.StartAsync(NewRun("run-2", ChatId, at: 50) with { Admission = new RunAdmissionRule(0) }, None);

        var chat = await Database.Chats.GetAsync(Anna, ChatId, None);
        Assert.That((chat!.MessageCount, chat.UpdatedAt, (await GetMessagesAsync()).Count), Is.EqualTo((2, At(1), 2)));
        Assert.That(await Database.Runs.GetAsync(Anna, "run-2", None), Is.Null);
    }

    [Test]
    public async Task StartAsync_RunsOfOtherChats_DoNotCount()
    {
        await CreateChatAsync("chat-2");
        await BeginAsync("run-1", "chat-2");

        var admission = await Database.Runs.StartAsync(NewRun("run-2", ChatId) with { Admission = new RunAdmissionRule(0) }, None);

        Assert.That(admission, Is.EqualTo(new RunAdmission.Accepted(new RunPlace(1, 2), BusyWith: null)));
    }

    [TestCase(RunStatus.Failed)]
    [TestCase(RunStatus.Cancelled)]
    [TestCase(RunStatus.Incomplete)]
    public async Task RetryAsync_RunWithoutAWholeReply_BeginsAnew(RunStatus status)
    {
        var run = await EndAsync("run-1", status, "Hel");

        var admission = await Database.Runs.RetryAsync(Retry(run), None);

        var stored = await Database.Runs.GetAsync(Anna, "run-1", None);
        Assert.That(admission, Is.EqualTo(new RunAdmission.Accepted(new RunPlace(1, 2), BusyWith: null) { LeaseNumber = 2 }));
        Assert.That((stored!.Status, stored.Attempt, stored.FirstSequence, stored.LastSequence), Is.EqualTo((RunStatus.InProgress, 2, 7L, (long?)null)));
        Assert.That((stored.StartedAt, stored.CompletedAt, stored.CreatedAt), Is.EqualTo(((DateTimeOffset?)At(10), (DateTimeOffset?)null, At(1))));
    }

    [Test]
    public async Task RetryAsync_Run_ForgetsEverythingOfTheLastAttempt()
    {
        var run = await EndAsync("run-1", RunStatus.Incomplete, "Hel");

        await Database.Runs.RetryAsync(Retry(run), None);

        var stored = await Database.Runs.GetAsync(Anna, "run-1", None);
        Assert.That((stored!.Reply, stored.Provider, stored.Model, stored.Usage, stored.Error, stored.FirstTokenAt, stored.FinishReason), Is.EqualTo(
            ("", (string?)null, (string?)null, (TokenUsage?)null, (RunError?)null, (DateTimeOffset?)null, (string?)null)));
    }

    [Test]
    public async Task RetryAsync_Message_IsEmptyAndInProgressAgain()
    {
        var run = await EndAsync("run-1", RunStatus.Incomplete, "Hel");

        await Database.Runs.RetryAsync(Retry(run, at: 10), None);

        var message = (await GetMessagesAsync())[1];
        Assert.That((message.Id, message.Content, message.Status, message.Model, message.UpdatedAt), Is.EqualTo(
            ("run-1-reply", "", MessageStatus.InProgress, (string?)null, At(10))));
        Assert.That(await GetMessagesAsync(), Has.Count.EqualTo(2));
    }

    [Test]
    public async Task RetryAsync_Run_KeepsTheLastAttemptWithItsReply()
    {
        var run = await EndAsync("run-1", RunStatus.Incomplete, "Hel");

        await Database.Runs.RetryAsync(Retry(run), None);

        var attempt = (await Database.Runs.GetAsync(Anna, "run-1", None))!.Attempts.Single();
        Assert.That((attempt.Number, attempt.Outcome, attempt.Provider, attempt.Model, attempt.Reply), Is.EqualTo(
            (1, AttemptOutcome.Incomplete, "groq", "oss", "Hel")));
    }

    [Test]
    public async Task RetryAsync_SecondTime_KeepsBothAttemptsInOrder()
    {
        var run = await EndAsync("run-1", RunStatus.Incomplete, "one");
        await Database.Runs.RetryAsync(Retry(run), None);
        await Database.Runs.FinishAsync(Broken(run, RunStatus.Cancelled, "two", attempt: 2), None);

        await Database.Runs.RetryAsync(Retry(run, attempt: 3, firstSequence: 20), None);

        var stored = await Database.Runs.GetAsync(Anna, "run-1", None);
        Assert.That(stored!.Attempts.Select(a => (a.Number, a.Outcome, a.Reply)), Is.EqualTo(new[]
        {
            (1, AttemptOutcome.Incomplete, "one"), (2, AttemptOutcome.Cancelled, "two"),
        }));
        Assert.That((stored.Attempt, stored.FirstSequence), Is.EqualTo((3, 20L)));
    }

    [Test]
    public async Task RetryAsync_Again_IsRefusedAndChangesNothing()
    {
        var run = await EndAsync("run-1", RunStatus.Failed, "");
        await Database.Runs.RetryAsync(Retry(run), None);
        await Database.Runs.FinishAsync(Broken(run, RunStatus.Failed, "", attempt: 2), None);

        var again = await Database.Runs.RetryAsync(Retry(run, attempt: 2), None);

        Assert.That(again, Is.EqualTo(new RunAdmission.NotRetryable()));
        Assert.That((await Database.Runs.GetAsync(Anna, "run-1", None))!.Status, Is.EqualTo(RunStatus.Failed));
    }

    [Test]
    public async Task RetryAsync_TwiceAtOnce_BeginsOneAttempt()
    {
        var run = await EndAsync("run-1", RunStatus.Failed, "");

        var admissions = await Task.WhenAll(Database.Runs.RetryAsync(Retry(run), None), Database.Runs.RetryAsync(Retry(run), None));

        Assert.That(admissions, Is.EquivalentTo(new RunAdmission[] { new RunAdmission.Accepted(new RunPlace(1, 2), BusyWith: null) { LeaseNumber = 2 }, new RunAdmission.NotRetryable() }));
        Assert.That((await Database.Runs.GetAsync(Anna, "run-1", None))!.Attempts, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task RetryAsync_CompletedRun_IsRefused()
    {
        var run = await BeginAsync("run-1", ChatId);
        await Database.Runs.FinishAsync(Reply(run, 1), None);

        var admission = await Database.Runs.RetryAsync(Retry(run), None);

        Assert.That(admission, Is.EqualTo(new RunAdmission.NotRetryable()));
    }

    [Test]
    public async Task RetryAsync_RunThatGoesOn_IsRefused()
    {
        var run = await BeginAsync("run-1", ChatId);

        var admission = await Database.Runs.RetryAsync(Retry(run), None);

        Assert.That(admission, Is.EqualTo(new RunAdmission.NotRetryable()));
    }

    [Test]
    public async Task RetryAsync_RunOfSomebodyElse_IsRefused()
    {
        var run = await EndAsync("run-1", RunStatus.Failed, "");

        var admission = await Database.Runs.RetryAsync(Retry(run) with { UserId = Bob }, None);

        Assert.That(admission, Is.EqualTo(new RunAdmission.NotRetryable()));
        Assert.That(await Database.QueryAsync<string>("select reply from run_replies"), Is.Empty);
    }

    [Test]
    public async Task RetryAsync_BusyChat_IsRefusedAndChangesNothing()
    {
        var run = await EndAsync("run-1", RunStatus.Incomplete, "Hel");
        await BeginAsync("run-2", ChatId);
        var before = await Database.Runs.GetAsync(Anna, "run-1", None);

        var admission = await Database.Runs.RetryAsync(Retry(run) with { Admission = new RunAdmissionRule(0), Key = Key() }, None);

        var after = await Database.Runs.GetAsync(Anna, "run-1", None);
        Assert.That(admission, Is.EqualTo(new RunAdmission.Busy("run-2")));
        Assert.That((after!.Status, after.Attempt, after.Reply, after.LastSequence), Is.EqualTo((before!.Status, 1, "Hel", before.LastSequence)));
        Assert.That(await Database.QuerySingleAsync<int>("select count(*) from run_replies"), Is.Zero);
        Assert.That(await Database.Keys.FindAsync(Key(), None), Is.Null);
    }

    [Test]
    public async Task RetryAsync_AfterItWasRefusedForABusyChat_Works()
    {
        var run = await EndAsync("run-1", RunStatus.Incomplete, "Hel");
        var other = await BeginAsync("run-2", ChatId);
        await Database.Runs.RetryAsync(Retry(run) with { Admission = new RunAdmissionRule(0) }, None);
        await Database.Runs.FinishAsync(Reply(other, 3), None);

        var admission = await Database.Runs.RetryAsync(Retry(run) with { Admission = new RunAdmissionRule(0) }, None);

        Assert.That(admission, Is.EqualTo(new RunAdmission.Accepted(new RunPlace(1, 2), BusyWith: null) { LeaseNumber = 2 }));
    }

    [Test]
    public async Task RetryAsync_BusyChat_IsQueued()
    {
        var run = await EndAsync("run-1", RunStatus.Incomplete, "Hel");
        var other = await BeginAsync("run-2", ChatId);

        var admission = await Database.Runs.RetryAsync(Retry(run), None);
        var queued = await Database.Runs.GetAsync(Anna, "run-1", None);
        var finished = await Database.Runs.FinishAsync(Reply(other, 3), None);

        Assert.That(admission, Is.EqualTo(new RunAdmission.Accepted(new RunPlace(1, 2), BusyWith: "run-2") { LeaseNumber = 2 }));
        Assert.That((queued!.Status, queued.StartedAt), Is.EqualTo((RunStatus.Queued, (DateTimeOffset?)null)));
        Assert.That(finished.Next, Is.EqualTo(new NextRun("run-1", 2)));
    }

    [Test]
    public async Task RetryAsync_LaterMessagesWait_ComesBeforeThem()
    {
        var run = await EndAsync("run-1", RunStatus.Incomplete, "Hel");
        var other = await BeginAsync("run-2", ChatId);
        await BeginAsync("run-3", ChatId);

        await Database.Runs.RetryAsync(Retry(run), None);
        var finished = await Database.Runs.FinishAsync(Reply(other, 3), None);

        Assert.That(finished.Next, Is.EqualTo(new NextRun("run-1", 2)));
    }

    [Test]
    public async Task RetryAsync_Key_IsClaimedForTheRun()
    {
        var run = await EndAsync("run-1", RunStatus.Failed, "");

        await Database.Runs.RetryAsync(Retry(run) with { Key = Key() }, None);

        Assert.That(await Database.Keys.FindAsync(Key(), None), Is.EqualTo(new KeyedRequest("fingerprint", "run-1", At(10))));
    }

    [Test]
    public async Task RetryAsync_TakenKey_NamesTheFirstRequest()
    {
        var run = await EndAsync("run-1", RunStatus.Failed, "");
        await Database.Runs.RetryAsync(Retry(run) with { Key = Key() }, None);

        var again = await Database.Runs.RetryAsync(Retry(run) with { Key = Key() }, None);

        Assert.That(again, Is.EqualTo(new RunAdmission.KeyTaken(new KeyedRequest("fingerprint", "run-1", At(10)))));
    }

    [Test]
    public async Task RetryAsync_Refused_LeavesTheKeyFree()
    {
        var run = await BeginAsync("run-1", ChatId);

        await Database.Runs.RetryAsync(Retry(run) with { Key = Key() }, None);

        Assert.That(await Database.Keys.FindAsync(Key(), None), Is.Null);
    }

    [Test]
    public async Task RetryAsync_RunThatWentOnAfterACrash_LosesItsSeams()
    {
        var run = await BeginAsync("run-1", ChatId, new RunText("", 4, 0, "Hel"));
        await Database.ContinueUnfinishedAsync(At(5));
        await Database.Runs.FinishAsync(Broken(run, RunStatus.Incomplete, "Hello") with { LeaseNumber = 2 }, None);

        await Database.Runs.RetryAsync(Retry(run, attempt: 3, firstSequence: 50_000_000), None);

        Assert.That((await Database.Runs.GetAsync(Anna, "run-1", None))!.Marks, Is.Empty);
    }

    [Test]
    public async Task GetQuestionAsync_Run_IsItsMessageAndTheChatsSystemPrompt()
    {
        await BeginAsync("run-1", ChatId);
        await Database.Chats.UpdateAsync(Anna, ChatId, new ChatChanges { SystemPrompt = "Be kind." }, At(3), None);

        var question = await Database.Runs.GetQuestionAsync(Anna, "run-1", None);

        Assert.That(question, Is.EqualTo(new RunQuestion("Question of run-1?", "Be kind.")));
    }

    [TestCase("run-1", Bob)]
    [TestCase("run-2", Anna)]
    public async Task GetQuestionAsync_NotTheUsersRun_IsNull(string runId, string userId)
    {
        await BeginAsync("run-1", ChatId);

        Assert.That(await Database.Runs.GetQuestionAsync(userId, runId, None), Is.Null);
    }

    private static RunResult Broken(NewRun run, RunStatus status, string reply, int attempt = 1) => Failure(run, 1) with
    {
        Status = status,
        Attempt = attempt,
        LeaseNumber = attempt,
        Attempts = [NewAttempt(attempt, Enum.Parse<AttemptOutcome>(status.ToString())) with { CompletedAt = At(2) }],
        Reply = reply,
        Usage = new TokenUsage(11, 22, IsEstimated: true),
        FirstTokenAt = At(1),
        LastSequence = reply.Length + 2,
    };

    private async Task<NewRun> EndAsync(string id, RunStatus status, string reply)
    {
        var run = await BeginAsync(id, ChatId);
        await Database.Runs.FinishAsync(Broken(run, status, reply), None);
        return run;
    }

    private async Task<IReadOnlyList<Message>> GetMessagesAsync() => (await Database.Messages.GetPageAsync(Anna, ChatId, default, 1000, None))!.Messages;
}
