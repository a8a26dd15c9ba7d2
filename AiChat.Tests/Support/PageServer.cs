using System.Net;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;

namespace AiChat.Tests.Support;

/// <summary>A real web server on loopback that serves what a test puts there, and counts who connects, be it without a request.</summary>
public sealed class PageServer : IAsyncDisposable
{
    private readonly Lock state = new();
    private readonly List<PageRequest> requests = [];
    private readonly Dictionary<string, RequestDelegate> pages = new(StringComparer.Ordinal);
    private WebApplication server = null!;
    private int connections;

    private PageServer()
    {
    }

    public int Port { get; private set; }

    /// <summary>Its host and port, as they stand in URLs and in <c>WebSearch:AllowedHosts</c>.</summary>
    public string Authority => $"127.0.0.1:{Port}";

    public string BaseUrl => $"http://{Authority}";

    /// <summary>Connections that were ever made.</summary>
    public int Connections => Volatile.Read(ref connections);

    /// <summary>Every request so far, in order of arrival.</summary>
    public IReadOnlyList<PageRequest> Requests
    {
        get
        {
            lock (state)
                return [.. requests];
        }
    }

    /// <summary>A server that speaks TLS where it is given a certificate.</summary>
    public static async Task<PageServer> StartAsync(X509Certificate2? certificate = null)
    {
        var pages = new PageServer();
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.ResponseHeaderEncodingSelector = _ => Encoding.UTF8;
            kestrel.Listen(IPAddress.Loopback, 0, endpoint => pages.Configure(endpoint, certificate));
        });
        pages.server = builder.Build();
        pages.server.Run(pages.AnswerAsync);
        await pages.server.StartAsync();
        pages.Port = new Uri(pages.server.Urls.Single()).Port;
        return pages;
    }

    /// <summary>The address of a path here.</summary>
    public Uri Url(string path) => new(BaseUrl + path);

    /// <summary>Answers a path, with or without a query; any other is a 404.</summary>
    public void Serve(string path, RequestDelegate answer) => pages[path] = answer;

    public void Serve(string path, string type, byte[] body, params (string Name, string Value)[] headers) => Serve(path, async context =>
    {
        context.Response.ContentType = type;
        foreach (var (name, value) in headers)
            context.Response.Headers[name] = value;
        await context.Response.Body.WriteAsync(body, context.RequestAborted);
    });

    public void ServeHtml(string path, string html) => Serve(path, "text/html; charset=utf-8", Encoding.UTF8.GetBytes(html));

    public void ServeRedirect(string path, string location, int status = 302) => Serve(path, context =>
    {
        context.Response.StatusCode = status;
        context.Response.Headers.Location = location;
        return Task.CompletedTask;
    });

    public ValueTask DisposeAsync() => server.DisposeAsync();

    private void Configure(ListenOptions endpoint, X509Certificate2? certificate)
    {
        endpoint.Use(next => connection =>
        {
            Interlocked.Increment(ref connections);
            return next(connection);
        });
        if (certificate is null)
            return;
        // Offline, because the server's side would go and look for the issuer, too.
        var context = SslStreamCertificateContext.Create(certificate, additionalCertificates: null, offline: true);
        endpoint.UseHttps(new TlsHandshakeCallbackOptions
        {
            OnConnection = _ => ValueTask.FromResult(new SslServerAuthenticationOptions { ServerCertificateContext = context }),
        });
    }

    private async Task AnswerAsync(HttpContext context)
    {
        lock (state)
            requests.Add(PageRequest.Of(context.Request));
        if (!pages.TryGetValue(context.Request.Path.Value!, out var answer))
        {
            context.Response.StatusCode = StatusCodes.Status404NotFound;
            return;
        }

        try
        {
            await answer(context);
        }
        catch (Exception failure) when (failure is OperationCanceledException or IOException && context.RequestAborted.IsCancellationRequested)
        {
            context.Abort();
        }
    }
}

/// <summary>A request the page server got.</summary>
public sealed record PageRequest(string Target, IReadOnlyDictionary<string, string> Headers)
{
    internal static PageRequest Of(HttpRequest request) => new(
        request.Path + request.QueryString,
        request.Headers.ToDictionary(h => h.Key, h => h.Value.ToString(), StringComparer.OrdinalIgnoreCase));
}
