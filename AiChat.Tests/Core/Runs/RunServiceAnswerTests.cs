using AiChat.Core.Chats;
using AiChat.Core.Errors;
using AiChat.Core.Runs;
using Microsoft.Extensions.AI;
using Moq;

namespace AiChat.Tests.Core.Runs;

/// <summary>Answering a message that is stored already: once, however often it is asked for.</summary>
public sealed class RunServiceAnswerTests : RunTestBase
{
    private static readonly AnswerCommand Answer = new() { UserId = UserId, ChatId = ChatId };

    [SetUp]
    public void SetUp()
    {
        HasQuestion(new LastQuestion { Id = "question-1", Sequence = 1, Message = "Really?" });
        AcceptsRuns(new RunAdmission.Accepted(new RunPlace(1, 3), BusyWith: null));
    }

    [Test]
    public async Task AnswerAsync_QuestionWithoutAnswer_IsAnswered()
    {
        var sent = default(IReadOnlyList<ChatMessage>);
        Answers((messages, _) =>
        {
            sent = messages;
            return Task.FromResult(Reply("Yes."));
        });

        var run = await Service.AnswerAsync(Answer, None);

        var result = await InTime(run!.WaitAsync(None));
        var started = Started().Single();
        Assert.Multiple(() =>
        {
            Assert.That((result.UserMessageId, result.AssistantSequence, result.Reply), Is.EqualTo(("question-1", 3, "Yes.")));
            Assert.That((started.UserMessageId, started.UserSequence, started.Message), Is.EqualTo(("question-1", (int?)1, "Really?")));
            Assert.That(sent!.Select(m => m.Text), Is.EqualTo(new[] { "Really?" }));
        });
    }

    [Test]
    public async Task AnswerAsync_SomebodyElseWasFirst_GivesTheirRun()
    {
        AcceptsRuns(new RunAdmission.AlreadyAnswered("run-1"));
        HasRun(NewStored(RunStatus.Completed, "Yes."));

        var run = await Service.AnswerAsync(Answer, None);

        Assert.That((run!.RunId, (await InTime(run.WaitAsync(None))).Reply), Is.EqualTo(("run-1", "Yes.")));
    }

    [Test]
    public async Task AnswerAsync_QuestionWithARun_GivesItAndAsksNobody()
    {
        HasQuestion(new LastQuestion { Id = "question-1", Sequence = 1, Message = "Really?", RunId = "run-1" });
        HasRun(NewStored(RunStatus.Completed, "Yes."));

        var run = await Service.AnswerAsync(Answer, None);

        Assert.That((run!.RunId, (await InTime(run.WaitAsync(None))).Reply), Is.EqualTo(("run-1", "Yes.")));
        Model.VerifyNoOtherCalls();
    }

    [TestCase(RunStatus.Failed)]
    [TestCase(RunStatus.Incomplete)]
    [TestCase(RunStatus.Cancelled)]
    public async Task AnswerAsync_RunThatGaveNoText_BeginsAnotherAttempt(RunStatus status)
    {
        HasQuestion(new LastQuestion { Id = "question-1", Sequence = 1, Message = "Really?", RunId = "run-1" });
        HasRun(NewStored(status));
        AcceptsRetries(new RunAdmission.Accepted(new RunPlace(1, 2), BusyWith: null));

        var run = await Service.AnswerAsync(Answer, None);

        Assert.That((run!.RunId, (await InTime(run.WaitAsync(None))).Reply), Is.EqualTo(("run-1", "Hello!")));
    }

    [Test]
    public async Task AnswerAsync_ReconnectToARunThatGaveNoText_GetsItsEnd()
    {
        HasQuestion(new LastQuestion { Id = "question-1", Sequence = 1, Message = "Really?", RunId = "run-1" });
        HasRun(NewStored());

        var run = await Service.AnswerAsync(Answer with { IsReconnect = true }, None);

        Assert.That(Assert.ThrowsAsync<RunFailedException>(() => run!.WaitAsync(None)).Code, Is.EqualTo("provider_timeout"));
    }

    [Test]
    public async Task AnswerAsync_RunThatWasCutBehindSomeText_GivesThatText()
    {
        HasQuestion(new LastQuestion { Id = "question-1", Sequence = 1, Message = "Really?", RunId = "run-1" });
        HasRun(NewStored(RunStatus.Incomplete, "Ye", lastSequence: 4));

        var run = await Service.AnswerAsync(Answer, None);

        Assert.That(((await run!.Completion).Status, (await run.Completion).Reply), Is.EqualTo((RunStatus.Incomplete, "Ye")));
    }

