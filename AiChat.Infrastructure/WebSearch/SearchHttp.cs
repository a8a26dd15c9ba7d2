using System.Globalization;
using System.Net;
using System.Text.Json;
using AiChat.Core.WebSearch;
using Microsoft.Extensions.Logging;

namespace AiChat.Infrastructure.WebSearch;

/// <summary>
/// The connections to one search engine: no proxy, no cookies, no redirects, and an end to every wait and every answer. What goes wrong is
/// told to people in one sentence; the log says the rest, without query and contents.
/// </summary>
internal sealed partial class SearchHttp(SearchEngine engine, TimeSpan timeout, TimeProvider time, ILogger logger) : IDisposable
{
    /// <summary>Bytes of an answer, as they come out of its compression.</summary>
    public const int LongestAnswer = 2 * 1024 * 1024;

    private const int BufferSize = 16 * 1024;

    /// <summary>A connection is not kept longer, so that a changed DNS entry is noticed.</summary>
    private static readonly TimeSpan ConnectionLifetime = TimeSpan.FromMinutes(5);

    private readonly HttpClient client = CreateClient();

    /// <summary>Sends a request, which is disposed of, and reads the JSON object that answers it.</summary>
    /// <exception cref="WebSearchException">There is no such answer.</exception>
    public async Task<JsonElement> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        using var sent = request;
        using var timeLimit = new CancellationTokenSource(timeout, time);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(timeLimit.Token, cancellationToken);
        try
        {
            using var response = await client.SendAsync(sent, HttpCompletionOption.ResponseHeadersRead, stop.Token);
            if (response.StatusCode != HttpStatusCode.OK)
                throw Refused((int)response.StatusCode);
            return Parse(await ReadAsync(response.Content, stop.Token));
        }
        catch (OperationCanceledException failure) when (!cancellationToken.IsCancellationRequested)
        {
            LogTimeout(engine.Title, timeout);
            throw Failed(FormattableString.Invariant($"did not answer within {timeout.TotalSeconds:0.###} seconds. Try again later."), failure);
        }
        catch (Exception failure) when (IsBreak(failure))
        {
            LogBroken(failure, engine.Title);
            throw Failed("broke off its answer. Try again later.", failure);
        }
        catch (HttpRequestException failure)
        {
            LogUnreachable(failure, engine.Title);
            throw Failed($"cannot be reached. Try again later; if it stays like that, check {engine.AddressSetting}.", failure);
        }
    }

    /// <summary>The answer is none of this engine.</summary>
    /// <param name="reason">What is wrong with it, for the log.</param>
    /// <param name="inner">What found out; null when nothing was thrown.</param>
    public WebSearchException Unreadable(string reason, Exception? inner = null)
    {
        LogUnreadable(engine.Title, reason);
        return Failed($"sent something that cannot be read. Check {engine.AddressSetting}.", inner);
    }

    public void Dispose() => client.Dispose();

    private static HttpClient CreateClient()
    {
        var handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            UseProxy = false,
            AutomaticDecompression = DecompressionMethods.All,
            PooledConnectionLifetime = ConnectionLifetime,
            ActivityHeadersPropagator = null,
        };
        var client = new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan };
        client.DefaultRequestHeaders.UserAgent.ParseAdd($"AiChat/{typeof(SearchHttp).Assembly.GetName().Version?.ToString(3)}");
        client.DefaultRequestHeaders.Accept.ParseAdd("application/json");
        return client;
    }

    /// <summary>A connection that was there broke, or what came over it is not HTTP.</summary>
    private static bool IsBreak(Exception failure) => failure is IOException
        or HttpRequestException { HttpRequestError: HttpRequestError.ResponseEnded or HttpRequestError.InvalidResponse }
        or HttpRequestException { HttpRequestError: HttpRequestError.Unknown, InnerException: IOException };

    private async Task<ReadOnlyMemory<byte>> ReadAsync(HttpContent content, CancellationToken cancellationToken)
    {
        await using var body = await content.ReadAsStreamAsync(cancellationToken);
        using var answer = new MemoryStream();
        var buffer = new byte[BufferSize];
        while (await body.ReadAsync(buffer, cancellationToken) is > 0 and var count)
        {
            answer.Write(buffer, 0, count);
            if (answer.Length > LongestAnswer)
                throw Unreadable(string.Create(CultureInfo.InvariantCulture, $"it is longer than {LongestAnswer} bytes"));
        }

        return answer.GetBuffer().AsMemory(0, (int)answer.Length);
    }

    private JsonElement Parse(ReadOnlyMemory<byte> body)
    {
        try
        {
            var answer = JsonElement.Parse(body.Span);
            return answer.ValueKind == JsonValueKind.Object ? answer : throw Unreadable("it is no JSON object");
        }
        catch (JsonException failure)
        {
            throw Unreadable("it is no JSON", failure);
        }
    }

    private WebSearchException Refused(int status)
    {
        LogStatus(engine.Title, status);
        return Failed(engine.Explain(status) ?? status switch
        {
            429 => "is asked too often. Try again later.",
            >= 500 => "has a failure of its own. Try again later.",
            _ => string.Create(CultureInfo.InvariantCulture, $"answered with status {status}, which is no answer to a search. Check {engine.AddressSetting}."),
        });
    }

    private WebSearchException Failed(string problem, Exception? inner = null) => new($"The web could not be searched: {engine.Title} {problem}", inner);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Engine} answered a search with status {Status}")]
    private partial void LogStatus(string engine, int status);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Engine} did not answer a search within {Timeout} (WebSearch:SearchTimeout)")]
    private partial void LogTimeout(string engine, TimeSpan timeout);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Engine} cannot be reached for a search")]
    private partial void LogUnreachable(Exception failure, string engine);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Engine} broke off its answer to a search")]
    private partial void LogBroken(Exception failure, string engine);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Engine} sent an answer to a search that cannot be read: {Reason}")]
    private partial void LogUnreadable(string engine, string reason);
}
