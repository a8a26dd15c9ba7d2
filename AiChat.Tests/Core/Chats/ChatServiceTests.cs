using AiChat.Core.Chats;
using AiChat.Core.Errors;
using AiChat.Core.Idempotency;
using AiChat.Core.Runs;
using AiChat.Core.WebSearch;
using AiChat.Tests.Core.Runs;
using Microsoft.Extensions.Options;
using Moq;

namespace AiChat.Tests.Core.Chats;

public sealed class ChatServiceTests : RunTestBase
{
    private static readonly NewChat Keyed = new() { UserId = UserId, Title = "Trip", IdempotencyKey = "key-1" };

    private ChatService service = null!;

    [SetUp]
    public void SetUp() => service = new ChatService(Chats.Object, Messages.Object, Runs.Object, Keys.Object, Registry, Executor, Options.Create(Settings), Time);

    [Test]
    public async Task CreateAsync_Request_StoresAChatWithAFreshId()
    {
        Chats.Setup(c => c.CreateAsync(It.IsAny<Chat>(), null, None)).ReturnsAsync(default(KeyedRequest));

        var (chat, _) = await service.CreateAsync(
            new NewChat { UserId = UserId, Title = "Trip", Model = "smart", SystemPrompt = "Be kind.", Metadata = "{}" }, None);

        Assert.That(chat with { Id = "" }, Is.EqualTo(new Chat
        {
            Id = "",
            UserId = UserId,
            Title = "Trip",
            Model = "smart",
            SystemPrompt = "Be kind.",
            Metadata = "{}",
            CreatedAt = Time.GetUtcNow(),
            UpdatedAt = Time.GetUtcNow(),
        }));
        Assert.That(Guid.Parse(chat.Id).Version, Is.EqualTo(7));
        Chats.Verify(c => c.CreateAsync(chat, null, None), Times.Once);
    }

    [Test]
    public void CreateAsync_UnknownModel_IsRefusedAndNothingIsStored()
    {
        var failure = Assert.ThrowsAsync<InvalidRequestException>(() => service.CreateAsync(new NewChat { UserId = UserId, Model = "slow" }, None));

        Assert.That(failure.Code, Is.EqualTo("unknown_model"));
        Chats.VerifyNoOtherCalls();
    }

    [Test]
    public async Task CreateAsync_NewKey_IsClaimedWithTheChat()
    {
        HasKey(null);
        Chats.Setup(c => c.CreateAsync(It.IsAny<Chat>(), It.IsAny<IdempotencyKey>(), None)).ReturnsAsync(default(KeyedRequest));

        var created = await service.CreateAsync(Keyed, None);

        Assert.That(created.IsReplay, Is.False);
        Chats.Verify(c => c.CreateAsync(
            created.Chat, It.Is<IdempotencyKey>(k => k.UserId == UserId && k.Value == "key-1" && k.ExpiredBefore == Time.GetUtcNow().AddHours(-24)), None));
    }

    [Test]
    public async Task CreateAsync_KnownKey_IsTheChatOfTheFirstRequestAsItWasThen()
    {
        var createdAt = Time.GetUtcNow().AddHours(-1);
        HasKey(new KeyedRequest(Fingerprint(Keyed), "chat-7", createdAt));

        var created = await service.CreateAsync(Keyed, None);

        Assert.That(created, Is.EqualTo(new CreatedChat(
            new Chat { Id = "chat-7", UserId = UserId, Title = "Trip", CreatedAt = createdAt, UpdatedAt = createdAt }, IsReplay: true)));
        Chats.VerifyNoOtherCalls();
    }

    [Test]
    public async Task CreateAsync_KnownKeyOfAModelThatIsGone_IsAnsweredAllTheSame()
    {
        var request = Keyed with { Model = "gone" };
        HasKey(new KeyedRequest(Fingerprint(request), "chat-7", Time.GetUtcNow()));

        var created = await service.CreateAsync(request, None);

        Assert.That((created.Chat.Id, created.IsReplay), Is.EqualTo(("chat-7", true)));
    }

