using AiChat.Core.Chats;
using AiChat.Core.Runs;
using AiChat.Core.WebSearch;
using AiChat.Tests.Infrastructure.Persistence;

namespace AiChat.Tests.Infrastructure.Chats;

/// <summary>Messages that clients store themselves, and runs that answer them later.</summary>
[TestFixtureSource(typeof(TestDatabase), nameof(TestDatabase.Engines))]
public sealed class StoredMessageTests(Engine engine) : RepositoryTestBase(engine)
{
    private const string ChatId = "chat-1";

    [SetUp]
    public Task CreateChat() => CreateChatAsync(ChatId);

    [Test]
    public async Task AddAsync_Message_IsTheNewestOfItsChat()
    {
        await AddTurnAsync(ChatId);

        var stored = await AddAsync("id-1", NewMessage(MessageRole.Tool, "42", """{"id":"call-1"}"""), At(7));

        var page = await Database.Messages.GetPageAsync(Anna, ChatId, default, limit: 1, None);
        var chat = await Database.Chats.GetAsync(Anna, ChatId, None);
        Assert.Multiple(() =>
        {
            Assert.That(page!.Messages.Single(), Is.EqualTo(stored));
            Assert.That((stored!.Id, stored.Sequence, stored.Role, stored.Content, stored.ToolCalls, stored.Status, stored.CreatedAt), Is.EqualTo(
                ("id-1", 3, MessageRole.Tool, "42", """{"id":"call-1"}""", MessageStatus.Completed, At(7))));
            Assert.That((chat!.MessageCount, chat.UpdatedAt), Is.EqualTo((3, At(7))));
        });
    }

    [Test]
    public async Task AddAsync_ManyAtOnce_HaveASequenceEach()
    {
        var added = await Task.WhenAll(Enumerable.Range(0, 50).Select(i => AddAsync($"id-{i}", NewMessage(), At(i))));

        Assert.That(added.Select(m => m!.Sequence).Order(), Is.EqualTo(Enumerable.Range(1, 50)));
    }

    [TestCase(ChatId, Bob)]
    [TestCase("chat-2", Anna)]
    public async Task AddAsync_ChatThatIsNotTheUsers_IsNullAndStoresNothing(string chatId, string userId)
    {
        var stored = await AddAsync("id-1", NewMessage() with { ChatId = chatId, UserId = userId }, At(7));

        Assert.That((stored, await Database.QuerySingleAsync<int>("select count(*) from messages")), Is.EqualTo(((Message?)null, 0)));
    }

    [TestCase("id-1", Anna, ChatId)]
    [TestCase("id-1", Bob, null)]
    [TestCase("id-2", Anna, null)]
    public async Task GetAsync_Message_IsFoundByItsOwnerOnly(string messageId, string userId, string? expected)
    {
        await AddAsync("id-1", NewMessage(), At(7));

        Assert.That((await Database.Messages.GetAsync(userId, messageId, None))?.ChatId, Is.EqualTo(expected));
    }

    [Test]
    public async Task GetNewestOrCreateAsync_ManyAtOnceForANewUser_MakeOne()
    {
        var chats = await Task.WhenAll(Enumerable.Range(0, 50).Select(i => Database.Chats.GetNewestOrCreateAsync(NewChat($"new-{i}", Bob), None)));

        var page = await Database.Chats.ListAsync(Bob, 10, after: null, None);
        Assert.That((chats.Select(c => c.Id).Distinct().Single(), page.Total), Is.EqualTo((page.Chats.Single().Id, 1)));
    }

    [Test]
    public async Task GetNewestOrCreateAsync_UserWithChats_GetsTheOneUpdatedLast()
    {
        await CreateChatAsync("chat-2", updatedAt: 5);
        await CreateChatAsync("chat-3", updatedAt: 3);

        var chat = await Database.Chats.GetNewestOrCreateAsync(NewChat("new", updatedAt: 9), None);

        Assert.That((chat.Id, await Database.Chats.FindOwnerAsync("new", None)), Is.EqualTo(("chat-2", (string?)null)));
    }

    [Test]
    public async Task FindOwnerAsync_Chat_IsItsUser() => Assert.That(await Database.Chats.FindOwnerAsync(ChatId, None), Is.EqualTo(Anna));

    [Test]
    public async Task UpdateAsync_TimeOfTheChange_IsTakenAsItIsGiven()
    {
        var chat = await Database.Chats.UpdateAsync(Anna, ChatId, new ChatChanges { Title = "New", UpdatedAt = At(99) }, At(5), None);

        Assert.That((chat!.Title, chat.UpdatedAt), Is.EqualTo(("New", At(99))));
    }

