using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;

namespace AiChat.Core.Models;

/// <summary>
/// Answers for an alias: with its first candidate that works, and with the next one when that fails. As long as no text was shown the
/// change goes unseen. Behind some text another candidate goes on with it where <see cref="RoutedChatOptions.ContinueOnBreak"/> allows;
/// nothing is shown twice. A request that a provider refuses as such is not tried elsewhere, and neither is a cancelled one.
/// </summary>
public sealed class RoutingChatClient(IReadOnlyList<ModelCandidate> candidates, RoutingOptions routing, TimeProvider time) : IChatClient
{
    /// <inheritdoc cref="GetStreamingResponseAsync"/>
    public Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
        GetStreamingResponseAsync(messages, options, cancellationToken).ToChatResponseAsync(cancellationToken);

    /// <summary>The reply as it comes, in the updates of whoever writes it. Usage is that of the last attempt; <see cref="AttemptLog"/> has all.</summary>
    /// <exception cref="ProviderException">
    /// No candidate is left: the last failure, or <see cref="ProviderError.Unavailable"/> when all are left alone at the moment, or
    /// <see cref="ProviderError.PromptTooLong"/> when the prompt fits into no window.
    /// </exception>
    public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var send = new RoutedSend(candidates, routing, time, messages, options, cancellationToken);
        while (true)
        {
            var call = await send.ConnectAsync();
            await using (call.ConfigureAwait(false))
            {
                while (await call.MoveNextAsync())
                    yield return call.Current;
            }

            if (call.Failure is null)
                break;
            await send.BreakAsync(call);
        }
    }

    public object? GetService(Type serviceType, object? serviceKey = null) =>
        serviceKey is null && serviceType.IsInstanceOfType(this) ? this : null;

    public void Dispose()
    {
    }
}