    [Test]
    public async Task CreateAsync_KeyIsTakenThisMoment_IsTheOtherChat()
    {
        HasKey(null);
        Chats.Setup(c => c.CreateAsync(It.IsAny<Chat>(), It.IsAny<IdempotencyKey>(), None))
            .ReturnsAsync(new KeyedRequest(Fingerprint(Keyed), "chat-7", Time.GetUtcNow()));

        var created = await service.CreateAsync(Keyed, None);

        Assert.That((created.Chat.Id, created.IsReplay), Is.EqualTo(("chat-7", true)));
    }

    private static IEnumerable<TestCaseData> OtherRequests()
    {
        yield return new TestCaseData(Keyed with { Title = "Work" }).SetArgDisplayNames("title");
        yield return new TestCaseData(Keyed with { Model = "fast" }).SetArgDisplayNames("model");
        yield return new TestCaseData(Keyed with { SystemPrompt = "" }).SetArgDisplayNames("system_prompt");
        yield return new TestCaseData(Keyed with { Metadata = "{}" }).SetArgDisplayNames("metadata");
    }

    [TestCaseSource(nameof(OtherRequests))]
    public void CreateAsync_KeyOfAnotherRequest_IsRefused(NewChat other)
    {
        HasKey(new KeyedRequest(Fingerprint(Keyed), "chat-7", Time.GetUtcNow()));

        var failure = Assert.ThrowsAsync<InvalidRequestException>(() => service.CreateAsync(other, None));

        Assert.That(failure.Code, Is.EqualTo("idempotency_key_reused"));
    }

    [Test]
    public async Task GetMessagesAsync_ReplyIsBeingWritten_ShowsWhatThereIs()
    {
        var run = await WritingAsync("Once upon");
        HasPage(NewMessage(1), InProgress(2, run.RunId));

        var page = await service.GetMessagesAsync(UserId, ChatId, default, 10, None);

        Assert.That(page!.Messages.Select(m => (m.Content, m.Status)), Is.EqualTo(new[]
        {
            ("Hi", MessageStatus.Completed), ("Once upon", MessageStatus.InProgress),
        }));
    }

    [Test]
    public async Task StreamMessagesAsync_ReplyIsBeingWritten_ShowsWhatThereIs()
    {
        var run = await WritingAsync("Once upon");
        HasPage(NewMessage(1), InProgress(2, run.RunId));

        var messages = await service.StreamMessagesAsync(UserId, ChatId, default, None);

        Assert.That(await messages!.Select(m => m.Content).ToListAsync(), Is.EqualTo(new[] { "Hi", "Once upon" }));
    }

    [Test]
    public async Task GetMessagesAsync_ReplyEndsWhileThePageIsRead_IsShownWhole()
    {
        var ended = InProgress(2, "run-1") with { Content = "Once upon a time", Status = MessageStatus.Completed };
        HasPage(InProgress(2, "run-1"));
        HasNews(isEnded: true);
        Messages.Setup(m => m.GetAsync(UserId, ended.Id, None)).ReturnsAsync(ended);

        var page = await service.GetMessagesAsync(UserId, ChatId, default, 10, None);

        Assert.That(page!.Messages.Single(), Is.EqualTo(ended));
    }

    [Test]
    public async Task GetMessagesAsync_ReplyIsWrittenElsewhere_ShowsWhatIsStoredOfIt()
    {
        var source = new Source { Number = 1, Title = "A page", Url = "https://example.com/a", Excerpt = "" };
        HasPage(NewMessage(1), InProgress(2, "run-1"));
        HasNews(
            isEnded: false, new RunText("run-1", 2, 0, "", new SourceFound(2, 0, source)), new RunText("run-1", 5, 0, "Once "), new RunText("run-1", 9, 5, "upon"));

        var page = await service.GetMessagesAsync(UserId, ChatId, default, 10, None);

        var message = page!.Messages[1];
        Assert.That((message.Content, message.Status), Is.EqualTo(("Once upon", MessageStatus.InProgress)));
        Assert.That(message.Sources, Is.EqualTo(new[] { source }));
        Assert.That(PagesRead(), Is.EqualTo(1));
    }

