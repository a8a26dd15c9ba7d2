namespace AiChat.Core.WebSearch;

/// <summary>Fetches pages of the web that nobody vouches for.</summary>
public interface IPageReader
{
    /// <summary>
    /// What a person would read on the page; null when it has no readable text, cannot be had in time, or may not be fetched. Why is in the
    /// log.
    /// </summary>
    Task<WebPage?> ReadAsync(Uri url, CancellationToken cancellationToken);
}

/// <summary>A page as it was read.</summary>
/// <param name="Url">Where it was found in the end, behind all redirects.</param>
/// <param name="Title">Its title; null when it has none.</param>
/// <param name="Text">Its readable text; paragraphs are set apart by empty lines.</param>
public sealed record WebPage(Uri Url, string? Title, string Text);
