using System.Net;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace AiChat.Tests.Support;

/// <summary>A real HTTP server on loopback that takes whatever telemetry is sent to it and keeps it.</summary>
public sealed class OtlpCollector : IAsyncDisposable
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(20);

    private readonly WebApplication server;
    private readonly Lock state = new();
    private readonly List<OtlpPost> posts = [];
    private TaskCompletionSource arrival = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private OtlpCollector(HttpProtocols protocols)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.Protocols = protocols));
        server = builder.Build();
        server.Run(TakeAsync);
    }

    public string Url => server.Urls.Single();

    /// <summary>Every post so far, in order of arrival.</summary>
    public IReadOnlyList<OtlpPost> Posts
    {
        get
        {
            lock (state)
                return [.. posts];
        }
    }

    public static async Task<OtlpCollector> StartAsync(HttpProtocols protocols = HttpProtocols.Http1)
    {
        var collector = new OtlpCollector(protocols);
        await collector.server.StartAsync();
        return collector;
    }

    /// <summary>Waits for a post to this path whose body contains this text; one that is there already counts.</summary>
    public async Task<OtlpPost> WaitForAsync(string path, string text)
    {
        using var timeout = new CancellationTokenSource(LongestWait);
        while (true)
        {
            Task next;
            lock (state)
            {
                if (posts.Find(p => p.Path == path && p.Text.Contains(text, StringComparison.Ordinal)) is { } found)
                    return found;
                next = arrival.Task;
            }

            await next.WaitAsync(timeout.Token);
        }
    }

    public ValueTask DisposeAsync() => server.DisposeAsync();

    private async Task TakeAsync(HttpContext context)
    {
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body);
        lock (state)
        {
            posts.Add(new OtlpPost(context.Request.Path, context.Request.ContentType, context.Request.Headers["x-team"], Encoding.UTF8.GetString(body.ToArray())));
            arrival.TrySetResult();
            arrival = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }
}

/// <summary>What came in one piece.</summary>
/// <param name="Path">Where it was sent to.</param>
/// <param name="ContentType">What it claims to be.</param>
/// <param name="Team">The header <c>x-team</c>; null without.</param>
/// <param name="Text">The body, read as UTF-8: names and texts can be read in it, numbers cannot.</param>
public sealed record OtlpPost(string Path, string? ContentType, string? Team, string Text);
