using System.ClientModel;
using System.ClientModel.Primitives;
using AiChat.Core.Models;
using Microsoft.Extensions.AI;
using OpenAI;
using OpenAI.Chat;

namespace AiChat.Infrastructure.Providers.OpenAi;

/// <summary>A server that speaks OpenAI's chat completions: OpenAI, Groq, a local one. Its models share one connection pool.</summary>
public sealed class OpenAiProvider : IProvider, IDisposable
{
    private static readonly TimeSpan IdleConnectionLifetime = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(10);

    /// <summary>A connection is not kept longer, so that a changed DNS entry is noticed.</summary>
    private static readonly TimeSpan ConnectionLifetime = TimeSpan.FromMinutes(5);

    private readonly ProviderOptions settings;
    private readonly TimeProvider time;
    private readonly HttpClient http;
    private readonly ClientPipeline pipeline;

    /// <param name="name">The provider's name in the configuration.</param>
    /// <param name="settings">May be invalid: nothing of it is used before a client is made.</param>
    /// <param name="time">Tells how far away the date of a <c>Retry-After</c> is.</param>
    public OpenAiProvider(string name, ProviderOptions settings, TimeProvider time)
    {
        Name = name;
        this.settings = settings;
        this.time = time;
        MissingSetting = settings is { RequiresApiKey: true, ApiKey: null } ? ProviderOptions.KeySetting(name) : null;
        http = CreateHttpClient();
        pipeline = CreatePipeline();
    }

    public string Name { get; }

    public string? MissingSetting { get; }

    public IChatClient CreateChatClient(string model)
    {
        var endpoint = new Uri(settings.BaseUrl.TrimEnd('/'));
        return new OpenAiChatClient(
            new PipelineChatClient(pipeline, model, endpoint),
            new ChatClientMetadata(Name, endpoint, model),
            settings,
            new OpenAiFailureMapper(Name, model, settings, time));
    }

    public void Dispose() => http.Dispose();

    private static HttpClient CreateHttpClient()
    {
        var handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            UseProxy = false,
            ConnectTimeout = ConnectTimeout,
            MaxConnectionsPerServer = int.MaxValue,
            PooledConnectionIdleTimeout = IdleConnectionLifetime,
            PooledConnectionLifetime = ConnectionLifetime,
            // An answer nobody reads to its end is still being generated, and paid for: hang up rather than wait for the rest.
            ResponseDrainTimeout = TimeSpan.Zero,
            ActivityHeadersPropagator = null,
        };
        var client = new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan };
        client.DefaultRequestHeaders.UserAgent.ParseAdd($"AiChat/{typeof(OpenAiProvider).Assembly.GetName().Version?.ToString(3)}");
        return client;
    }

    /// <summary>
    /// Only what a call needs. Retries belong to AiChat, which knows what was already shown; timeouts to the chat client, which can tell
    /// a slow answer from a silent one; logging to whoever asked, without the prompts.
    /// </summary>
    private ClientPipeline CreatePipeline()
    {
        var options = new ClientPipelineOptions
        {
            Transport = new HttpClientPipelineTransport(http),
            RetryPolicy = new ClientRetryPolicy(maxRetries: 0),
            NetworkTimeout = Timeout.InfiniteTimeSpan,
            EnableDistributedTracing = false,
            ClientLoggingOptions = new ClientLoggingOptions { EnableLogging = false },
        };
        PipelinePolicy[] authentication = settings.ApiKey is null
            ? []
            : [ApiKeyAuthenticationPolicy.CreateBearerAuthorizationPolicy(new ApiKeyCredential(settings.ApiKey))];
        return ClientPipeline.Create(options, perCallPolicies: [], perTryPolicies: authentication, beforeTransportPolicies: []);
    }

    /// <summary>The SDK's client over a pipeline that is already there, which only a derived class may hand over.</summary>
    private sealed class PipelineChatClient(ClientPipeline pipeline, string model, Uri endpoint)
        : ChatClient(pipeline, model, new OpenAIClientOptions { Endpoint = endpoint });
}
