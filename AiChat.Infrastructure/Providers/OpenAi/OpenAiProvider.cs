using System.ClientModel.Primitives;
using AiChat.Core.Models;
using Microsoft.Extensions.AI;
using OpenAI;
using OpenAI.Chat;

namespace AiChat.Infrastructure.Providers.OpenAi;

/// <summary>A server that speaks OpenAI's chat completions: OpenAI, Groq, a local one. Its models share one connection pool.</summary>
public sealed class OpenAiProvider : IProvider, IDisposable
{
    private const string OrganizationHeader = "OpenAI-Organization";

    private readonly ProviderOptions settings;
    private readonly TimeProvider time;
    private readonly Lazy<HttpClient> http;
    private readonly Lazy<ClientPipeline> pipeline;

    /// <param name="name">The provider's name in the configuration.</param>
    /// <param name="settings">May be invalid: nothing of it is used before a client is made.</param>
    /// <param name="time">Tells how far away the date of a <c>Retry-After</c> is.</param>
    public OpenAiProvider(string name, ProviderOptions settings, TimeProvider time)
    {
        Name = name;
        this.settings = settings;
        this.time = time;
        KeySetting = ProviderOptions.KeySetting(name);
        MissingSetting = settings is { RequiresApiKey: true, ApiKey: null } ? KeySetting : null;
        http = new Lazy<HttpClient>(CreateHttpClient);
        pipeline = new Lazy<ClientPipeline>(() => CreatePipeline(http.Value));
    }

    public string Name { get; }

    public string? MissingSetting { get; }

    public string? KeySetting { get; }

    public IChatClient CreateChatClient(string model)
    {
        var endpoint = new Uri(settings.BaseUrl.TrimEnd('/'));
        return new OpenAiChatClient(
            new PipelineChatClient(pipeline.Value, model, endpoint),
            new ChatClientMetadata(Name, endpoint, model),
            settings,
            new FailureMapper(Name, model, settings, time));
    }

    public void Dispose()
    {
        if (http.IsValueCreated)
            http.Value.Dispose();
    }

    private HttpClient CreateHttpClient()
    {
        var client = ProviderHttp.CreateClient(settings);
        if (settings.Organization.Length > 0)
            client.DefaultRequestHeaders.TryAddWithoutValidation(OrganizationHeader, settings.Organization);
        return client;
    }

    /// <summary>
    /// Only what a call needs. Retries belong to AiChat, which knows what was already shown; timeouts to the chat client, which can tell
    /// a slow answer from a silent one; logging to whoever asked, without the prompts; keys and headers to the HTTP client.
    /// </summary>
    private static ClientPipeline CreatePipeline(HttpClient http)
    {
        var options = new ClientPipelineOptions
        {
            Transport = new HttpClientPipelineTransport(http),
            RetryPolicy = new ClientRetryPolicy(maxRetries: 0),
            NetworkTimeout = Timeout.InfiniteTimeSpan,
            EnableDistributedTracing = false,
            ClientLoggingOptions = new ClientLoggingOptions { EnableLogging = false },
        };
        return ClientPipeline.Create(options);
    }

    /// <summary>The SDK's client over a pipeline that is already there, which only a derived class may hand over.</summary>
    private sealed class PipelineChatClient(ClientPipeline pipeline, string model, Uri endpoint)
        : ChatClient(pipeline, model, new OpenAIClientOptions { Endpoint = endpoint });
}
