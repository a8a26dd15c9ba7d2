using AiChat.Core.Chats;
using AiChat.Core.Idempotency;
using AiChat.Tests.Infrastructure.Persistence;

namespace AiChat.Tests.Infrastructure.Chats;

[TestFixtureSource(typeof(TestDatabase), nameof(TestDatabase.Engines))]
public sealed class ChatRepositoryTests(Engine engine) : RepositoryTestBase(engine)
{
    [Test]
    public async Task CreateAsync_FreeKey_IsStoredWithTheChat()
    {
        var earlier = await Database.Chats.CreateAsync(NewChat("chat-1"), Key(), None);

        Assert.That(earlier, Is.Null);
        Assert.That(await Database.Keys.FindAsync(Key(), None), Is.EqualTo(new KeyedRequest("fingerprint", "chat-1", Start)));
    }

    [Test]
    public async Task CreateAsync_TakenKey_NamesTheFirstChatAndStoresNothing()
    {
        await Database.Chats.CreateAsync(NewChat("chat-1"), Key(), None);

        var earlier = await Database.Chats.CreateAsync(NewChat("chat-2"), Key(fingerprint: "another"), None);

        Assert.That(earlier, Is.EqualTo(new KeyedRequest("fingerprint", "chat-1", Start)));
        Assert.That((await Database.Chats.ListAsync(Anna, 10, after: null, None)).Total, Is.EqualTo(1));
        Assert.That(await Database.Chats.GetAsync(Anna, "chat-2", None), Is.Null);
    }

