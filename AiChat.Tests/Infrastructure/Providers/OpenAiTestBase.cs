using AiChat.Infrastructure.Providers;
using AiChat.Infrastructure.Providers.OpenAi;
using AiChat.Tests.Support;
using Microsoft.Extensions.AI;

namespace AiChat.Tests.Infrastructure.Providers;

/// <summary>A fake model server for each test, and the adapter pointing at it.</summary>
public abstract class OpenAiTestBase
{
    private protected const string Key = "gsk_test_5ecret";
    private protected const string Model = "openai/gpt-oss-20b";

    private readonly List<OpenAiProvider> providers = [];

    private protected static CancellationToken None => CancellationToken.None;

    private protected FakeLlm Llm { get; private set; } = null!;

    [SetUp]
    public async Task StartServer() => Llm = await FakeLlm.StartAsync();

    [TearDown]
    public async Task StopServer()
    {
        providers.ForEach(p => p.Dispose());
        providers.Clear();
        await Llm.DisposeAsync();
    }

    private protected ProviderOptions Settings() => new() { BaseUrl = Llm.BaseUrl, ApiKey = Key };

    private protected IChatClient Client(ProviderOptions? settings = null, string name = "groq") =>
        Provider(settings ?? Settings(), name).CreateChatClient(Model);

    private protected OpenAiProvider Provider(ProviderOptions settings, string name = "groq")
    {
        var provider = new OpenAiProvider(name, settings, TimeProvider.System);
        providers.Add(provider);
        return provider;
    }

    private protected static async Task<List<ChatResponseUpdate>> ReadAllAsync(IChatClient client, string message = "Hello")
    {
        var updates = new List<ChatResponseUpdate>();
        await foreach (var update in client.GetStreamingResponseAsync(message))
            updates.Add(update);
        return updates;
    }
}