    [Test]
    public async Task AnswerAsync_AnswerStoredInPlaceOfARunThatGaveNoText_IsTheAnswer()
    {
        HasQuestion(new LastQuestion { Id = "question-1", Sequence = 1, Message = "Really?", RunId = "run-1", AnswerId = "answer-1" });
        HasRun(NewStored());
        HasAnswer(sequence: 3, "By hand.");

        var run = await Service.AnswerAsync(Answer, None);

        Assert.That((await run!.WaitAsync(None)).Reply, Is.EqualTo("By hand."));
        Model.VerifyNoOtherCalls();
    }

    [Test]
    public async Task AnswerAsync_AnotherMessageComesThisMoment_AnswersThatOne()
    {
        AcceptsRuns(new RunAdmission.Overtaken(), new RunAdmission.Accepted(new RunPlace(2, 3), BusyWith: null));
        var looks = new Queue<LastQuestion>([
            new LastQuestion { Id = "question-1", Sequence = 1, Message = "Really?" }, new LastQuestion { Id = "question-2", Sequence = 2, Message = "Sure?" }]);
        Runs.Setup(r => r.GetLastQuestionAsync(UserId, ChatId, It.IsAny<CancellationToken>())).ReturnsAsync(looks.Dequeue);

        var run = await Service.AnswerAsync(Answer, None);

        Assert.That((await InTime(run!.WaitAsync(None))).UserMessageId, Is.EqualTo("question-2"));
    }

    [Test]
    public async Task AnswerAsync_SomebodyElseTriesItAgainThisMoment_GivesTheirs()
    {
        HasQuestion(new LastQuestion { Id = "question-1", Sequence = 1, Message = "Really?", RunId = "run-1" });
        HasRun(NewStored());
        AcceptsRetries(new RunAdmission.NotRetryable());

        var run = await Service.AnswerAsync(Answer, None);

        Assert.That(run!.RunId, Is.EqualTo("run-1"));
    }

    [Test]
    public async Task AnswerAsync_AnswerThatAClientHasStored_IsFollowedLikeARun()
    {
        HasQuestion(new LastQuestion { Id = "question-1", Sequence = 1, Message = "Really?", AnswerId = "answer-1" });
        HasAnswer(sequence: 2, "Indeed.");

        var run = await Service.AnswerAsync(Answer, None);

        var events = await run!.FollowAsync(after: 0, None).Select(LogReader.Show).ToListAsync();
        Assert.That(events, Is.EqualTo(new[] { "1 started 1", "8 delta 0 'Indeed.'", "9 ended Completed" }));
        Assert.That((await run.WaitAsync(None)).AssistantMessageId, Is.EqualTo("answer-1"));
    }

    [Test]
    public void AnswerAsync_NothingWasAsked_SaysSo()
    {
        HasQuestion(null);

        var failure = Assert.ThrowsAsync<InvalidRequestException>(() => Service.AnswerAsync(Answer, None));

        Assert.That(failure.Code, Is.EqualTo("nothing_to_answer"));
    }

    [Test]
    public async Task AnswerAsync_NoSuchChat_IsNull()
    {
        Chats.Setup(c => c.GetAsync(UserId, ChatId, None)).ReturnsAsync((Chat?)null);

        Assert.That(await Service.AnswerAsync(Answer, None), Is.Null);
    }

    [Test]
    public void AnswerAsync_WebSearchThatIsNotConfigured_IsRefusedAndStoresNothing()
    {
        var failure = Assert.ThrowsAsync<UnavailableException>(() => Service.AnswerAsync(Answer with { WebSearch = true }, None));

        Assert.That((failure.Code, Started().Count), Is.EqualTo(("web_search_unconfigured", 0)));
    }

    [Test]
    public void StartAsync_WebSearchThatIsNotConfigured_IsRefusedAndStoresNothing()
    {
        var failure = Assert.ThrowsAsync<UnavailableException>(() => Service.StartAsync(Send() with { WebSearch = true }, None));

        Assert.That((failure.Code, Started().Count), Is.EqualTo(("web_search_unconfigured", 0)));
    }

    private void HasAnswer(int sequence, string content) => Messages
        .Setup(m => m.GetAsync(UserId, "answer-1", None))
        .ReturnsAsync(new Message
        {
            Id = "answer-1",
            ChatId = ChatId,
            Sequence = sequence,
            Role = MessageRole.Assistant,
            Content = content,
            Status = MessageStatus.Completed,
            CreatedAt = default,
            UpdatedAt = default,
        });

    private void HasQuestion(LastQuestion? question) => Runs
        .Setup(r => r.GetLastQuestionAsync(UserId, ChatId, It.IsAny<CancellationToken>()))
        .ReturnsAsync(question);
}
