using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using Anthropic.Services;
using Microsoft.Extensions.AI;

namespace AiChat.Infrastructure.Providers.Anthropic;

/// <summary>
/// One model behind Anthropic's Messages API. Sends roles, texts, calls of tools and their results, the temperature and the longest
/// answer; other contents and options are not sent. Safe to use from many threads; disposing it does nothing, the connections are the provider's.
/// </summary>
internal sealed class AnthropicChatClient : IChatClient
{
    private readonly Lazy<IMessageServiceWithRawResponse> service;
    private readonly ChatClientMetadata metadata;
    private readonly ProviderOptions settings;
    private readonly FailureMapper failures;
    private readonly string model;
    private readonly SseItemParser<AnthropicEvent> parseEvent;

    public AnthropicChatClient(
        Lazy<IMessageServiceWithRawResponse> service, ChatClientMetadata metadata, ProviderOptions settings, FailureMapper failures)
    {
        this.service = service;
        this.metadata = metadata;
        this.settings = settings;
        this.failures = failures;
        model = metadata.DefaultModelId!;
        parseEvent = (_, data) => data.IsEmpty ? default : AnthropicEvent.Parse(data, model);
    }

    public async Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        var request = new AnthropicRequest(messages, options, model);
        using var deadline = new CallDeadline(settings, isStream: false, cancellationToken);
        using var response = await SendAsync(request, isStream: false, deadline, cancellationToken);
        return await ReadWholeAsync(response, request, deadline, cancellationToken);
    }

    /// <summary>Texts as they come, losslessly; leaving the enumeration early closes the connection.</summary>
    public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var request = new AnthropicRequest(messages, options, model);
        using var deadline = new CallDeadline(settings, isStream: true, cancellationToken);
        using var response = await SendAsync(request, isStream: true, deadline, cancellationToken);
        if (IsWhole(response))
        {
            // The server does not stream: its answer is one piece.
            foreach (var update in (await ReadWholeAsync(response, request, deadline, cancellationToken)).ToChatResponseUpdates())
                yield return update;
            yield break;
        }

        await using var body = new IdleTimeoutStream(await response.Content.ReadAsStreamAsync(deadline.Token), deadline);
        await using var events = SseParser.Create(body, parseEvent).EnumerateAsync(deadline.Token).GetAsyncEnumerator(deadline.Token);

        var answer = new Answer(model, request.OpenEnd);
        while (await MoveNextAsync(events, answer.IsFinished, deadline, cancellationToken))
        {
            var part = events.Current.Data;
            if (part.Error is { } error)
                throw failures.FromReportedError(error);
            if (part.IsReasoning || !string.IsNullOrEmpty(part.Text))
                deadline.SeeToken();
            if (answer.Add(part) is { } update)
                yield return update;
            if (!part.IsStop)
                continue;

            deadline.SeeEnd();
            await MoveNextAsync(events, isFinished: true, deadline, CancellationToken.None);
            break;
        }

        if (!answer.IsFinished)
            throw failures.InvalidAnswer("the stream ended before the answer did.");
    }

    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        if (serviceKey is not null)
            return null;
        if (serviceType == typeof(ChatClientMetadata))
            return metadata;
        return serviceType.IsInstanceOfType(this) ? this : null;
    }

    public void Dispose()
    {
    }

    private static bool IsWhole(HttpResponseMessage response) =>
        response.Content.Headers.ContentType?.MediaType is "application/json" or "text/html";

    /// <summary>The answer's headers, with the body still to be read.</summary>
    private async Task<HttpResponseMessage> SendAsync(
        AnthropicRequest request, bool isStream, CallDeadline deadline, CancellationToken cancellationToken)
    {
        try
        {
            // The answer is handed on without the SDK's wrapper, which has nothing to dispose but it.
            return isStream
                ? (await service.Value.CreateStreaming(request.Parameters, deadline.Token)).RawMessage
                : (await service.Value.Create(request.Parameters, deadline.Token)).RawMessage;
        }
        catch (AnthropicStatusException failure)
        {
            using var response = failure.Response;
            var error = await AnswerBody.ReadErrorAsync(await response.Content.ReadAsStreamAsync(CancellationToken.None), deadline);
            cancellationToken.ThrowIfCancellationRequested();
            var retryAfter = response.Headers.TryGetValues("Retry-After", out var values) ? values.First() : null;
            throw failures.FromStatus((int)response.StatusCode, retryAfter, error);
        }
        catch (Exception failure) when (FailureMapper.IsExpected(failure))
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw failures.From(failure, deadline);
        }
    }

    private async Task<ChatResponse> ReadWholeAsync(
        HttpResponseMessage response, AnthropicRequest request, CallDeadline deadline, CancellationToken cancellationToken)
    {
        try
        {
            var body = await response.Content.ReadAsStreamAsync(deadline.Token);
            return ToResponse(await AnswerBody.ReadAsync(body, json => AnthropicEvent.Parse(json, model), failures, deadline.Token), request);
        }
        catch (Exception failure) when (FailureMapper.IsExpected(failure))
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw failures.From(failure, deadline);
        }
    }

    /// <summary>False at the end. Once the answer is whole, a failure is no more than the end.</summary>
    private async ValueTask<bool> MoveNextAsync(
        IAsyncEnumerator<SseItem<AnthropicEvent>> events, bool isFinished, CallDeadline deadline, CancellationToken cancellationToken)
    {
        // Events that have arrived come without a look at the token.
        cancellationToken.ThrowIfCancellationRequested();
        try
        {
            return await events.MoveNextAsync();
        }
        catch (Exception failure) when (FailureMapper.IsExpected(failure))
        {
            cancellationToken.ThrowIfCancellationRequested();
            return isFinished ? false : throw failures.From(failure, deadline);
        }
    }

    private ChatResponse ToResponse(AnthropicEvent message, AnthropicRequest request)
    {
        if (message.Error is { } error)
            throw failures.FromReportedError(error);
        if (!message.IsMessage)
            throw failures.InvalidAnswer("it is no message.");
        var answer = new Answer(model, request.OpenEnd);
        return new ChatResponse(new ChatMessage(ChatRole.Assistant, answer.Add(message)?.Text ?? ""))
        {
            ModelId = message.Model ?? model,
            FinishReason = message.FinishReason,
            Usage = answer.Usage,
        };
    }

    /// <summary>An answer as its parts come.</summary>
    private sealed class Answer(string model, string openEnd)
    {
        private AnthropicUsage usage;
        private bool hasUsage;
        private string answeringModel = model;
        private string repeated = openEnd;

        /// <summary>Whether the model has stopped.</summary>
        public bool IsFinished { get; private set; }

        /// <summary>What it has come to so far; null when nothing was reported.</summary>
        public UsageDetails? Usage => hasUsage ? usage.ToDetails() : null;

        /// <summary>What the part has for the caller; null when that is nothing.</summary>
        public ChatResponseUpdate? Add(AnthropicEvent part)
        {
            IsFinished |= part.IsStop || part.FinishReason is not null;
            answeringModel = part.Model ?? answeringModel;
            var text = SkipRepeated(part.Text ?? "");
            if (part.HasUsage)
            {
                usage.Add(part);
                hasUsage = true;
            }

            if (text.Length == 0 && !part.HasUsage && part.FinishReason is null)
                return null;
            return new ChatResponseUpdate(ChatRole.Assistant, ToContents(text, part.HasUsage))
            {
                ModelId = answeringModel,
                FinishReason = part.FinishReason,
            };
        }

        private AIContent[] ToContents(string text, bool isUsageNew) => (text.Length > 0, isUsageNew) switch
        {
            (true, true) => [new TextContent(text), usage.ToContent()],
            (true, false) => [new TextContent(text)],
            (false, true) => [usage.ToContent()],
            _ => [],
        };

        /// <summary>The text without the white space that was already there when the model went on.</summary>
        private string SkipRepeated(string text)
        {
            if (repeated.Length == 0 || text.Length == 0)
                return text;
            var length = text.AsSpan().CommonPrefixLength(repeated);
            repeated = length == text.Length ? repeated[length..] : "";
            return text[length..];
        }
    }
}
