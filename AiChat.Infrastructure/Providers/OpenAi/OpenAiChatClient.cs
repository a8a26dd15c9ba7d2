using System.Buffers;
using System.ClientModel.Primitives;
using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;
using SdkClient = OpenAI.Chat.ChatClient;

namespace AiChat.Infrastructure.Providers.OpenAi;

/// <summary>
/// One model of an OpenAI-compatible server. Sends roles and texts, the temperature and the longest answer; other contents and options
/// are not sent. Safe to use from many threads; disposing it does nothing, the connections are the provider's.
/// </summary>
internal sealed class OpenAiChatClient : IChatClient
{
    private const int FirstBufferSize = 8 * 1024;
    private const int LongestAnswer = 32 * 1024 * 1024;
    private const int LongestError = 16 * 1024;

    /// <summary>An error's body is worth a moment, not the patience an answer gets.</summary>
    private static readonly TimeSpan ErrorBodyTimeout = TimeSpan.FromSeconds(2);

    /// <summary>Behind the last event the end of the body is as good as there; having read it, the connection can be used again.</summary>
    private static readonly TimeSpan EndOfBodyTimeout = TimeSpan.FromMilliseconds(100);

    private readonly SdkClient client;
    private readonly ChatClientMetadata metadata;
    private readonly ProviderOptions settings;
    private readonly OpenAiFailureMapper failures;
    private readonly string model;
    private readonly SseItemParser<Completion> parseEvent;
    // As the server has named it last: many resolve an alias, and name the same model in every event.
    private volatile string namedModel;

    public OpenAiChatClient(SdkClient client, ChatClientMetadata metadata, ProviderOptions settings, OpenAiFailureMapper failures)
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
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(settings.Timeout);
        try
        {
            using var response = await SendAsync(messages, options, isStream: false, deadline);
            return await ReadWholeAsync(response, deadline, cancellationToken);
        }
        catch (Exception failure) when (OpenAiFailureMapper.IsExpected(failure))
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw failures.From(failure);
        }
    }

    /// <summary>Texts as they come, losslessly; leaving the enumeration early closes the connection.</summary>
    public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(settings.Timeout);
        using var response = await OpenStreamAsync(messages, options, deadline, cancellationToken);
        if (IsWhole(response))
        {
            // The server does not stream: its answer is one piece.
            foreach (var update in (await ReadWholeAsync(response, deadline, cancellationToken)).ToChatResponseUpdates())
                yield return update;
            yield break;
        }

        await using var body = new IdleTimeoutStream(response.ContentStream!, deadline, settings.Timeout);
        await using var events = SseParser.Create(body, parseEvent).EnumerateAsync(deadline.Token).GetAsyncEnumerator(deadline.Token);

        var isFinished = false;
        var usage = default(UsageDetails);
        while (await MoveNextAsync(events, isFinished, cancellationToken))
        {
            var completion = events.Current.Data;
            if (completion.IsDone)
            {
                isFinished = true;
                body.Timeout = EndOfBodyTimeout;
                await MoveNextAsync(events, isFinished, CancellationToken.None);
                break;
            }

            if (completion.Error is { } error)
                throw failures.FromReportedError(error);
            isFinished |= completion.FinishReason is not null;
            usage = completion.ToUsage() ?? usage;
            if (!string.IsNullOrEmpty(completion.Text) || completion.FinishReason is not null)
                yield return ToUpdate(completion);
        }

        if (!isFinished)
            throw failures.InvalidAnswer("the stream ended before the answer did.");
        // Some servers report a running total with every piece: only the last one counts.
        if (usage is not null)
            yield return NewUpdate(new UsageContent(usage));
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

    private async Task<ChatResponse> ReadWholeAsync(PipelineResponse response, CancellationTokenSource deadline, CancellationToken cancellationToken)
    {
        try
        {
            return ToResponse(await ReadCompletionAsync(response.ContentStream!, deadline.Token));
        }
        catch (Exception failure) when (OpenAiFailureMapper.IsExpected(failure))
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw failures.From(failure);
        }
    }

    private async Task<PipelineResponse> OpenStreamAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options, CancellationTokenSource deadline, CancellationToken cancellationToken)
    {
        try
        {
            return await SendAsync(messages, options, isStream: true, deadline);
        }
        catch (Exception failure) when (OpenAiFailureMapper.IsExpected(failure))
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw failures.From(failure);
        }
    }

    /// <summary>The answer's headers, with the body still to be read.</summary>
    private async Task<PipelineResponse> SendAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options, bool isStream, CancellationTokenSource deadline)
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
            var error = await ReadErrorAsync(response, deadline);
            response.Headers.TryGetValue("Retry-After", out var retryAfter);
            throw failures.FromStatus(response.Status, retryAfter, error);
        }
    }

    private async Task<Completion> ReadCompletionAsync(Stream body, CancellationToken cancellationToken)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(FirstBufferSize);
        try
        {
            var length = 0;
            while (await body.ReadAsync(buffer.AsMemory(length), cancellationToken) is > 0 and var count)
            {
                length += count;
                if (length > LongestAnswer)
                    throw failures.InvalidAnswer($"it is longer than {LongestAnswer} bytes.");
                if (length == buffer.Length)
                    buffer = Grow(buffer);
            }

            return Completion.Parse(buffer.AsSpan(0, length), model);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static byte[] Grow(byte[] full)
    {
        var larger = ArrayPool<byte>.Shared.Rent(full.Length * 2);
        full.CopyTo(larger, 0);
        ArrayPool<byte>.Shared.Return(full);
        return larger;
    }

    /// <summary>What can be had of an error's body; the status says enough without it.</summary>
    private static async Task<byte[]> ReadErrorAsync(PipelineResponse response, CancellationTokenSource deadline)
    {
        var buffer = new byte[LongestError];
        var length = 0;
        deadline.CancelAfter(ErrorBodyTimeout);
        try
        {
            length = await response.ContentStream!.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, deadline.Token);
        }
        catch (Exception failure) when (OpenAiFailureMapper.IsExpected(failure))
        {
            // Cut or slow: the error is reported without the vendor's words.
        }

        return buffer[..length];
    }

    /// <summary>False at the end. Once the answer is whole, a failure is no more than the end.</summary>
    private async ValueTask<bool> MoveNextAsync(
        IAsyncEnumerator<SseItem<Completion>> events, bool isFinished, CancellationToken cancellationToken)
    {
        // Events that have arrived come without a look at the token.
        cancellationToken.ThrowIfCancellationRequested();
        try
        {
            return await events.MoveNextAsync();
        }
        catch (Exception failure) when (OpenAiFailureMapper.IsExpected(failure))
        {
            cancellationToken.ThrowIfCancellationRequested();
            return isFinished ? false : throw failures.From(failure);
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

    private ChatResponseUpdate ToUpdate(Completion completion)
    {
        var update = string.IsNullOrEmpty(completion.Text) ? NewUpdate() : NewUpdate(new TextContent(completion.Text));
        update.ModelId = completion.Model ?? model;
        update.FinishReason = completion.FinishReason;
        return update;
    }

    private ChatResponseUpdate NewUpdate(params IList<AIContent> contents) => new(ChatRole.Assistant, contents) { ModelId = model };
}