    [Test]
    public async Task StartAsync_StoredMessage_GetsAReplyBehindWhateverCameSince()
    {
        await AddAsync("question", NewMessage(), At(1));
        await AddAsync("result", NewMessage(MessageRole.Tool, "42"), At(2));

        var admission = await Database.Runs.StartAsync(Answer("run-1"), None);
        await Database.Runs.FinishAsync(Reply(Answer("run-1"), userSequence: 2), None);

        var page = await Database.Messages.GetPageAsync(Anna, ChatId, default, 10, None);
        Assert.That(admission, Is.EqualTo(new RunAdmission.Accepted(new RunPlace(1, 3), BusyWith: null)));
        Assert.That(page!.Messages.Select(m => (m.Id, m.Sequence, m.Content)), Is.EqualTo(new[]
        {
            ("question", 1, "Hi"), ("result", 2, "42"), ("run-1-reply", 3, "Yes."),
        }));
        Assert.That((await Database.Runs.GetAsync(Anna, "run-1", None))!.Place, Is.EqualTo(new RunPlace(1, 3)));
    }

    [Test]
    public async Task StartAsync_StoredMessageBehindWhichTheUserSaidMore_GetsNoRun()
    {
        await AddAsync("question", NewMessage(), At(1));
        await AddAsync("next", NewMessage(), At(2));

        var admission = await Database.Runs.StartAsync(Answer("run-1"), None);

        Assert.That((admission, (await Database.Chats.GetAsync(Anna, ChatId, None))!.MessageCount), Is.EqualTo((new RunAdmission.Overtaken(), 2)));
    }