    [Test]
    public async Task GetMessagesAsync_ReplyIsWrittenElsewhereAndTheChatGoes_ShowsWhatWasRead()
    {
        HasPage(InProgress(2, "run-1"));
        HasNews(isEnded: true);
        Messages.Setup(m => m.GetAsync(UserId, It.IsAny<string>(), None)).ReturnsAsync(default(Message));

        var page = await service.GetMessagesAsync(UserId, ChatId, default, 10, None);

        Assert.That(page!.Messages.Single(), Is.EqualTo(InProgress(2, "run-1")));
    }

    [Test]
    public async Task GetMessagesAsync_UnknownChat_IsNull()
    {
        Messages.Setup(m => m.GetPageAsync(UserId, ChatId, default, 10, None)).ReturnsAsync(default(MessagePage));

        var page = await service.GetMessagesAsync(UserId, ChatId, default, 10, None);

        Assert.That(page, Is.Null);
    }

    [Test]
    public async Task UpdateAsync_NothingGiven_ShowsTheChatAndChangesNothing()
    {
        var chat = await service.UpdateAsync(UserId, ChatId, new ChatChanges(), None);

        Assert.That(chat, Is.EqualTo(NewChat(ChatId)));
        Chats.Verify(c => c.GetAsync(UserId, ChatId, None), Times.Once);
        Chats.VerifyNoOtherCalls();
    }

    [Test]
    public async Task UpdateAsync_ModelEmptied_IsAChange()
    {
        var changes = new ChatChanges { Model = null };
        Chats.Setup(c => c.UpdateAsync(UserId, ChatId, changes, Time.GetUtcNow(), None)).ReturnsAsync(NewChat(ChatId));

        var chat = await service.UpdateAsync(UserId, ChatId, changes, None);

        Assert.That(chat, Is.Not.Null);
    }

    [Test]
    public void UpdateAsync_UnknownModel_IsRefusedAndNothingIsStored()
    {
        var failure = Assert.ThrowsAsync<InvalidRequestException>(() => service.UpdateAsync(UserId, ChatId, new ChatChanges { Model = "slow" }, None));

        Assert.That(failure.Code, Is.EqualTo("unknown_model"));
        Chats.VerifyNoOtherCalls();
    }

    [Test]
    public async Task DeleteAsync_ChatWithARunningReply_StopsIt()
    {
        NeverAnswers();
        FinishesRuns((_, _) => Task.FromResult(new AiChat.Core.Runs.FinishedRun(AiChat.Core.Runs.FinishOutcome.ChatDeleted, Next: null)));
        Chats.Setup(c => c.DeleteAsync(UserId, ChatId, None)).ReturnsAsync(NewChat(ChatId));
        var run = await Service.StartAsync(Send(), None);

        var deleted = await service.DeleteAsync(UserId, ChatId, None);

        Assert.That((deleted?.Id, (await InTime(run!.Completion)).Error!.Code), Is.EqualTo((ChatId, "chat_deleted")));
    }

    [Test]
    public async Task DeleteAsync_ChatOfSomebodyElse_LeavesItsReplyAlone()
    {
        var answer = new TaskCompletionSource<Microsoft.Extensions.AI.ChatResponse>();
        Answers((_, ct) => answer.Task.WaitAsync(ct));
        Chats.Setup(c => c.DeleteAsync("bob", ChatId, None)).ReturnsAsync((Chat?)null);
        var run = await Service.StartAsync(Send(), None);

        var deleted = await service.DeleteAsync("bob", ChatId, None);
        answer.SetResult(Reply("Still here."));

        Assert.That((deleted?.Id, (await InTime(run!.Completion)).Reply), Is.EqualTo(((string?)null, "Still here.")));
    }

