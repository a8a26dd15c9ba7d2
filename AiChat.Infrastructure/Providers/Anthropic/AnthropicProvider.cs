using AiChat.Core.Models;
using Anthropic;
using Anthropic.Core;
using Anthropic.Services;
using Microsoft.Extensions.AI;

namespace AiChat.Infrastructure.Providers.Anthropic;

/// <summary>Anthropic's Messages API, or a server that speaks it. Its models share one connection pool.</summary>
public sealed class AnthropicProvider : IProvider, IDisposable
{
    private const string VersionHeader = "anthropic-version";

    /// <summary>Not the newest, which refuses every temperature; the models that take none refuse it in this one, too.</summary>
    private const string Version = "2023-06-01";

    private readonly ProviderOptions settings;
    private readonly TimeProvider time;
    private readonly Lazy<HttpClient> http;
    private readonly Lazy<IMessageServiceWithRawResponse> service;

    /// <inheritdoc cref="OpenAi.OpenAiProvider(string, ProviderOptions, TimeProvider)"/>
    public AnthropicProvider(string name, ProviderOptions settings, TimeProvider time)
    {
        Name = name;
        this.settings = settings;
        this.time = time;
        KeySetting = ProviderOptions.KeySetting(name);
        MissingSetting = settings is { RequiresApiKey: true, ApiKey: null } ? KeySetting : null;
        http = new Lazy<HttpClient>(CreateHttpClient);
        // With the first call: the SDK looks through every library of the process before it makes a client.
        service = new Lazy<IMessageServiceWithRawResponse>(() => new RawClient(CreateOptions(http.Value)).Messages);
    }

    public string Name { get; }

    public string? MissingSetting { get; }

    public string? KeySetting { get; }

    public IChatClient CreateChatClient(string model) => new AnthropicChatClient(
        service,
        new ChatClientMetadata(Name, new Uri(settings.BaseUrl.TrimEnd('/')), model),
        settings,
        new FailureMapper(Name, model, settings, time));

    public void Dispose()
    {
        if (http.IsValueCreated)
            http.Value.Dispose();
    }

    private HttpClient CreateHttpClient()
    {
        var client = ProviderHttp.CreateClient(settings);
        if (!client.DefaultRequestHeaders.Contains(VersionHeader))
            client.DefaultRequestHeaders.Add(VersionHeader, Version);
        return client;
    }

    /// <summary>
    /// Whatever the SDK would look for in the environment is given here: AiChat has one configuration. Retries and timeouts belong to AiChat.
    /// </summary>
    private ClientOptions CreateOptions(HttpClient http) => new()
    {
        HttpClient = http,
        BaseUrl = settings.BaseUrl.TrimEnd('/'),
        ApiKey = null,
        AuthToken = null,
        MaxRetries = 0,
        Timeout = Timeout.InfiniteTimeSpan,
        OpenTelemetry = false,
    };

    /// <summary>The SDK's client with the headers of AiChat instead of its own, and with the whole answer where it has only the error's text.</summary>
    private sealed class RawClient(ClientOptions options) : AnthropicClientWithRawResponse(options)
    {
        public override IAnthropicClientWithRawResponse WithOptions(Func<ClientOptions, ClientOptions> modifier) => new RawClient(modifier(_options));

        protected override ValueTask BeforeSend<T>(HttpRequest<T> request, HttpRequestMessage requestMessage, CancellationToken cancellationToken)
        {
            // The HTTP client has those to send; the SDK's tell about the machine, and some come from the environment.
            requestMessage.Headers.Clear();
            return default;
        }

        protected override ValueTask AfterSend<T>(HttpRequest<T> request, HttpResponseMessage httpResponseMessage, CancellationToken cancellationToken) =>
            httpResponseMessage.IsSuccessStatusCode ? default : throw new AnthropicStatusException(httpResponseMessage);
    }
}
