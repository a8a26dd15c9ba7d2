using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;

namespace AiChat.Core.Models;

/// <summary>Measures every call of one candidate; see <see cref="ChatTelemetry"/>. While nobody listens it only hands the call on.</summary>
/// <param name="inner">The candidate's client.</param>
/// <param name="provider">The provider's name in the configuration.</param>
/// <param name="model">The model's id at the provider.</param>
/// <param name="telemetry">What spans may carry.</param>
/// <param name="time">Measures the durations.</param>
public sealed class TelemetryChatClient(IChatClient inner, string provider, string model, ChatTelemetry telemetry, TimeProvider time)
    : DelegatingChatClient(inner)
{
    private ModelEndpoint? endpoint;

    private ModelEndpoint Endpoint => endpoint ??= new ModelEndpoint(provider, model, InnerClient.GetService<ChatClientMetadata>()?.ProviderUri);

    public override Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
        ChatTelemetry.IsListening
            ? MeasureAsync(messages, options, cancellationToken)
            : InnerClient.GetResponseAsync(messages, options, cancellationToken);

    public override IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
        ChatTelemetry.IsListening
            ? MeasureStreamAsync(messages, options, cancellationToken)
            : InnerClient.GetStreamingResponseAsync(messages, options, cancellationToken);

    private async Task<ChatResponse> MeasureAsync(IEnumerable<ChatMessage> messages, ChatOptions? options, CancellationToken cancellationToken)
    {
        using var call = new MeasuredCall(Endpoint, telemetry, time, messages, options, isStream: false);
        try
        {
            var response = await InnerClient.GetResponseAsync(messages, options, cancellationToken);
            call.Take(response);
            return response;
        }
        catch (Exception failure)
        {
            call.Fail(failure, cancellationToken);
            throw;
        }
    }

    private async IAsyncEnumerable<ChatResponseUpdate> MeasureStreamAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var call = new MeasuredCall(Endpoint, telemetry, time, messages, options, isStream: true);
        var updates = InnerClient.GetStreamingResponseAsync(messages, options, cancellationToken).GetAsyncEnumerator(cancellationToken);
        await using (updates.ConfigureAwait(false))
        {
            while (true)
            {
                try
                {
                    if (!await updates.MoveNextAsync())
                        break;
                }
                catch (Exception failure)
                {
                    call.Fail(failure, cancellationToken);
                    throw;
                }

                call.Take(updates.Current);
                yield return updates.Current;
            }
        }
    }
}
