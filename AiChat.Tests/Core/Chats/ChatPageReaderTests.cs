using AiChat.Core.Chats;
using AiChat.Tests.Core.Runs;
using Microsoft.Extensions.Options;
using Moq;

namespace AiChat.Tests.Core.Chats;

/// <summary>The messages of a page of chats, over a database that does as it is told.</summary>
public sealed class ChatPageReaderTests : RunTestBase
{
    private static readonly DateTimeOffset Start = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);

    private readonly List<Message> stored = [];
    private readonly Dictionary<string, DateTimeOffset> updated = [];
    private ChatService service = null!;

    [SetUp]
    public void SetUp()
    {
        stored.Clear();
        updated.Clear();
        service = new ChatService(Chats.Object, Messages.Object, Runs.Object, Keys.Object, Registry, Executor, Options.Create(Settings), Time);
        Messages.Setup(m => m.GetPageOfChatsAsync(UserId, It.IsAny<ChatCursor>(), It.IsAny<int>(), It.IsAny<ChatCursor>(), 500, It.IsAny<CancellationToken>()))
            .ReturnsAsync((string _, ChatCursor first, int after, ChatCursor last, int limit, CancellationToken _) => ReadPage(first, after, last, limit));
        Messages.Setup(m => m.GetPageAsync(UserId, It.IsAny<string>(), It.IsAny<MessageRange>(), 500, It.IsAny<CancellationToken>()))
            .ReturnsAsync((string _, string chatId, MessageRange range, int _, CancellationToken _) => ReadAlone(chatId, range.After!.Value));
    }

    [Test]
    public async Task WithMessages_AFullPageOfChats_IsReadInAFewStatements()
    {
        var page = NewPage(100, messages: 60);

        var shown = await ReadAsync(page);

        Assert.Multiple(() =>
        {
            Assert.That(shown, Is.EqualTo(Expect(page)));
            Assert.That(Count(nameof(IMessageRepository.GetPageOfChatsAsync)), Is.EqualTo(12));
            Assert.That(Count(nameof(IMessageRepository.GetPageAsync)), Is.Zero);
        });
    }

    [TestCase(0, 0)]
    [TestCase(1, 1)]
    [TestCase(249, 1)]
    [TestCase(250, 1)]
    [TestCase(251, 2)]
    [TestCase(1000, 4)]
    public async Task WithMessages_TwoChatsOfThisLength_AreWhole(int messages, int statements)
    {
        var page = NewPage(2, messages);

        var shown = await ReadAsync(page);

        Assert.That(shown, Is.EqualTo(Expect(page)));
        Assert.That(Count(nameof(IMessageRepository.GetPageOfChatsAsync)), Is.EqualTo(statements));
    }

    [Test]
    public async Task WithMessages_ChatsWithoutMessages_AreThereAndCostNothing()
    {
        var page = NewPage(3, messages: 2);
        stored.RemoveAll(m => m.ChatId == page.Chats[1].Id);
        page = page with { Chats = [page.Chats[0], page.Chats[1] with { MessageCount = 0 }, page.Chats[2]] };

        var shown = await ReadAsync(page);

        Assert.That(shown, Is.EqualTo(Expect(page)));
        Assert.That(Count(nameof(IMessageRepository.GetPageOfChatsAsync)), Is.EqualTo(1));
    }

    [Test]
    public async Task WithMessages_EmptyPage_ReadsNothing()
    {
        var shown = await ReadAsync(NewPage(0, messages: 0));

        Assert.That(shown, Is.Empty);
    }

    /// <summary>What it said by then is read by itself, behind what was read.</summary>
    [Test]
    public async Task WithMessages_ChatThatLeavesItsPlace_IsWholeAllTheSame()
    {
        var page = NewPage(3, messages: 400);
        var expected = Expect(page);

        // The first chat and a quarter of the second are read; then the second is updated.
        var shown = await ReadAsync(page, afterFirst: () => updated["chat-1"] = Start.AddDays(1));

        Assert.That(shown, Is.EqualTo(expected));
        Assert.That(Count(nameof(IMessageRepository.GetPageAsync)), Is.EqualTo(1));
    }

    [Test]
    public async Task WithMessages_LaterChatThatComesForward_IsShownInItsPlaceOnce()
    {
        var page = NewPage(3, messages: 2);
        var expected = Expect(page);
        updated["chat-2"] = Start.AddSeconds(-0.5);

        var shown = await ReadAsync(page);

        Assert.That(shown, Is.EqualTo(expected));
    }

    [Test]
    public async Task WithMessages_ChatThatCameIntoThePageSince_IsLeftOut()
    {
        var page = NewPage(2, messages: 2);
        var expected = Expect(page);
        stored.Add(NewMessage("stranger", 1));
        updated["stranger"] = Start.AddSeconds(-0.5);

        var shown = await ReadAsync(page);

        Assert.That(shown, Is.EqualTo(expected));
        Assert.That(Count(nameof(IMessageRepository.GetPageAsync)), Is.Zero);
    }

    [Test]
    public async Task WithMessages_ChatThatIsDeleted_KeepsWhatWasRead()
    {
        var page = NewPage(3, messages: 400);
        var expected = Expect(page);

        var shown = await ReadAsync(page, afterFirst: () => Delete("chat-1"));

        Assert.That(shown[1], Is.EqualTo(expected[1][..100]));
        Assert.That((shown[0], shown[2]), Is.EqualTo((expected[0], expected[2])));
    }

    private static Message NewMessage(string chatId, int sequence) => new()
    {
        Id = $"{chatId}-{sequence}",
        ChatId = chatId,
        Sequence = sequence,
        Role = MessageRole.User,
        Content = "Hi",
        Status = MessageStatus.Completed,
        CreatedAt = default,
        UpdatedAt = default,
    };

    private int Count(string method) => Messages.Invocations.Count(i => i.Method.Name == method);

    /// <summary>Chats of the same length, all of which are stored.</summary>
    private ChatPage NewPage(int chats, int messages)
    {
        var page = Enumerable.Range(0, chats)
            .Select(i => NewChat($"chat-{i}") with { MessageCount = messages, UpdatedAt = Start.AddSeconds(-i) }).ToList();
        foreach (var chat in page)
        {
            updated.Add(chat.Id, chat.UpdatedAt);
            stored.AddRange(Enumerable.Range(1, messages).Select(sequence => NewMessage(chat.Id, sequence)));
        }

        return new ChatPage { Chats = page, Total = chats };
    }

    /// <summary>The ids of every chat's messages, as they are stored now.</summary>
    private List<string[]> Expect(ChatPage page) => page.Chats.Select(c => stored.Where(m => m.ChatId == c.Id).Select(m => m.Id).ToArray()).ToList();

    private void Delete(string chatId)
    {
        updated.Remove(chatId);
        stored.RemoveAll(m => m.ChatId == chatId);
    }

    private IReadOnlyList<Message> ReadPage(ChatCursor first, int after, ChatCursor last, int limit)
    {
        var chats = updated.Where(c => c.Value <= first.UpdatedAt && c.Value >= last.UpdatedAt).OrderByDescending(c => c.Value);
        return [.. chats.SelectMany(c => stored.Where(m => m.ChatId == c.Key && m.Sequence > (c.Key == first.Id ? after : 0))).Take(limit)];
    }

    private MessagePage? ReadAlone(string chatId, int after)
    {
        var all = stored.FindAll(m => m.ChatId == chatId);
        return all.Count == 0 ? null : new MessagePage { Messages = [.. all.Where(m => m.Sequence > after)] };
    }

    private async Task<List<string[]>> ReadAsync(ChatPage page, Action? afterFirst = null)
    {
        var shown = new List<string[]>();
        foreach (var chat in service.WithMessages(UserId, page))
        {
            shown.Add(await chat.Messages.Select(m => m.Id).ToArrayAsync());
            if (shown.Count == 1)
                afterFirst?.Invoke();
        }

        return shown;
    }
}
