namespace AiChat.Infrastructure.Providers.Anthropic;

/// <summary>An answer that is no success, with its body still to be read; whoever catches it disposes the answer.</summary>
internal sealed class AnthropicStatusException(HttpResponseMessage response) : Exception
{
    public HttpResponseMessage Response { get; } = response;
}
