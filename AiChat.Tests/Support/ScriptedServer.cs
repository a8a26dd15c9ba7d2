using System.Net;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace AiChat.Tests.Support;

/// <summary>A real HTTP server on loopback that keeps every request and answers as the test says.</summary>
public sealed class ScriptedServer : IAsyncDisposable
{
    private readonly WebApplication server;
    private readonly Lock state = new();
    private readonly List<ScriptedRequest> requests = [];

    private ScriptedServer()
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        server = builder.Build();
        server.Run(AnswerAsync);
    }

    public string Url => server.Urls.Single();

    /// <summary>What is done with a request; the default answers with status 404.</summary>
    public RequestDelegate Handler { get; set; } = context =>
    {
        context.Response.StatusCode = StatusCodes.Status404NotFound;
        return Task.CompletedTask;
    };

    /// <summary>Every request so far, in order of arrival.</summary>
    public IReadOnlyList<ScriptedRequest> Requests
    {
        get
        {
            lock (state)
                return [.. requests];
        }
    }

    public static async Task<ScriptedServer> StartAsync()
    {
        var started = new ScriptedServer();
        await started.server.StartAsync();
        return started;
    }

    /// <summary>From now on this is the answer to everything.</summary>
    public void Answer(int status, string body, string contentType = "application/json") => Handler = context =>
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = contentType;
        return context.Response.WriteAsync(body);
    };

    public ValueTask DisposeAsync() => server.DisposeAsync();

    private async Task AnswerAsync(HttpContext context)
    {
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body);
        lock (state)
            requests.Add(new ScriptedRequest(ToLine(context), ToHeaders(context.Request), Encoding.UTF8.GetString(body.ToArray())));
        await Handler(context);
    }

    private static string ToLine(HttpContext context)
    {
        var request = context.Features.GetRequiredFeature<IHttpRequestFeature>();
        return $"{request.Method} {request.RawTarget} {request.Protocol}";
    }

    private static Dictionary<string, string> ToHeaders(HttpRequest request) =>
        request.Headers.ToDictionary(h => h.Key, h => h.Value.ToString(), StringComparer.OrdinalIgnoreCase);
}

/// <summary>A request as it came over the wire.</summary>
/// <param name="Line">Its first line, such as <c>GET /search?q=rome HTTP/1.1</c>.</param>
/// <param name="Headers">By name, compared without case; several values of one name are joined by commas.</param>
/// <param name="Body">Its body, read as UTF-8.</param>
public sealed record ScriptedRequest(string Line, IReadOnlyDictionary<string, string> Headers, string Body);
