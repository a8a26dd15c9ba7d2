using System.Globalization;
using System.Runtime.CompilerServices;
using AiChat.Core.Memory;
using AiChat.Core.Models;
using Microsoft.Extensions.AI;

namespace AiChat.Infrastructure.Providers.Offline;

/// <summary>
/// Answers without any model: says what it is and shows what it was sent. The same messages get the same reply, and the newest one may
/// script it (<see cref="OfflineScript"/>).
/// </summary>
internal sealed class OfflineChatClient(ChatClientMetadata metadata, string hint, TimeProvider time) : IChatClient
{
    /// <summary>Characters of the newest message that are shown.</summary>
    private const int QuoteLength = 200;

    private readonly string provider = metadata.ProviderName!;
    private readonly string model = metadata.DefaultModelId!;

    public async Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        var reply = new Reply([.. messages], hint, options?.MaxOutputTokens);
        await BeginAsync(reply.Script, cancellationToken);
        if (reply.Script.CutAfter is { } count)
            throw Cut(count);

        return new ChatResponse(new ChatMessage(ChatRole.Assistant, reply.Text))
        {
            ModelId = model,
            FinishReason = reply.FinishReason,
            Usage = reply.Usage,
        };
    }

    public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var reply = new Reply([.. messages], hint, options?.MaxOutputTokens);
        await BeginAsync(reply.Script, cancellationToken);

        var sent = 0;
        foreach (var piece in Split(reply.Text))
        {
            if (sent == reply.Script.CutAfter)
                break;
            if (sent > 0)
                await WaitAsync(reply.Script.Pace, cancellationToken);
            yield return new ChatResponseUpdate(ChatRole.Assistant, piece) { ModelId = model };
            sent++;
        }

        if (reply.Script.CutAfter is not null)
            throw Cut(sent);
        yield return new ChatResponseUpdate(ChatRole.Assistant, [new UsageContent(reply.Usage)])
        {
            ModelId = model,
            FinishReason = reply.FinishReason,
        };
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

    /// <summary>Words with the white space behind them: put together they are the text.</summary>
    private static IEnumerable<string> Split(string text)
    {
        var start = 0;
        for (var i = 1; i < text.Length; i++)
        {
            if (!char.IsWhiteSpace(text[i - 1]) || char.IsWhiteSpace(text[i]))
                continue;
            yield return text[start..i];
            start = i;
        }

        if (start < text.Length)
            yield return text[start..];
    }

    private async Task BeginAsync(OfflineScript script, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        await WaitAsync(script.Delay, cancellationToken);
        if (script.FailStatus is { } status)
            throw new ProviderException(provider, ProviderFailure.FromStatus(status, ReportedError.None), $"{provider} was told to fail with {status}.");
    }

    private Task WaitAsync(TimeSpan delay, CancellationToken cancellationToken) =>
        delay == TimeSpan.Zero ? Task.CompletedTask : Task.Delay(delay, time, cancellationToken);

    private ProviderException Cut(int pieces) =>
        new(provider, ProviderError.InvalidResponse, $"{provider} was told to break off after {pieces} pieces.");

    /// <summary>One reply, worked out before any of it is sent.</summary>
    private sealed class Reply
    {
        public Reply(List<ChatMessage> messages, string hint, int? maxTokens)
        {
            var newest = messages.FindLast(m => m.Role == ChatRole.User)?.Text ?? "";
            var inputTokens = messages.Sum(TokenEstimator.CountMessage);
            Script = OfflineScript.Parse(newest);
            var text = Script.Reply ?? Describe(messages.Count, inputTokens, newest, hint);
            Text = Limit(text, maxTokens);
            FinishReason = Text.Length < text.Length ? ChatFinishReason.Length : ChatFinishReason.Stop;
            var outputTokens = TokenEstimator.Count(Text);
            Usage = new UsageDetails
            {
                InputTokenCount = inputTokens,
                OutputTokenCount = outputTokens,
                TotalTokenCount = inputTokens + outputTokens,
            };
        }

        public OfflineScript Script { get; }
        public string Text { get; }
        public ChatFinishReason FinishReason { get; }
        public UsageDetails Usage { get; }

        private static string Describe(int messages, int tokens, string newest, string hint)
        {
            var count = messages == 1 ? "1 message" : $"{messages} messages";
            return "This is AiChat's offline backend: no model is connected, so nobody thought about this. "
                + string.Create(CultureInfo.InvariantCulture, $"I was sent {count} (about {tokens} tokens); ")
                + $"the newest says: \"{Shorten(newest)}\". {hint}";
        }

        private static string Shorten(string text)
        {
            if (text.Length <= QuoteLength)
                return text;
            // Not between the two halves of a character.
            var end = char.IsHighSurrogate(text[QuoteLength - 1]) ? QuoteLength - 1 : QuoteLength;
            return text[..end] + "…";
        }

        /// <summary>As many whole characters as the tokens allow.</summary>
        private static string Limit(string text, int? maxTokens)
        {
            if (maxTokens is not { } limit || TokenEstimator.Count(text) <= limit)
                return text;

            var length = 0;
            var bytes = 0;
            foreach (var rune in text.EnumerateRunes())
            {
                bytes += rune.Utf8SequenceLength;
                if (bytes > (long)limit * TokenEstimator.BytesPerToken)
                    break;
                length += rune.Utf16SequenceLength;
            }

            return text[..length];
        }
    }
}
