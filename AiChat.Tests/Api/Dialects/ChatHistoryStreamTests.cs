using System.Text;
using System.Text.Json;
using AiChat.Core.Chats;
using AiChat.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using Moq;

namespace AiChat.Tests.Api.Dialects;

/// <summary>Whole lists of seed 001 leave the server while they are read from the database.</summary>
public sealed class ChatHistoryStreamTests : ChatHistoryTestBase
{
    private const int PageSize = 500;

    private readonly string chatId = Guid.CreateVersion7().ToString();

    private TaskCompletionSource second = null!;

    [SetUp]
    public void HoldTheSecondPage() => second = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

    [Test]
    public async Task Messages_FirstPageIsRead_AreSentBeforeTheNextOne()
    {
        StartApp(services => services.AddSingleton(CreateMessages()));

        var (beginning, reply) = await ReadInTwoAsync($"/conversations/{chatId}/messages?user_id=alice");

        Assert.Multiple(() =>
        {
            Assert.That(beginning, Does.StartWith($$"""{"conversation_id":"{{chatId}}","messages":[{"message_id":"""));
            Assert.That(reply.GetProperty("messages").Texts("content"), Is.EqualTo(Enumerable.Range(1, 2 * PageSize).Select(ToContent)));
        });
    }

    [Test]
    public async Task Conversations_FirstPageIsRead_AreSentBeforeTheNextOne()
    {
        StartApp(services => services.AddSingleton(CreateChats()));

        var (beginning, reply) = await ReadInTwoAsync("/users/alice/conversations");

        Assert.Multiple(() =>
        {
            Assert.That(beginning, Does.StartWith("""{"user_id":"alice","conversations":[{"conversation_id":"""));
            Assert.That(reply.GetProperty("conversations").GetArrayLength(), Is.EqualTo(2 * PageSize));
        });
    }

    /// <summary>The beginning of the answer, which is there before the second page is read, and then all of it.</summary>
    private async Task<(string Beginning, JsonElement Whole)> ReadInTwoAsync(string path)
    {
        using var response = await App.Client.GetAsync(path, HttpCompletionOption.ResponseHeadersRead);
        await using var body = await response.Content.ReadAsStreamAsync();
        var beginning = new byte[300];
        await body.ReadExactlyAsync(beginning);
        second.SetResult();
        using var rest = new StreamReader(body);
        var text = Encoding.UTF8.GetString(beginning);
        return (text, JsonElement.Parse(text + await rest.ReadToEndAsync()));
    }

    private IMessageRepository CreateMessages()
    {
        var messages = new Mock<IMessageRepository>();
        messages
            .Setup(m => m.GetPageAsync("alice", chatId, It.IsAny<MessageRange>(), PageSize, It.IsAny<CancellationToken>()))
            .Returns<string, string, MessageRange, int, CancellationToken>(async (_, _, range, _, ct) =>
            {
                if (range.After > 0)
                    await second.Task.WaitAsync(ct);
                return new MessagePage { Messages = [.. Enumerable.Range(range.After!.Value + 1, PageSize).Select(ToMessage)], HasNewer = range.After == 0 };
            });
        return messages.Object;
    }

    private IChatRepository CreateChats()
    {
        var next = new ChatCursor(DateTimeOffset.UnixEpoch, chatId);
        var chats = new Mock<IChatRepository>();
        chats
            .Setup(c => c.ListAsync("alice", PageSize, It.IsAny<ChatCursor?>(), It.IsAny<CancellationToken>()))
            .Returns<string, int, ChatCursor?, CancellationToken>(async (_, _, after, ct) =>
            {
                if (after is not null)
                    await second.Task.WaitAsync(ct);
                return new ChatPage { Chats = [.. Enumerable.Range(0, PageSize).Select(_ => ToChat())], Next = after is null ? next : null, Total = 2 * PageSize };
            });
        return chats.Object;
    }

    private static string ToContent(int sequence) => $"{sequence} {new string('x', 200)}";

    private Message ToMessage(int sequence) => new()
    {
        Id = Guid.CreateVersion7().ToString(),
        ChatId = chatId,
        Sequence = sequence,
        Role = MessageRole.User,
        Content = ToContent(sequence),
        Status = MessageStatus.Completed,
        CreatedAt = DateTimeOffset.UnixEpoch,
        UpdatedAt = DateTimeOffset.UnixEpoch,
    };

    private static Chat ToChat() => new()
    {
        Id = Guid.CreateVersion7().ToString(),
        UserId = "alice",
        CreatedAt = DateTimeOffset.UnixEpoch,
        UpdatedAt = DateTimeOffset.UnixEpoch,
    };
}
