namespace AiChat.Infrastructure.Providers;

/// <summary>
/// Ends a call that takes too long: a whole answer behind <see cref="ProviderOptions.Timeout"/>; a streamed one when nothing comes for that
/// long, or no token at all within <see cref="ProviderOptions.FirstTokenTimeout"/>.
/// </summary>
internal sealed class CallDeadline : IDisposable
{
    /// <summary>Behind the last event the end of the body is as good as there; having read it, the connection can be used again.</summary>
    private static readonly TimeSpan EndOfBodyTimeout = TimeSpan.FromMilliseconds(100);

    private readonly CancellationTokenSource source;
    private readonly TimeSpan firstTokenTimeout;
    private readonly long start = Environment.TickCount64;
    private TimeSpan timeout;
    private bool isFirstTokenAwaited;

    public CallDeadline(ProviderOptions settings, bool isStream, CancellationToken cancellationToken)
    {
        source = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timeout = settings.Timeout;
        firstTokenTimeout = settings.FirstTokenTimeout ?? settings.Timeout;
        isFirstTokenAwaited = isStream;
        (Limit, Setting) = (timeout, nameof(ProviderOptions.Timeout));
        BeginWait();
    }

    /// <summary>Cancelled by the caller or by the time.</summary>
    public CancellationToken Token => source.Token;

    /// <summary>The wait that is, or was last.</summary>
    public TimeSpan Limit { get; private set; }

    /// <summary>The setting <see cref="Limit"/> comes from.</summary>
    public string Setting { get; private set; }

    /// <summary>From here on the answer has to do something.</summary>
    public void BeginWait()
    {
        var wait = timeout;
        if (isFirstTokenAwaited)
        {
            var left = firstTokenTimeout - TimeSpan.FromMilliseconds(Environment.TickCount64 - start);
            var isFirstTokenNext = left <= timeout && firstTokenTimeout != timeout;
            (Limit, Setting) = isFirstTokenNext
                ? (firstTokenTimeout, nameof(ProviderOptions.FirstTokenTimeout))
                : (timeout, nameof(ProviderOptions.Timeout));
            wait = left > timeout ? timeout : left > TimeSpan.Zero ? left : TimeSpan.Zero;
        }

        source.CancelAfter(wait);
    }

    /// <summary>The time of the caller does not count.</summary>
    public void EndWait() => source.CancelAfter(Timeout.InfiniteTimeSpan);

    /// <summary>The first token has come, be it one of reasoning.</summary>
    public void SeeToken()
    {
        if (!isFirstTokenAwaited)
            return;
        isFirstTokenAwaited = false;
        (Limit, Setting) = (timeout, nameof(ProviderOptions.Timeout));
    }

    /// <summary>The answer is whole.</summary>
    public void SeeEnd()
    {
        isFirstTokenAwaited = false;
        timeout = EndOfBodyTimeout;
    }

    /// <summary>What comes now is worth that long.</summary>
    public void Shorten(TimeSpan wait) => source.CancelAfter(wait);

    public void Dispose() => source.Dispose();
}
