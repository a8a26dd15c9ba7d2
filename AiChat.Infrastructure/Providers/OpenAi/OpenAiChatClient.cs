using System.ClientModel.Primitives;
using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;
using SdkClient = OpenAI.Chat.ChatClient;

namespace AiChat.Infrastructure.Providers.OpenAi;

/// <summary>
/// One model of an OpenAI-compatible server. Sends roles, texts, calls of tools and their results, the temperature and the longest
/// answer; other contents and options are not sent. Safe to use from many threads; disposing it does nothing, the connections are the provider's.
/// </summary>
internal sealed class OpenAiChatClient : IChatClient
{
    private readonly SdkClient client;
    private readonly ChatClientMetadata metadata;
    private readonly ProviderOptions settings;
    private readonly FailureMapper failures;
    private readonly string model;
    private readonly SseItemParser<Completion> parseEvent;
    // As the server has named it last: many resolve an alias, and name the same model in every event.
    private volatile string namedModel;

    public OpenAiChatClient(SdkClient client, ChatClientMetadata metadata, ProviderOptions settings, FailureMapper failures)
    {
        this.client = client;
        this.metadata = metadata;
        this.settings = settings;
        this.failures = failures;
        model = metadata.DefaultModelId!;
        namedModel = model;
        parseEvent = ParseEvent;
    }

    public async Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        using var deadline = new CallDeadline(settings, isStream: false, cancellationToken);
        try
        {
            using var response = await SendAsync(messages, options, isStream: false, deadline);
            return await ReadWholeAsync(response, deadline, cancellationToken);
        }
        catch (Exception failure) when (FailureMapper.IsExpected(failure))
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw failures.From(failure, deadline);
        }
    }

    /// <summary>Texts as they come, losslessly; leaving the enumeration early closes the connection.</summary>
    public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        using var deadline = new CallDeadline(settings, isStream: true, cancellationToken);
        using var response = await OpenStreamAsync(messages, options, deadline, cancellationToken);
        if (IsWhole(response))
        {
            // The server does not stream: its answer is one piece.
            foreach (var update in (await ReadWholeAsync(response, deadline, cancellationToken)).ToChatResponseUpdates())
                yield return update;
            yield break;
        }

        await using var body = new IdleTimeoutStream(response.ContentStream!, deadline);
        await using var events = SseParser.Create(body, parseEvent).EnumerateAsync(deadline.Token).GetAsyncEnumerator(deadline.Token);

        var isFinished = false;
        while (await MoveNextAsync(events, isFinished, deadline, cancellationToken))
        {
            var completion = events.Current.Data;
            if (completion.IsDone)
            {
                isFinished = true;
                deadline.SeeEnd();
                await MoveNextAsync(events, isFinished, deadline, CancellationToken.None);
                break;
            }

            if (completion.Error is { } error)
                throw failures.FromReportedError(error);
            isFinished |= completion.FinishReason is not null;
            if (completion.IsReasoning || !string.IsNullOrEmpty(completion.Text))
                deadline.SeeToken();
            if (ToUpdate(completion) is { } update)
                yield return update;
        }

        if (!isFinished)
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

    private static bool IsWhole(PipelineResponse response) =>
        response.Headers.TryGetValue("Content-Type", out var type)
        && (type!.StartsWith("application/json", StringComparison.OrdinalIgnoreCase) || type.StartsWith("text/html", StringComparison.OrdinalIgnoreCase));

    private async Task<ChatResponse> ReadWholeAsync(PipelineResponse response, CallDeadline deadline, CancellationToken cancellationToken)
    {
        try
        {
            return ToResponse(await AnswerBody.ReadAsync(response.ContentStream!, body => Completion.Parse(body, model), failures, deadline.Token));
        }
        catch (Exception failure) when (FailureMapper.IsExpected(failure))
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw failures.From(failure, deadline);
        }
    }

    private async Task<PipelineResponse> OpenStreamAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options, CallDeadline deadline, CancellationToken cancellationToken)
    {
        try
        {
            return await SendAsync(messages, options, isStream: true, deadline);
        }
        catch (Exception failure) when (FailureMapper.IsExpected(failure))
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw failures.From(failure, deadline);
        }
    }

    /// <summary>The answer's headers, with the body still to be read.</summary>
    private async Task<PipelineResponse> SendAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options, bool isStream, CallDeadline deadline)
    {
        using var body = new RequestBody(messages, options, model, settings.MaxTokensField, isStream);
        var request = new RequestOptions
        {
            BufferResponse = false,
            CancellationToken = deadline.Token,
            ErrorOptions = ClientErrorBehaviors.NoThrow,
        };
        var response = (await client.CompleteChatAsync(body, request)).GetRawResponse();
        if (response.Status is >= 200 and < 300)
            return response;

        using (response)
        {
            var error = await AnswerBody.ReadErrorAsync(response.ContentStream!, deadline);
            response.Headers.TryGetValue("Retry-After", out var retryAfter);
            throw failures.FromStatus(response.Status, retryAfter, error);
        }
    }

    /// <summary>False at the end. Once the answer is whole, a failure is no more than the end.</summary>
    private async ValueTask<bool> MoveNextAsync(
        IAsyncEnumerator<SseItem<Completion>> events, bool isFinished, CallDeadline deadline, CancellationToken cancellationToken)
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

    private Completion ParseEvent(string eventType, ReadOnlySpan<byte> data)
    {
        if (data.SequenceEqual("[DONE]"u8))
            return Completion.Done;
        if (data.IsEmpty)
            return default;
        var completion = Completion.Parse(data, namedModel);
        if (completion.Model is { } name && !ReferenceEquals(name, namedModel))
            namedModel = name;
        return completion;
    }

    private ChatResponse ToResponse(Completion completion)
    {
        if (completion.Error is { } error)
            throw failures.FromReportedError(error);
        if (!completion.HasChoice)
            throw failures.InvalidAnswer("it has no choices.");
        return new ChatResponse(new ChatMessage(ChatRole.Assistant, completion.Text ?? ""))
        {
            ModelId = completion.Model ?? model,
            FinishReason = completion.FinishReason,
            Usage = completion.ToUsage(),
        };
    }

    /// <summary>Null when there is nothing in it for the caller. Usage is what it has come to so far: some servers report it with every piece.</summary>
    private ChatResponseUpdate? ToUpdate(Completion completion)
    {
        var text = string.IsNullOrEmpty(completion.Text) ? null : new TextContent(completion.Text);
        var usage = completion.ToUsage() is { } details ? new UsageContent(details) : null;
        if (text is null && usage is null && completion.FinishReason is null)
            return null;

        AIContent[] contents = (text, usage) switch
        {
            (null, null) => [],
            ({ }, null) => [text],
            (null, { }) => [usage],
            _ => [text, usage],
        };
        return new ChatResponseUpdate(ChatRole.Assistant, contents)
        {
            ModelId = completion.Model ?? model,
            FinishReason = completion.FinishReason,
        };
    }
}