    [Test]
    public async Task StreamMessagesAsync_ManyMessages_ReadsThemPageByPageAsTheyAreAskedFor()
    {
        HasMessages(1201);

        var messages = await service.StreamMessagesAsync(UserId, ChatId, default, None);
        var pagesAtFirst = PagesRead();
        var sequences = await messages!.Select(m => m.Sequence).ToListAsync();

        Assert.That(pagesAtFirst, Is.EqualTo(1));
        Assert.That(PagesRead(), Is.EqualTo(3));
        Assert.That(sequences, Is.EqualTo(Enumerable.Range(1, 1201)));
    }

    [Test]
    public async Task StreamMessagesAsync_Range_IsKeptOnEveryPage()
    {
        HasMessages(1201);

        var messages = await service.StreamMessagesAsync(UserId, ChatId, new MessageRange { After = 100, Before = 900 }, None);

        Assert.That(await messages!.Select(m => m.Sequence).ToListAsync(), Is.EqualTo(Enumerable.Range(101, 799)));
    }

    [Test]
    public async Task StreamMessagesAsync_UnknownChat_IsNull()
    {
        Messages.Setup(m => m.GetPageAsync(UserId, ChatId, It.IsAny<MessageRange>(), It.IsAny<int>(), None)).ReturnsAsync((MessagePage?)null);

        var messages = await service.StreamMessagesAsync(UserId, ChatId, default, None);

        Assert.That(messages, Is.Null);
    }

    [Test]
    public async Task StreamMessagesAsync_ChatDeletedMeanwhile_EndsWithWhatWasThere()
    {
        HasMessages(1201);
        Messages.Setup(m => m.GetPageAsync(UserId, ChatId, It.Is<MessageRange>(r => r.After > 0), It.IsAny<int>(), It.IsAny<CancellationToken>()))
            .ReturnsAsync((MessagePage?)null);

        var messages = await service.StreamMessagesAsync(UserId, ChatId, default, None);

        Assert.That(await messages!.CountAsync(), Is.EqualTo(500));
    }

    private static string Fingerprint(NewChat request) =>
        IdempotencyKey.GetFingerprint("create_chat", request.Title, request.Model, request.SystemPrompt, request.Metadata);

    private static Message InProgress(int sequence, string runId) =>
        NewMessage(sequence) with { Role = MessageRole.Assistant, Content = "", Status = MessageStatus.InProgress, RunId = runId };

    /// <summary>A run whose reply is that far and grows no further.</summary>
    private async Task<RunHandle> WritingAsync(string text)
    {
        var model = StreamsWhatIsWritten();
        var run = await Service.StartAsync(Send(), None);
        model.TryWrite(text);
        return run!;
    }

    private void HasPage(params Message[] page) => Messages
        .Setup(m => m.GetPageAsync(UserId, ChatId, It.IsAny<MessageRange>(), It.IsAny<int>(), None))
        .ReturnsAsync(new MessagePage { Messages = page });

    private void HasNews(bool isEnded, params RunText[] texts) => Runs
        .Setup(r => r.GetNewsAsync(new[] { new RunCursor("run-1", 0) }, None))
        .ReturnsAsync([new RunNews { RunId = "run-1", FirstSequence = 1, IsEnded = isEnded, Texts = texts }]);

    private int PagesRead() => Messages.Invocations.Count(i => i.Method.Name == nameof(IMessageRepository.GetPageAsync));

    private void HasMessages(int count) => Messages
        .Setup(m => m.GetPageAsync(UserId, ChatId, It.IsAny<MessageRange>(), It.IsAny<int>(), It.IsAny<CancellationToken>()))
        .ReturnsAsync((string _, string _, MessageRange range, int limit, CancellationToken _) =>
        {
            var asked = Enumerable.Range(1, count).Where(s => s > range.After && s < (range.Before ?? int.MaxValue)).ToList();
            return new MessagePage { Messages = [.. asked.Take(limit).Select(NewMessage)], HasNewer = asked.Count > limit };
        });

    private static Message NewMessage(int sequence) => new()
    {
        Id = $"message-{sequence}",
        ChatId = ChatId,
        Sequence = sequence,
        Role = MessageRole.User,
        Content = "Hi",
        Status = MessageStatus.Completed,
        CreatedAt = default,
        UpdatedAt = default,
    };
}
