using AiChat.Core.Chats;
using AiChat.Infrastructure.Chats;
using BenchmarkDotNet.Attributes;

namespace AiChat.Benchmarks.Micro;

/// <summary>What clients read most, from a file with 2,000 chats and one of 10,000 messages.</summary>
public class ReadBenchmarks
{
    private BenchmarkDatabase database = null!;
    private ChatRepository chats = null!;
    private MessageRepository messages = null!;
    private string longChatId = "";

    [GlobalSetup]
    public void SetUp()
    {
        database = BenchmarkDatabase.Create();
        database.Fill(chats: 2000, messages: 20);
        longChatId = database.Fill(chats: 1, messages: 10_000)[0];
        chats = new ChatRepository(database.Sqlite);
        messages = new MessageRepository(database.Sqlite);
    }

    [GlobalCleanup]
    public void CleanUp() => database.Dispose();

    [Benchmark]
    public Task<MessagePage?> PageOf20Messages() =>
        messages.GetPageAsync(BenchmarkDatabase.UserId, longChatId, default, 20, CancellationToken.None);

    [Benchmark]
    public Task<ChatPage> ListOf50Chats() => chats.ListAsync(BenchmarkDatabase.UserId, 50, after: null, CancellationToken.None);
}
