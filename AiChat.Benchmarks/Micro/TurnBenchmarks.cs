using AiChat.Core.Budgets;
using AiChat.Core.Chats;
using AiChat.Core.Memory;
using AiChat.Core.Models;
using AiChat.Core.Nodes;
using AiChat.Core.Runs;
using AiChat.Core.Usage;
using AiChat.Core.WebSearch;
using AiChat.Infrastructure.Chats;
using AiChat.Infrastructure.Idempotency;
using AiChat.Infrastructure.Nodes;
using AiChat.Infrastructure.Persistence.Sqlite;
using AiChat.Infrastructure.Runs;
using AiChat.Infrastructure.Usage;
using BenchmarkDotNet.Attributes;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace AiChat.Benchmarks.Micro;

/// <summary>A whole turn, durably stored, with a model that answers at once: all that a send costs beside HTTP and the model.</summary>
public class TurnBenchmarks
{
    private BenchmarkDatabase database = null!;
    private RunExecutor executor = null!;
    private RunService service = null!;
    private string[] chatIds = [];
    private int next;

    [GlobalSetup]
    public void SetUp()
    {
        database = BenchmarkDatabase.Create();
        chatIds = database.Fill(chats: 100, messages: 20);

        var models = new ModelsOptions();
        models.Aliases[ModelsOptions.DefaultAlias] = new ModelAliasOptions { Candidates = [new() { Provider = InstantProvider.ProviderName, Model = "instant" }] };
        var registry = new ModelRegistry(
            [new InstantProvider()], Options.Create(models), Options.Create(new RoutingOptions()), new ChatTelemetry(includeContents: false),
            TimeProvider.System, NullLogger<CandidateCircuit>.Instance);
        var node = new Node();
        var signals = new NoSignals();
        var chats = new ChatRepository(database.Sqlite);
        var runs = new RunRepository(database.Sqlite, node);
        var messages = new MessageRepository(database.Sqlite);
        var context = new ContextBuilder(messages, Options.Create(new MemoryOptions()));
        var options = Options.Create(new RunOptions());
        var budgets = new BudgetPolicy(Options.Create(new BudgetOptions()));
        var usage = new UsageRepository(database.Sqlite, budgets);
        var lifetime = new EndlessLifetime();
        var calls = new SideCalls(registry, usage, lifetime, TimeProvider.System, NullLogger<SideCalls>.Instance);
        var webOptions = Options.Create(new WebSearchOptions());
        var web = new WebSearchService([], null!, webOptions, TimeProvider.System, NullLogger<WebSearchService>.Instance);
        var queries = new SearchQueryWriter(messages, calls, webOptions);
        var generator = new RunGenerator(context, queries, web, options, TimeProvider.System, NullLogger<RunGenerator>.Instance);
        var titles = new TitleWriter(chats, calls, Options.Create(new TitleOptions()), NullLogger<TitleWriter>.Instance);
        executor = new RunExecutor(runs, generator, titles, signals, options, lifetime, TimeProvider.System, NullLogger<RunExecutor>.Instance);
        var nodes = new NodeRepository(database.Sqlite, node);
        var mirrors = new RunMirrors(runs, nodes, executor, signals, TimeProvider.System, NullLogger<RunMirrors>.Instance);
        service = new RunService(
            chats, messages, runs, new IdempotencyRepository(database.Sqlite), registry, context, web, budgets, executor, mirrors, signals, options, TimeProvider.System);
    }

    [GlobalCleanup]
    public void CleanUp()
    {
        executor.Dispose();
        database.Dispose();
    }

    [Benchmark]
    public async Task<RunResult> Turn()
    {
        var run = await service.StartAsync(
            new SendCommand { UserId = BenchmarkDatabase.UserId, ChatId = chatIds[next++ % chatIds.Length], Message = "And then?" }, CancellationToken.None);
        return await run!.WaitAsync(CancellationToken.None);
    }

    private sealed class InstantProvider : IProvider
    {
        public const string ProviderName = "instant";

        public string Name => ProviderName;

        public string? MissingSetting => null;

        public string? KeySetting => null;

        public IChatClient CreateChatClient(string model) => new InstantChatClient();
    }

    private sealed class InstantChatClient : IChatClient
    {
        public Task<ChatResponse> GetResponseAsync(
            IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
            throw new NotSupportedException();

        public IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
            IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
            new ChatResponse(new ChatMessage(ChatRole.Assistant, "They lived happily ever after, as far as anybody knows."))
            {
                FinishReason = ChatFinishReason.Stop,
                Usage = new UsageDetails { InputTokenCount = 100, OutputTokenCount = 14 },
            }.ToChatResponseUpdates().ToAsyncEnumerable();

        public object? GetService(Type serviceType, object? serviceKey = null) => null;

        public void Dispose()
        {
        }
    }

    /// <summary>A host that never stops.</summary>
    private sealed class EndlessLifetime : IHostApplicationLifetime
    {
        public CancellationToken ApplicationStarted => CancellationToken.None;

        public CancellationToken ApplicationStopping => CancellationToken.None;

        public CancellationToken ApplicationStopped => CancellationToken.None;

        public void StopApplication()
        {
        }
    }
}
