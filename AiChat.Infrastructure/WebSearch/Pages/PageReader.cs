using System.Net;
using System.Net.Http.Headers;
using System.Net.Mime;
using AiChat.Core.WebSearch;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace AiChat.Infrastructure.WebSearch.Pages;

/// <summary>
/// Reads pages that strangers name, without letting them reach what only this server can reach. Every URL on the way is checked by
/// <see cref="PageRules"/>, every connection by <see cref="GuardedConnector"/>. The log names hosts, never paths, queries or contents.
/// </summary>
internal sealed partial class PageReader : IPageReader, IDisposable
{
    private const int LongestLoggedHost = 100;

    private readonly WebSearchOptions options;
    private readonly ILogger<PageReader> logger;
    private readonly PageRules rules;
    private readonly HttpClient client;

    public PageReader(IHostResolver resolver, IOptions<WebSearchOptions> options, ILogger<PageReader> logger)
    {
        this.options = options.Value;
        this.logger = logger;
        rules = new PageRules(options.Value.AllowedHosts);
        client = PageHttp.CreateClient(new GuardedConnector(rules, resolver));
    }

    public async Task<WebPage?> ReadAsync(Uri url, CancellationToken cancellationToken)
    {
        var visit = new Visit(url);
        try
        {
            return await ReadAsync(visit, cancellationToken);
        }
        catch (Exception failure) when (FindRefusal(failure) is { } refusal)
        {
            LogRefused(refusal.ToText(), visit.Host);
            return null;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            LogUnread("it was given up before it was read", visit.Host);
            throw;
        }
        catch (Exception failure) when (failure is HttpRequestException or IOException or InvalidDataException)
        {
            return Unread(Describe(failure), visit);
        }
    }

    public void Dispose() => client.Dispose();

    private async Task<WebPage?> ReadAsync(Visit visit, CancellationToken cancellationToken)
    {
        for (var redirects = 0; redirects <= options.MaxRedirects; redirects++)
        {
            if (rules.FindRefusal(visit.Url) is { } refusal)
                throw new PageRefusedException(refusal);
            using var request = new HttpRequestMessage(HttpMethod.Get, visit.Url);
            using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
            if (!IsRedirect(response.StatusCode))
                return await ReadAsync(visit, response, cancellationToken);
            if (FindTarget(visit.Url, response) is not { } target)
                return Unread("it redirects to nowhere", visit);
            visit.Url = target;
        }

        return Unread("it redirects more often than WebSearch:MaxRedirects allows", visit);
    }

    private async Task<WebPage?> ReadAsync(Visit visit, HttpResponseMessage response, CancellationToken cancellationToken)
    {
        if (response.StatusCode != HttpStatusCode.OK)
            return Unread($"it answers {(int)response.StatusCode}", visit);
        if (response.Content.Headers.ContentType is not { } type || !IsText(type))
            return Unread("it is neither HTML nor plain text", visit);
        if (response.Content.Headers.ContentEncoding.Count > 0)
            return Unread("it is compressed in a way that is not read", visit);

        await using var body = await response.Content.ReadAsStreamAsync(cancellationToken);
        var text = PageEncoding.Decode((await ReadBytesAsync(body, cancellationToken)).Span, type);
        var (readable, title) = IsPlain(type) ? (ReadableText.OfPlainText(text), null) : ReadableText.OfHtml(text, cancellationToken);
        return readable.Length > 0 ? new WebPage(visit.Url, title, readable) : Unread("it has no readable text", visit);
    }

    private async Task<ReadOnlyMemory<byte>> ReadBytesAsync(Stream body, CancellationToken cancellationToken)
    {
        using var kept = new MemoryStream();
        var buffer = new byte[Math.Min(options.MaxPageBytes, 16 * 1024)];
        while (kept.Length < options.MaxPageBytes)
        {
            var room = (int)Math.Min(buffer.Length, options.MaxPageBytes - kept.Length);
            var count = await body.ReadAsync(buffer.AsMemory(0, room), cancellationToken);
            if (count == 0)
                break;
            kept.Write(buffer, 0, count);
        }

        return kept.GetBuffer().AsMemory(0, (int)kept.Length);
    }

    private static bool IsRedirect(HttpStatusCode status) => status
        is HttpStatusCode.MovedPermanently
        or HttpStatusCode.Found
        or HttpStatusCode.SeeOther
        or HttpStatusCode.TemporaryRedirect
        or HttpStatusCode.PermanentRedirect;

    /// <summary>Read from the raw header: as a header's value, a path alone would be taken for a file's.</summary>
    private static Uri? FindTarget(Uri from, HttpResponseMessage response) =>
        response.Headers.NonValidated.TryGetValues("Location", out var values)
        && values.Count == 1
        && Uri.TryCreate(from, values.ToString(), out var target)
            ? target
            : null;

    private static bool IsText(MediaTypeHeaderValue type) => IsPlain(type) || Is(type, MediaTypeNames.Text.Html) || Is(type, "application/xhtml+xml");

    private static bool IsPlain(MediaTypeHeaderValue type) => Is(type, MediaTypeNames.Text.Plain);

    private static bool Is(MediaTypeHeaderValue type, string name) => string.Equals(type.MediaType, name, StringComparison.OrdinalIgnoreCase);

    private static PageRefusal? FindRefusal(Exception failure) =>
        ((failure as PageRefusedException) ?? (failure.InnerException as PageRefusedException))?.Refusal;

    /// <summary>What is known without the words of others, which may hold what the page sent.</summary>
    private static string Describe(Exception failure) => failure is HttpRequestException { HttpRequestError: var error and not HttpRequestError.Unknown }
        ? $"the request failed, {error}"
        : $"the answer broke off or made no sense, {failure.GetType().Name}";

    private WebPage? Unread(string reason, Visit visit)
    {
        LogUnread(reason, visit.Host);
        return null;
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "A page was not fetched: {Reason}, {Host}")]
    private partial void LogRefused(string reason, string host);

    [LoggerMessage(Level = LogLevel.Information, Message = "A page was not read: {Reason}, {Host}")]
    private partial void LogUnread(string reason, string host);

    /// <summary>Where a read has come to on its way.</summary>
    private sealed class Visit(Uri url)
    {
        public Uri Url { get; set; } = url;

        /// <summary>As it is logged: a stranger may have chosen it.</summary>
        public string Host => !Url.IsAbsoluteUri ? "" : Url.Host.Length > LongestLoggedHost ? Url.Host[..LongestLoggedHost] : Url.Host;
    }
}
