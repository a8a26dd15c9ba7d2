using AiChat.Tests.Support;
using Microsoft.Extensions.DependencyInjection;

namespace AiChat.Tests.Api;

/// <summary>
/// A fake model server for each test, and the application the test starts. When the test is over, the application is stopped and must not
/// have logged a problem the test had not announced.
/// </summary>
public abstract class ApiTestBase
{
    private AiChatApplication? app;

    private protected FakeLlm Llm { get; private set; } = null!;

    private protected AiChatApplication App => app ?? throw new InvalidOperationException("The test has not started the application.");

    [SetUp]
    public async Task StartServer() => Llm = await FakeLlm.StartAsync();

    [TearDown]
    public async Task StopServers()
    {
        try
        {
            if (app is not null)
                await app.DisposeAsync();
        }
        finally
        {
            app = null;
            await Llm.DisposeAsync();
        }
    }

    /// <summary>Starts the application with a Groq key and the fake model server in Groq's place.</summary>
    private protected void StartApp(params (string Key, string Value)[] settings) => StartApp(_ => { }, settings);

    /// <summary>The same with some services replaced.</summary>
    private protected void StartApp(Action<IServiceCollection> services, params (string Key, string Value)[] settings) =>
        app = AiChatApplication.Start(
            [("GROQ_API_KEY", AiChatApplication.GroqKey), ("Providers:groq:BaseUrl", Llm.BaseUrl), .. settings], services);

    /// <summary>Starts the application as it is out of the box: no key, so the offline backend answers.</summary>
    private protected void StartOfflineApp(params (string Key, string Value)[] settings)
    {
        app = AiChatApplication.Start(settings);
        app.Log.Expect("the built-in offline backend answers");
    }
}
