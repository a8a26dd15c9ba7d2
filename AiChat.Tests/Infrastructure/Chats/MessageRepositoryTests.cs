using AiChat.Core.Chats;
using AiChat.Tests.Infrastructure.Persistence;

namespace AiChat.Tests.Infrastructure.Chats;

[TestFixtureSource(typeof(TestDatabase), nameof(TestDatabase.Engines))]
public sealed class MessageRepositoryTests(Engine engine) : RepositoryTestBase(engine)
{
    private const string ChatId = "chat-1";

    [SetUp]
    public Task CreateChat() => CreateChatAsync(ChatId);

    [Test]
    public async Task GetPageAsync_OneTurn_ShowsEveryFieldOfBothMessages()
    {
        await AddTurnAsync(ChatId, "Yes, 東京 😀.");

        var page = await GetPageAsync(10);

        Assert.That(page!.Messages, Is.EqualTo(new[]
        {
            new Message
            {
                Id = "chat-1-run-1-question",
                ChatId = ChatId,
                Sequence = 1,
                Role = MessageRole.User,
                Content = "Question of chat-1-run-1?",
                Status = MessageStatus.Completed,
                CreatedAt = At(1),
                UpdatedAt = At(1),
            },
            new Message
            {
                Id = "chat-1-run-1-reply",
                ChatId = ChatId,
                Sequence = 2,
                Role = MessageRole.Assistant,
                Content = "Yes, 東京 😀.",
                Status = MessageStatus.Completed,
                Model = "oss",
                RunId = "chat-1-run-1",
                CreatedAt = At(1),
                UpdatedAt = At(2),
            },
        }));
    }

    [Test]
    public async Task GetPageAsync_ToolCalls_AreShown()
    {
        await AddTurnAsync(ChatId);
        await Database.ExecuteAsync("update messages set role = 'tool', tool_calls = '[{}]' where sequence = 2");

        var page = await GetPageAsync(10);

        Assert.That((page!.Messages[1].Role, page.Messages[1].ToolCalls), Is.EqualTo((MessageRole.Tool, "[{}]")));
    }

