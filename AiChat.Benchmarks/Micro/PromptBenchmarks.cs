using AiChat.Core.Chats;
using AiChat.Core.Idempotency;
using AiChat.Core.Memory;
using BenchmarkDotNet.Attributes;
using Microsoft.Extensions.Options;

namespace AiChat.Benchmarks.Micro;

/// <summary>What the server adds to a send before the model is asked, the database apart.</summary>
public class PromptBenchmarks
{
    private const int HistoryMessages = 100;

    private static readonly string Text = string.Concat(Enumerable.Repeat("What a lovely day, isn't it? ", 10));

    private readonly ContextBuilder context = new(new StoredHistory(), Options.Create(new MemoryOptions { HistoryTokens = 100_000 }));

    private readonly PromptRequest request = new()
    {
        UserId = "anna",
        ChatId = "chat",
        Message = Text,
        Sequence = HistoryMessages + 1,
        ReplySequence = HistoryMessages + 2,
        SystemPrompt = Text,
        BudgetTokens = 100_000,
    };

    [Benchmark]
    public int EstimateTokens() => TokenEstimator.Count(Text);

    [Benchmark]
    public Task<Prompt> BuildPromptFrom100Messages() => context.BuildAsync(request, CancellationToken.None);

    /// <summary>Messages that are there without being read.</summary>
    private sealed class StoredHistory : IMessageRepository
    {
        private readonly HistoryMessage[] newestFirst = [.. Enumerable.Range(1, HistoryMessages).Reverse().Select(sequence => new HistoryMessage
        {
            Sequence = sequence,
            Role = sequence % 2 == 1 ? MessageRole.User : MessageRole.Assistant,
            Content = Text,
        })];

        public Task<MessageAdmission> AddAsync(
            string id, NewMessage message, IdempotencyKey? key, DateTimeOffset now, CancellationToken cancellationToken) =>
            throw new NotSupportedException();

        public Task<Message?> GetAsync(string userId, string messageId, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<MessagePage?> GetPageAsync(string userId, string chatId, MessageRange range, int limit, CancellationToken cancellationToken) =>
            throw new NotSupportedException();

        public Task<IReadOnlyList<Message>> GetPageOfChatsAsync(
            string userId, ChatCursor first, int after, ChatCursor last, int limit, CancellationToken cancellationToken) => throw new NotSupportedException();

        public IAsyncEnumerable<HistoryMessage> ReadBackwardsAsync(
            string userId, string chatId, int beforeSequence, CancellationToken cancellationToken) => newestFirst.ToAsyncEnumerable();
    }
}
