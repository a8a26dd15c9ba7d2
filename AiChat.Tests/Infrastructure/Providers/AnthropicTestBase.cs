using AiChat.Core.Models;
using AiChat.Infrastructure.Providers;
using AiChat.Infrastructure.Providers.Anthropic;
using AiChat.Tests.Support;
using Microsoft.Extensions.AI;

namespace AiChat.Tests.Infrastructure.Providers;

/// <summary>A fake server for each test that answers what it is told, and the adapter for Anthropic pointing at it.</summary>
public abstract class AnthropicTestBase
{
    private protected const string Key = "sk-ant-test-5ecret";
    private protected const string Model = "claude-haiku-4-5";

    private readonly List<AnthropicProvider> providers = [];

    private protected FakeLlm Llm { get; private set; } = null!;

    [SetUp]
    public async Task StartServer()
    {
        Llm = await FakeLlm.StartAsync();
        Llm.Handler = request => request.IsStream ? LlmReplies.RawStream(Hello) : LlmReplies.Json(Whole("Hello"));
    }

    [TearDown]
    public async Task StopServer()
    {
        providers.ForEach(p => p.Dispose());
        providers.Clear();
        await Llm.DisposeAsync();
    }

    private protected static string Hello { get; } = Events(
        WireFormat.Anthropic.Begin(Model, new FakeUsage(9, 1)), WireFormat.Anthropic.Piece(Model, "Hello", null),
        WireFormat.Anthropic.End(Model, "stop", new FakeUsage(9, 2)));

    private protected static string Events(params string[] events) => string.Concat(events);

    private protected static string Whole(string text) => WireFormat.Anthropic.Whole(Model, text, "stop", new FakeUsage(9, 2));

    private protected static string Event(string data) => $"event: any\ndata: {data}\n\n";

    private protected ProviderOptions Settings() => new()
    {
        Kind = ProviderOptions.AnthropicKind,
        BaseUrl = Llm.BaseUrl[..^"/v1".Length],
        ApiKey = Key,
    };

    private protected IChatClient Client(ProviderOptions? settings = null) => Provider(settings ?? Settings()).CreateChatClient(Model);

    private protected AnthropicProvider Provider(ProviderOptions settings)
    {
        providers.Add(new AnthropicProvider("anthropic", settings, TimeProvider.System));
        return providers[^1];
    }

    private protected static async Task<List<ChatResponseUpdate>> ReadAllAsync(IChatClient client, params ChatMessage[] messages)
    {
        var updates = new List<ChatResponseUpdate>();
        await foreach (var update in client.GetStreamingResponseAsync(messages.Length == 0 ? [new(ChatRole.User, "Hello")] : messages))
            updates.Add(update);
        return updates;
    }

    private protected async Task<(string Text, ProviderException Failure)> ReadUntilFailureAsync(IChatClient? client = null)
    {
        var text = "";
        try
        {
            await foreach (var update in (client ?? Client()).GetStreamingResponseAsync("Hello"))
                text += update.Text;
        }
        catch (ProviderException failure)
        {
            return (text, failure);
        }

        throw new AssertionException("The stream was expected to fail.");
    }

    private protected async Task<ProviderException> FailAsync(ProviderOptions? settings = null)
    {
        try
        {
            await Client(settings).GetResponseAsync("Hello");
        }
        catch (ProviderException failure)
        {
            return failure;
        }

        throw new AssertionException("The call was expected to fail.");
    }

    private protected static (long? Input, long? Output) Usage(ChatResponseUpdate update) =>
        update.Contents.OfType<UsageContent>().Select(u => (u.Details.InputTokenCount, u.Details.OutputTokenCount)).Single();
}
