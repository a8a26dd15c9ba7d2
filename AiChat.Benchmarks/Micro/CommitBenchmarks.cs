using AiChat.Core.Chats;
using AiChat.Infrastructure.Chats;
using BenchmarkDotNet.Attributes;

namespace AiChat.Benchmarks.Micro;

/// <summary>Chats made durably, by one writer and by many at once, who share their commits. The time is that of one chat.</summary>
public class CommitBenchmarks
{
    private const int Chats = 512;

    private BenchmarkDatabase database = null!;
    private ChatRepository chats = null!;

    [Params(1, 32)]
    public int Writers { get; set; }

    [GlobalSetup]
    public void SetUp()
    {
        database = BenchmarkDatabase.Create();
        chats = new ChatRepository(database.Sqlite);
    }

    [GlobalCleanup]
    public void CleanUp() => database.Dispose();

    [Benchmark(OperationsPerInvoke = Chats)]
    public Task CreateChat() => Task.WhenAll(Enumerable.Range(0, Writers).Select(_ => Task.Run(WriteAsync)));

    private async Task WriteAsync()
    {
        for (var i = 0; i < Chats / Writers; i++)
        {
            var now = DateTimeOffset.UtcNow;
            await chats.CreateAsync(
                new Chat { Id = Guid.CreateVersion7(now).ToString(), UserId = BenchmarkDatabase.UserId, CreatedAt = now, UpdatedAt = now }, key: null,
                CancellationToken.None);
        }
    }
}