    [Test]
    public async Task CreateAsync_SameKeyManyTimesAtOnce_MakesOneChat()
    {
        var earlier = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => Database.Chats.CreateAsync(NewChat($"chat-{i}"), Key(), None)));

        Assert.That(earlier.Count(e => e is null), Is.EqualTo(1));
        Assert.That((await Database.Chats.ListAsync(Anna, 100, after: null, None)).Chats, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task CreateAsync_EveryField_IsReadBack()
    {
        var chat = NewChat("chat-1", updatedAt: 9) with
        {
            Title = "Trip to 東京 'quoted' 😀",
            Model = "smart",
            SystemPrompt = "Be kind.\nAlways.",
            Metadata = """{"a":[1,2]}""",
        };

        await Database.Chats.CreateAsync(chat, key: null, None);

        Assert.That(await Database.Chats.GetAsync(Anna, "chat-1", None), Is.EqualTo(chat));
    }

    [Test]
    public async Task CreateAsync_OnlyWhatIsRequired_IsReadBackWithNulls()
    {
        var chat = await CreateChatAsync("chat-1");

        Assert.That(await Database.Chats.GetAsync(Anna, "chat-1", None), Is.EqualTo(chat));
    }

    [Test]
    public async Task GetAsync_ChatOfSomebodyElse_IsNull()
    {
        await CreateChatAsync("chat-1");

        Assert.That(await Database.Chats.GetAsync(Bob, "chat-1", None), Is.Null);
    }

    [Test]
    public async Task GetAsync_UnknownChat_IsNull()
    {
        Assert.That(await Database.Chats.GetAsync(Anna, "chat-1", None), Is.Null);
    }

    [Test]
    public async Task ListAsync_NobodyKnown_IsEmpty()
    {
        var page = await Database.Chats.ListAsync(Anna, 10, after: null, None);

        Assert.That((page.Chats.Count, page.Total, page.Next), Is.EqualTo((0, 0, (ChatCursor?)null)));
    }

    [Test]
    public async Task ListAsync_SeveralChats_AreNewestUpdateFirstAndOnlyTheUsers()
    {
        await CreateChatAsync("a", updatedAt: 2);
        await CreateChatAsync("b", updatedAt: 3);
        await CreateChatAsync("c", updatedAt: 1);
        await CreateChatAsync("d", Bob, updatedAt: 4);

        var page = await Database.Chats.ListAsync(Anna, 10, after: null, None);

        Assert.That(page.Chats.Select(c => c.Id), Is.EqualTo(new[] { "b", "a", "c" }));
        Assert.That((page.Total, page.Next), Is.EqualTo((3, (ChatCursor?)null)));
    }

    [Test]
    public async Task ListAsync_ManyChatsOfOneInstant_PagesShowEachExactlyOnce()
    {
        for (var i = 0; i < 10; i++)
            await CreateChatAsync($"chat-{i}", updatedAt: i / 4);

        var first = await Database.Chats.ListAsync(Anna, 4, after: null, None);
        var second = await Database.Chats.ListAsync(Anna, 4, first.Next, None);
        var third = await Database.Chats.ListAsync(Anna, 4, second.Next, None);

        Assert.That(first.Chats.Concat(second.Chats).Concat(third.Chats).Select(c => c.Id), Is.EqualTo(new[]
        {
            "chat-9", "chat-8", "chat-7", "chat-6", "chat-5", "chat-4", "chat-3", "chat-2", "chat-1", "chat-0",
        }));
        Assert.That((first.Total, second.Total, third.Total, third.Next), Is.EqualTo((10, 10, 10, (ChatCursor?)null)));
    }

    [Test]
    public async Task ListAsync_LastPageIsFull_HasNoNext()
    {
        await CreateChatAsync("a");
        await CreateChatAsync("b");

        var page = await Database.Chats.ListAsync(Anna, 2, after: null, None);

        Assert.That((page.Chats.Count, page.Next), Is.EqualTo((2, (ChatCursor?)null)));
    }

    [Test]
    public async Task SetTitleAsync_ChatWithoutTitle_NamesItAndLeavesItsPlace()
    {
        await Database.Chats.CreateAsync(NewChat("chat-1", updatedAt: 1), key: null, None);
        await Database.Chats.CreateAsync(NewChat("chat-2", updatedAt: 2), key: null, None);

        var isSet = await Database.Chats.SetTitleAsync(Anna, "chat-1", "Trip to 東京", None);

        Assert.That(isSet, Is.True);
        Assert.That((await Database.Chats.ListAsync(Anna, 10, after: null, None)).Chats, Is.EqualTo(new[]
        {
            NewChat("chat-2", updatedAt: 2), NewChat("chat-1", updatedAt: 1) with { Title = "Trip to 東京" },
        }));
    }

    [TestCase(Anna, "titled")]
    [TestCase(Bob, "untitled")]
    [TestCase(Anna, "nowhere")]
    public async Task SetTitleAsync_TitledForeignOrAbsentChat_ChangesNothing(string userId, string chatId)
    {
        await Database.Chats.CreateAsync(NewChat("titled") with { Title = "Mine" }, key: null, None);
        await Database.Chats.CreateAsync(NewChat("untitled"), key: null, None);

        var isSet = await Database.Chats.SetTitleAsync(userId, chatId, "Another", None);

        Assert.That(isSet, Is.False);
        Assert.That(await Database.QueryAsync<string?>("select title from chats order by id"), Is.EqualTo(new[] { "Mine", null }));
    }

    [Test]
    public async Task UpdateAsync_SomeFields_ChangesThemAndNothingElse()
    {
        var chat = NewChat("chat-1") with { Title = "Old", Model = "fast", SystemPrompt = "Be kind.", Metadata = "{}" };
        await Database.Chats.CreateAsync(chat, key: null, None);

        var changed = await Database.Chats.UpdateAsync(Anna, "chat-1", new ChatChanges { Title = "New", Model = null }, At(5), None);

        Assert.That(changed, Is.EqualTo(chat with { Title = "New", Model = null, UpdatedAt = At(5) }));
        Assert.That(await Database.Chats.GetAsync(Anna, "chat-1", None), Is.EqualTo(changed));
    }

    [Test]
    public async Task UpdateAsync_OtherFields_ChangesThem()
    {
        var chat = await CreateChatAsync("chat-1");

        var changed = await Database.Chats.UpdateAsync(
            Anna, "chat-1", new ChatChanges { Model = "smart", SystemPrompt = "Be brief.", Metadata = """{"a":1}""" }, At(5), None);

        Assert.That(changed, Is.EqualTo(chat with { Model = "smart", SystemPrompt = "Be brief.", Metadata = """{"a":1}""", UpdatedAt = At(5) }));
    }

    [Test]
    public async Task UpdateAsync_ChatOfSomebodyElse_IsNullAndChangesNothing()
    {
        var chat = await CreateChatAsync("chat-1");

        var changed = await Database.Chats.UpdateAsync(Bob, "chat-1", new ChatChanges { Title = "Mine" }, At(5), None);

        Assert.That(changed, Is.Null);
        Assert.That(await Database.Chats.GetAsync(Anna, "chat-1", None), Is.EqualTo(chat));
    }

    [Test]
    public async Task DeleteAsync_Chat_TakesItsMessagesAndRunsAndCountsDown()
    {
        await CreateChatAsync("chat-1");
        await CreateChatAsync("chat-2");
        await AddTurnAsync("chat-1");
        await AddTurnAsync("chat-2");

        var deleted = await Database.Chats.DeleteAsync(Anna, "chat-1", None);

        var page = await Database.Chats.ListAsync(Anna, 10, after: null, None);
        Assert.That((deleted!.Id, deleted.MessageCount, page.Chats.Single().Id, page.Total), Is.EqualTo(("chat-1", 2, "chat-2", 1)));
        Assert.That(await Database.QueryAsync<string>("select distinct chat_id from messages"), Is.EqualTo(new[] { "chat-2" }));
        Assert.That(await Database.QueryAsync<string>("select distinct chat_id from runs"), Is.EqualTo(new[] { "chat-2" }));
    }

    [Test]
    public async Task DeleteAsync_Twice_CountsDownOnce()
    {
        await CreateChatAsync("chat-1");
        await CreateChatAsync("chat-2");

        var first = await Database.Chats.DeleteAsync(Anna, "chat-1", None);
        var second = await Database.Chats.DeleteAsync(Anna, "chat-1", None);

        Assert.That((first?.Id, second?.Id, (await Database.Chats.ListAsync(Anna, 10, after: null, None)).Total), Is.EqualTo(("chat-1", (string?)null, 1)));
    }

    [Test]
    public async Task DeleteAsync_ChatOfSomebodyElse_IsNullAndChangesNothing()
    {
        await CreateChatAsync("chat-1");

        var deleted = await Database.Chats.DeleteAsync(Bob, "chat-1", None);

        var page = await Database.Chats.ListAsync(Anna, 10, after: null, None);
        Assert.That((deleted?.Id, page.Chats.Count, page.Total), Is.EqualTo(((string?)null, 1, 1)));
    }
}