    [Test]
    public async Task StartAsync_StoredMessageByManyAtOnce_HasOneRun()
    {
        await AddAsync("question", NewMessage(), At(1));

        var admissions = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => Database.Runs.StartAsync(Answer($"run-{i}"), None)));

        var runId = await Database.QuerySingleAsync<string>("select id from runs");
        Assert.That(admissions.Count(a => a is RunAdmission.Accepted), Is.EqualTo(1));
        Assert.That(admissions.OfType<RunAdmission.AlreadyAnswered>().Select(a => a.RunId), Is.All.EqualTo(runId).And.Exactly(19).Items);
        Assert.That((await Database.Chats.GetAsync(Anna, ChatId, None))!.MessageCount, Is.EqualTo(2));
    }

    [Test]
    public async Task RetryAsync_RunOfAStoredMessage_WritesIntoItsReplyAndNoOther()
    {
        await AddAsync("question", NewMessage(), At(1));
        await AddAsync("result", NewMessage(MessageRole.Tool, "42"), At(2));
        await Database.Runs.StartAsync(Answer("run-1"), None);
        await Database.Runs.FinishAsync(Failure(Answer("run-1"), userSequence: 2), None);

        var admission = await Database.Runs.RetryAsync(Retry(Answer("run-1")) with { WebSearch = true }, None);

        var run = await Database.Runs.GetAsync(Anna, "run-1", None);
        Assert.That(admission, Is.EqualTo(new RunAdmission.Accepted(new RunPlace(1, 3), BusyWith: null) { LeaseNumber = 2 }));
        Assert.That((run!.Reply, run.WebSearch), Is.EqualTo(("", true)));
        Assert.That(await Database.QueryAsync<string>("select content from messages order by sequence"), Is.EqualTo(new[] { "Hi", "42", "" }));
    }

    [Test]
    public async Task SettleUnfinishedAsync_RunOfAStoredMessage_KeepsItsTextAndItsSources()
    {
        await AddAsync("question", NewMessage(), At(1));
        await AddAsync("result", NewMessage(MessageRole.Tool, "42"), At(2));
        await Database.Runs.StartAsync(Answer("run-1") with { WebSearch = true }, None);
        await AppendAsync(
            new RunText("run-1", 2, 0, "", new SourceFound(2, 0, NewSource(1))), new RunText("run-1", 7, 0, "Hello"));

        await Database.SettleUnfinishedAsync(At(60));

        var reply = (await Database.Messages.GetPageAsync(Anna, ChatId, default, limit: 1, None))!.Messages.Single();
        var run = await Database.Runs.GetAsync(Anna, "run-1", None);
        Assert.That((reply.Sequence, reply.Content, reply.Status, run!.Sources.Single()), Is.EqualTo((3, "Hello", MessageStatus.Incomplete, NewSource(1))));
        Assert.That(reply.Sources, Is.EqualTo(new[] { NewSource(1) }));
    }

    [Test]
    public async Task ContinueUnfinishedAsync_RunWithSources_GoesOnBehindThem()
    {
        await BeginAsync("run-1", ChatId, new RunText("run-1", 2, 0, "", new SourceFound(2, 0, NewSource(1))), new RunText("run-1", 7, 0, "Hello"));

        var interrupted = (await Database.ContinueUnfinishedAsync(At(60))).Single().Run;

        Assert.That((interrupted.Reply, interrupted.Marks), Is.EqualTo(("Hello", new RunMark[]
        {
            new SourceFound(2, 0, NewSource(1)), new RunContinued(7 + RunLog.CrashGap, 5, 2),
        })));
    }

    [Test]
    public async Task FinishAsync_Sources_AreStoredWithTheMessageAndTheirEventsKept()
    {
        var run = await BeginAsync("run-1", ChatId);
        await Database.ExecuteAsync("update runs set web_search = true");

        await Database.Runs.FinishAsync(
            Reply(run, 1) with { Sources = [NewSource(1), NewSource(2)], Marks = [new SourceFound(2, 0, NewSource(1)), new SourceFound(3, 0, NewSource(2))] }, None);

        var stored = await Database.Runs.GetAsync(Anna, "run-1", None);
        var reply = (await Database.Messages.GetPageAsync(Anna, ChatId, default, limit: 1, None))!.Messages.Single();
        Assert.That(reply.Sources, Is.EqualTo(new[] { NewSource(1), NewSource(2) }));
        Assert.That(stored!.Sources, Is.EqualTo(reply.Sources));
        Assert.That(stored.Marks, Is.EqualTo(new[] { new SourceFound(2, 0, NewSource(1)), new SourceFound(3, 0, NewSource(2)) }));
    }

    [Test]
    public async Task GetLastQuestionAsync_EmptyChat_IsNull() => Assert.That(await Database.Runs.GetLastQuestionAsync(Anna, ChatId, None), Is.Null);

    [Test]
    public async Task GetLastQuestionAsync_ChatOfSomebodyElse_IsNull()
    {
        await AddAsync("question", NewMessage(), At(1));

        Assert.That(await Database.Runs.GetLastQuestionAsync(Bob, ChatId, None), Is.Null);
    }

    [Test]
    public async Task GetLastQuestionAsync_QuestionWithoutAnswer_HasNeitherRunNorAnswer()
    {
        await AddTurnAsync(ChatId);
        await AddAsync("question", NewMessage(), At(5));
        await AddAsync("call", NewMessage(MessageRole.Assistant, "", """{"name":"add"}"""), At(6));

        var question = await Database.Runs.GetLastQuestionAsync(Anna, ChatId, None);

        Assert.That(question, Is.EqualTo(new LastQuestion { Id = "question", Sequence = 3, Message = "Hi" }));
    }

    [Test]
    public async Task GetLastQuestionAsync_QuestionThatAClientHasAnswered_HasTheAnswer()
    {
        await AddAsync("question", NewMessage(), At(5));
        await AddAsync("answer", NewMessage(MessageRole.Assistant, "Yes."), At(6));

        var question = await Database.Runs.GetLastQuestionAsync(Anna, ChatId, None);

        Assert.That((question!.RunId, question.AnswerId), Is.EqualTo(((string?)null, "answer")));
    }

    [Test]
    public async Task GetLastQuestionAsync_QuestionOfARun_HasTheRun()
    {
        await BeginAsync("run-1", ChatId);

        var question = await Database.Runs.GetLastQuestionAsync(Anna, ChatId, None);

        Assert.That((question!.Id, question.RunId, question.AnswerId), Is.EqualTo(("run-1-question", "run-1", (string?)null)));
    }

    [Test]
    public async Task AddAsync_KeyThatCameBefore_StoresNothingAndNamesTheFirstMessage()
    {
        await Database.Messages.AddAsync("id-1", NewMessage(), Key(), At(1), None);

        var admission = await Database.Messages.AddAsync("id-2", NewMessage(), Key(), At(2), None);

        Assert.That((admission as MessageAdmission.KeyTaken)?.Earlier.ResourceId, Is.EqualTo("id-1"));
        Assert.That(await Database.QueryAsync<string>("select id from messages"), Is.EqualTo(new[] { "id-1" }));
    }

    [Test]
    public async Task AddAsync_ChatThatIsNotThere_LeavesTheKeyFree()
    {
        await Database.Messages.AddAsync("id-1", NewMessage() with { ChatId = "chat-2" }, Key(), At(1), None);

        Assert.That(await Database.Messages.AddAsync("id-2", NewMessage(), Key(), At(2), None), Is.TypeOf<MessageAdmission.Accepted>());
    }

    /// <summary>The stored message; null when nothing was stored.</summary>
    private async Task<Message?> AddAsync(string id, NewMessage message, DateTimeOffset now) =>
        (await Database.Messages.AddAsync(id, message, key: null, now, None) as MessageAdmission.Accepted)?.Message;

    private static NewMessage NewMessage(MessageRole role = MessageRole.User, string content = "Hi", string? toolCalls = null) =>
        new() { UserId = Anna, ChatId = ChatId, Role = role, Content = content, ToolCalls = toolCalls };

    /// <summary>What is stored as JSON may have every character: PostgreSQL takes no U+0000, but its escape.</summary>
    [Test]
    public async Task FinishAsync_SourceWithAnyText_IsReadBackAsItWas()
    {
        var run = await BeginAsync("run-1", ChatId);
        var source = NewSource(1) with { Title = "a\0b \u0001 😀", Excerpt = "\0" };

        await Database.Runs.FinishAsync(Reply(run, 1) with { Sources = [source], Marks = [new SourceFound(2, 0, source)] }, None);

        var stored = (await Database.Runs.GetAsync(Anna, "run-1", None))!;
        Assert.That(stored.Sources, Is.EqualTo(new[] { source }));
    }

    private static NewRun Answer(string id) => NewRun(id, ChatId) with { UserMessageId = "question", UserSequence = 1 };

    private static Source NewSource(int number) =>
        new() { Number = number, Url = $"https://example.org/{number}", Title = "A \"title\"", Excerpt = "Line\nand line" };
}
