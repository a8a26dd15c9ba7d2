using Microsoft.Extensions.Hosting;

namespace AiChat.Tests.Support;

/// <summary>A host that is asked to stop and takes its time: what is in it knows, and the web server goes on.</summary>
public sealed class StoppingLifetime : IHostApplicationLifetime, IDisposable
{
    private readonly CancellationTokenSource stopping = new();

    public CancellationToken ApplicationStarted => CancellationToken.None;

    public CancellationToken ApplicationStopping => stopping.Token;

    public CancellationToken ApplicationStopped => CancellationToken.None;

    public void StopApplication() => stopping.Cancel();

    public void Dispose() => stopping.Dispose();
}