    [TestCase(3, null, null, new[] { 8, 9, 10 }, true, false)]
    [TestCase(10, null, null, new[] { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, false, false)]
    [TestCase(3, null, 8, new[] { 5, 6, 7 }, true, false)]
    [TestCase(3, null, 4, new[] { 1, 2, 3 }, false, false)]
    [TestCase(3, 4, null, new[] { 5, 6, 7 }, true, true)]
    [TestCase(3, 7, null, new[] { 8, 9, 10 }, true, false)]
    [TestCase(3, 0, null, new[] { 1, 2, 3 }, false, true)]
    [TestCase(10, 3, 7, new[] { 4, 5, 6 }, true, false)]
    [TestCase(2, 3, 7, new[] { 4, 5 }, true, true)]
    [TestCase(3, 10, null, new int[0], false, false)]
    [TestCase(3, null, 1, new int[0], false, false)]
    public async Task GetPageAsync_RangeAndLimit_GiveTheRightMessagesAndNeighbours(
        int limit, int? after, int? before, int[] expected, bool hasOlder, bool hasNewer)
    {
        await AddTurnsAsync(5);

        var page = await GetPageAsync(limit, after, before);

        Assert.That(page!.Messages.Select(m => m.Sequence), Is.EqualTo(expected));
        Assert.That((page.HasOlder, page.HasNewer), Is.EqualTo((hasOlder, hasNewer)));
    }

    [Test]
    public async Task GetPageAsync_EmptyChat_IsAnEmptyPage()
    {
        var page = await GetPageAsync(10);

        Assert.That(page!.Messages, Is.Empty);
    }

    [TestCase(null)]
    [TestCase(0)]
    public async Task GetPageAsync_ChatOfSomebodyElse_IsNull(int? after)
    {
        await AddTurnsAsync(1);

        Assert.That(await Database.Messages.GetPageAsync(Bob, ChatId, new MessageRange { After = after }, 10, None), Is.Null);
    }

    [Test]
    public async Task GetPageAsync_UnknownChat_IsNull()
    {
        Assert.That(await Database.Messages.GetPageAsync(Anna, "chat-2", default, 10, None), Is.Null);
    }

    [Test]
    public async Task GetPageAsync_OtherChats_StayOut()
    {
        await CreateChatAsync("chat-0");
        await CreateChatAsync("chat-2");
        await AddTurnAsync("chat-0");
        await AddTurnAsync("chat-2");
        await AddTurnAsync(ChatId);

        var page = await GetPageAsync(10);

        Assert.That(page!.Messages.Select(m => m.ChatId), Is.EqualTo(new[] { ChatId, ChatId }));
    }

    [Test]
    public async Task GetPageOfChatsAsync_SeveralChats_AreInTheOrderOfTheList()
    {
        var chats = await CreatePageAsync();

        var page = await GetPageOfChatsAsync(chats[0], after: 0, chats[^1]);

        Assert.That(page, Is.EqualTo(new[] { "a 1", "a 2", "b 1", "b 2", "b 3", "b 4", "d 1", "d 2" }));
    }

    [TestCase(1, 2, 3, 10, new[] { "b 3", "b 4", "d 1", "d 2" })]
    [TestCase(1, 4, 3, 10, new[] { "d 1", "d 2" })]
    [TestCase(0, 1, 1, 10, new[] { "a 2", "b 1", "b 2", "b 3", "b 4" })]
    [TestCase(0, 0, 3, 3, new[] { "a 1", "a 2", "b 1" })]
    [TestCase(2, 0, 2, 10, new string[0])]
    public async Task GetPageOfChatsAsync_FromTheMiddle_GoesOnRightThere(int first, int after, int last, int limit, string[] expected)
    {
        var chats = await CreatePageAsync();

        var page = await GetPageOfChatsAsync(chats[first], after, chats[last], limit);

        Assert.That(page, Is.EqualTo(expected));
    }

    [Test]
    public async Task GetPageOfChatsAsync_Message_IsThatOfItsChat()
    {
        var chats = await CreatePageAsync();

        var page = await Database.Messages.GetPageOfChatsAsync(Anna, ToCursor(chats[0]), 0, ToCursor(chats[0]), 10, None);

        var own = await Database.Messages.GetPageAsync(Anna, "a", default, 10, None);
        Assert.That(page, Is.EqualTo(own!.Messages));
    }

    [Test]
    public async Task GetPageOfChatsAsync_ChatsOfSomebodyElse_AreNotThere()
    {
        var chats = await CreatePageAsync();

        var page = await Database.Messages.GetPageOfChatsAsync(Bob, ToCursor(chats[0]), 0, ToCursor(chats[^1]), 10, None);

        Assert.That(page, Is.Empty);
    }

    [Test]
    public async Task GetPageOfChatsAsync_ChatThatWasUpdated_HasLeftItsPlace()
    {
        var chats = await CreatePageAsync();
        await Database.Chats.UpdateAsync(Anna, "b", new ChatChanges { Title = "New" }, At(1000), None);

        var page = await GetPageOfChatsAsync(chats[0], after: 0, chats[^1]);

        Assert.That(page, Is.EqualTo(new[] { "a 1", "a 2", "d 1", "d 2" }));
    }

    [Test]
    public async Task ReadBackwardsAsync_Turns_GivesThemNewestFirst()
    {
        await AddTurnsAsync(2);

        var history = await ReadBackwardsAsync(before: 5);

        Assert.That(history, Is.EqualTo(new[]
        {
            new HistoryMessage { Sequence = 4, Role = MessageRole.Assistant, Content = "Yes." },
            new HistoryMessage { Sequence = 3, Role = MessageRole.User, Content = "Question of chat-1-run-3?" },
            new HistoryMessage { Sequence = 2, Role = MessageRole.Assistant, Content = "Yes." },
            new HistoryMessage { Sequence = 1, Role = MessageRole.User, Content = "Question of chat-1-run-1?" },
        }));
    }

    [Test]
    public async Task ReadBackwardsAsync_Before_IsExclusive()
    {
        await AddTurnsAsync(2);

        var history = await ReadBackwardsAsync(before: 3);

        Assert.That(history.Select(m => m.Sequence), Is.EqualTo(new[] { 2, 1 }));
    }

    [TestCase("status = 'failed'")]
    [TestCase("status = 'in_progress'")]
    [TestCase("content = ''")]
    [TestCase("status = 'failed', tool_calls = '[]'")]
    public async Task ReadBackwardsAsync_MessageThatSaysNothing_StaysOut(string change)
    {
        await AddTurnsAsync(2);
        await Database.ExecuteAsync($"update messages set {change} where sequence = 2");

        var history = await ReadBackwardsAsync(before: 5);

        Assert.That(history.Select(m => m.Sequence), Is.EqualTo(new[] { 4, 3, 1 }));
    }

    [TestCase("role = 'system'", MessageRole.System, "Yes.", null)]
    [TestCase("role = 'tool', tool_calls = '\"a\"'", MessageRole.Tool, "Yes.", "\"a\"")]
    [TestCase("role = 'tool', content = ''", MessageRole.Tool, "", null)]
    [TestCase("content = '', tool_calls = '[{}]'", MessageRole.Assistant, "", "[{}]")]
    public async Task ReadBackwardsAsync_AnyRole_IsAmongThem(string change, MessageRole role, string content, string? toolCalls)
    {
        await AddTurnsAsync(2);
        await Database.ExecuteAsync($"update messages set {change} where sequence = 2");

        var history = await ReadBackwardsAsync(before: 5);

        Assert.That(history[2], Is.EqualTo(new HistoryMessage { Sequence = 2, Role = role, Content = content, ToolCalls = toolCalls }));
    }

    [Test]
    public async Task ReadBackwardsAsync_ChatOfSomebodyElse_IsEmpty()
    {
        await AddTurnsAsync(1);

        var history = await Database.Messages.ReadBackwardsAsync(Bob, ChatId, 100, None).ToListAsync();

        Assert.That(history, Is.Empty);
    }

    [Test]
    public async Task ReadBackwardsAsync_StoppedEarlyManyTimes_GivesItsConnectionBack()
    {
        await AddTurnsAsync(3);

        for (var i = 0; i < 100; i++)
            await Database.Messages.ReadBackwardsAsync(Anna, ChatId, 100, None).FirstAsync();

        Assert.That(await ReadBackwardsAsync(before: 100), Has.Count.EqualTo(6));
    }

    private async Task AddTurnsAsync(int count)
    {
        for (var i = 0; i < count; i++)
            await AddTurnAsync(ChatId);
    }

    private Task<MessagePage?> GetPageAsync(int limit, int? after = null, int? before = null) =>
        Database.Messages.GetPageAsync(Anna, ChatId, new MessageRange { After = after, Before = before }, limit, None);

    private async Task<List<HistoryMessage>> ReadBackwardsAsync(int before) =>
        await Database.Messages.ReadBackwardsAsync(Anna, ChatId, before, None).ToListAsync();

    private static ChatCursor ToCursor(Chat chat) => new(chat.UpdatedAt, chat.Id);

    private async Task<IEnumerable<string>> GetPageOfChatsAsync(Chat first, int after, Chat last, int limit = 10)
    {
        var page = await Database.Messages.GetPageOfChatsAsync(Anna, ToCursor(first), after, ToCursor(last), limit, None);
        return page.Select(m => $"{m.ChatId} {m.Sequence}");
    }

    /// <summary>Chats with one turn, two, none, and one, as they are in the list; the last two were updated in the same moment.</summary>
    private async Task<IReadOnlyList<Chat>> CreatePageAsync()
    {
        foreach (var (id, turns) in new[] { ("a", 1), ("b", 2), ("e", 0), ("d", 1) })
        {
            await CreateChatAsync(id);
            for (var i = 0; i < turns; i++)
                await AddTurnAsync(id);
        }

        await Database.ExecuteAsync("update chats set updated_at = case id when 'a' then @A when 'b' then @B else @Others end where id <> @ChatId",
            new { A = At(300), B = At(200), Others = At(100), ChatId });
        return (await Database.Chats.ListAsync(Anna, 4, null, None)).Chats;
    }
}
