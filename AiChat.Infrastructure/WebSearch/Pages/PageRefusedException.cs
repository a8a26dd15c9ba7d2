namespace AiChat.Infrastructure.WebSearch.Pages;

/// <summary>The guard refuses to connect. It carries no part of the URL.</summary>
internal sealed class PageRefusedException(PageRefusal refusal) : Exception(refusal.ToText())
{
    public PageRefusal Refusal { get; } = refusal;
}
