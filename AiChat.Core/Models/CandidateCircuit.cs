using Microsoft.Extensions.Logging;
using Polly;
using Polly.CircuitBreaker;

namespace AiChat.Core.Models;

/// <summary>
/// Knows how one model at one provider does, and keeps calls away from it while it is in trouble. All aliases that name the model share it.
/// It opens when too many calls fail or several in a row, and at once when the provider refuses the key, does not have the model or asks for a long wait. When
/// the time is over, one call tries again. What says nothing about the backend counts neither way: a refused or too long prompt, a
/// cancelled call. Safe to use from many threads; nothing is locked while a call goes on.
/// </summary>
public sealed partial class CandidateCircuit
{
    private readonly string provider;
    private readonly string model;
    private readonly RoutingOptions options;
    private readonly TimeProvider time;
    private readonly ILogger logger;
    private readonly ResiliencePipeline<ProviderException?> breaker;
    private readonly FirstTokenTimes firstTokens = new();
    private volatile BreakerState state;
    private Refusal? refusal;
    private int failuresInARow;
    private bool isAnnounced;
    private volatile object? lastError;

    /// <param name="provider">The provider's name, for the log.</param>
    /// <param name="model">The model's id, for the log.</param>
    /// <param name="options">When it opens, and for how long.</param>
    /// <param name="time">Its clock.</param>
    /// <param name="logger">Told when it opens and closes.</param>
    public CandidateCircuit(string provider, string model, RoutingOptions options, TimeProvider time, ILogger<CandidateCircuit> logger)
    {
        this.provider = provider;
        this.model = model;
        this.options = options;
        this.time = time;
        this.logger = logger;
        state = new BreakerState(CandidateState.Closed, time.GetUtcNow(), default);
        breaker = CreateBreaker();
    }

    /// <summary>Whether a call would be turned away. Not while it is time for the call that tries again.</summary>
    public bool IsOpen => GetWait() > TimeSpan.Zero;

    /// <summary>How long calls are turned away from now on; zero when they are not.</summary>
    public TimeSpan GetWait()
    {
        var until = Volatile.Read(ref refusal)?.Until ?? state.Until;
        if (until == default)
            return TimeSpan.Zero;
        var wait = until - time.GetUtcNow();
        return wait > TimeSpan.Zero ? wait : TimeSpan.Zero;
    }

    /// <summary>How it does now, as far as its calls can tell.</summary>
    public CandidateHealth GetHealth()
    {
        // A call that began before the refusal may end well after it.
        return Volatile.Read(ref refusal) is { } refused
            ? new CandidateHealth(refused.State, refused.Since, refused.Error, firstTokens.Median)
            : new CandidateHealth(state.State, state.Since, (ProviderError?)lastError, firstTokens.Median);
    }

    /// <summary>Makes a call unless it is turned away, and takes its end into account.</summary>
    /// <param name="call">Returns when the first text is there, or why none came. Whatever it throws counts neither way.</param>
    /// <returns>False when the call was not made.</returns>
    public async ValueTask<bool> TryCallAsync(Func<ValueTask<ProviderException?>> call)
    {
        if (Volatile.Read(ref refusal) is { } refused)
            return await TryAgainAsync(refused, call);
        if (state.State != CandidateState.Closed)
            return !IsOpen && await TryHalfOpenAsync(call);

        await ReportAsync(await call());
        return true;
    }

    /// <summary>Takes the end of a call into account.</summary>
    /// <param name="failure">Why it failed; null for a good end.</param>
    public async ValueTask ReportAsync(ProviderException? failure)
    {
        Note(failure);
        // While it is refused, the breaker has nothing to say.
        if (failure is not null && (!IsTrouble(failure.Error) || Volatile.Read(ref refusal) is not null))
            return;
        await ExecuteAsync(static (_, result) => ValueTask.FromResult(Outcome.FromResult<ProviderException?>(result)), failure);
    }

    /// <summary>Remembers how long a call took to its first text.</summary>
    public void ReportFirstToken(TimeSpan elapsed) => firstTokens.Add(elapsed);

    /// <summary>Whether it tells that the backend does not work. Of those, some are worth another call.</summary>
    internal static bool IsTrouble(ProviderError error) => error is
        ProviderError.Unavailable or ProviderError.Timeout or ProviderError.RateLimited or ProviderError.InvalidResponse;

    private void Note(ProviderException? failure)
    {
        if (failure?.Error is ProviderError.Rejected or ProviderError.PromptTooLong)
            return;
        if (failure is null)
        {
            // Written seldom: all calls share them.
            if (lastError is not null)
                lastError = null;
            if (Volatile.Read(ref failuresInARow) > 0)
                Volatile.Write(ref failuresInARow, 0);
            return;
        }

        lastError = failure.Error;
        LogFailed(provider, model, failure.Error, failure.Message);
        var inARow = Interlocked.Increment(ref failuresInARow);
        if (failure.Error is ProviderError.Unauthorized or ProviderError.UnknownModel)
            Refuse(failure, options.RefusedBreakDuration);
        else if (failure.RetryAfter is { } wait && wait > options.LongestRetryAfter)
            Refuse(failure, wait < options.RefusedBreakDuration ? wait : options.RefusedBreakDuration);
        else if (inARow >= options.FailuresInARow && state.State == CandidateState.Closed)
            Refuse(failure, options.BreakDuration);
    }

    private void Refuse(ProviderException failure, TimeSpan wait)
    {
        var now = time.GetUtcNow();
        var former = Volatile.Read(ref refusal);
        // What the operator has to mend is not hidden by trouble that comes on top of it.
        if (former is { Error: ProviderError.Unauthorized or ProviderError.UnknownModel } && IsTrouble(failure.Error))
            return;
        var since = former?.Error == failure.Error ? former.Since : now;
        var before = Interlocked.Exchange(ref refusal, new Refusal(failure.Error, since, now + wait, wait));
        if (before is null && (!IsTrouble(failure.Error) || TryAnnounce()))
            LogOpened(provider, model, wait, failure.Error, failure.Message);
    }

    /// <summary>True for the first of those who find, at the same moment and each in its own way, that it does not work.</summary>
    private bool TryAnnounce() => !Interlocked.Exchange(ref isAnnounced, true);

    /// <summary>One call when the time of the refusal is over; the others are turned away for as long again, or until it is good.</summary>
    private async ValueTask<bool> TryAgainAsync(Refusal refused, Func<ValueTask<ProviderException?>> call)
    {
        var now = time.GetUtcNow();
        if (now < refused.Until)
            return false;
        var trying = refused with { Until = now + refused.Wait, IsTrying = true };
        if (Interlocked.CompareExchange(ref refusal, trying, refused) != refused)
            return false;

        try
        {
            var failure = await call();
            if (failure is null && Interlocked.CompareExchange(ref refusal, null, trying) == trying)
            {
                Volatile.Write(ref isAnnounced, false);
                LogClosed(provider, model);
            }

            await ReportAsync(failure);
            return true;
        }
        finally
        {
            Interlocked.CompareExchange(ref refusal, trying with { IsTrying = false }, trying);
        }
    }

    /// <summary>The breaker lets one call through at a time. A call whose end says nothing leaves it open for as long again.</summary>
    private async ValueTask<bool> TryHalfOpenAsync(Func<ValueTask<ProviderException?>> call)
    {
        var outcome = await ExecuteAsync(static async (_, make) => Outcome.FromResult<ProviderException?>(await make()), call);
        if (outcome.Exception is BrokenCircuitException)
            return false;
        outcome.ThrowIfException();
        Note(outcome.Result);
        return true;
    }

    private async ValueTask<Outcome<ProviderException?>> ExecuteAsync<TState>(
        Func<ResilienceContext, TState, ValueTask<Outcome<ProviderException?>>> callback, TState argument)
    {
        var context = ResilienceContextPool.Shared.Get(continueOnCapturedContext: false);
        var outcome = await breaker.ExecuteOutcomeAsync(callback, context, argument);
        ResilienceContextPool.Shared.Return(context);
        return outcome;
    }

    private ResiliencePipeline<ProviderException?> CreateBreaker() => new ResiliencePipelineBuilder<ProviderException?> { TimeProvider = time }
        .AddCircuitBreaker(new CircuitBreakerStrategyOptions<ProviderException?>
        {
            FailureRatio = options.FailureRatio,
            MinimumThroughput = options.MinimumThroughput,
            SamplingDuration = options.SamplingDuration,
            BreakDuration = options.BreakDuration,
            ShouldHandle = static args => ValueTask.FromResult(args.Outcome is not { Exception: null, Result: null }),
            OnOpened = args => Done(() => Open(args.Outcome.Result)),
            OnHalfOpened = _ => Done(() => SetState(CandidateState.HalfOpen, options.BreakDuration)),
            OnClosed = _ => Done(Close),
        })
        .Build();

    private void Open(ProviderException? failure)
    {
        var isNews = state.State == CandidateState.Closed;
        SetState(CandidateState.Open, options.BreakDuration);
        if (isNews && failure is not null && TryAnnounce())
            LogOpened(provider, model, options.BreakDuration, failure.Error, failure.Message);
    }

    private void Close()
    {
        SetState(CandidateState.Closed, null);
        Volatile.Write(ref isAnnounced, false);
        LogClosed(provider, model);
    }

    private void SetState(CandidateState next, TimeSpan? wait)
    {
        var now = time.GetUtcNow();
        state = new BreakerState(next, now, wait is null ? default : now + wait.Value);
    }

    private static ValueTask Done(Action change)
    {
        change();
        return ValueTask.CompletedTask;
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Provider}, {Model} is left alone for {BreakDuration}: {ProviderError}, {Reason}")]
    private partial void LogOpened(string provider, string model, TimeSpan breakDuration, ProviderError providerError, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Provider}, {Model} failed: {ProviderError}, {Reason}")]
    private partial void LogFailed(string provider, string model, ProviderError providerError, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Provider}, {Model} works again")]
    private partial void LogClosed(string provider, string model);

    /// <param name="State">Closed, open or half-open.</param>
    /// <param name="Since">Since when.</param>
    /// <param name="Until">Until when calls are turned away; unset while they are not.</param>
    private sealed record BreakerState(CandidateState State, DateTimeOffset Since, DateTimeOffset Until);

    /// <summary>Calling it is of no use: the provider said so itself, or several calls in a row have shown it.</summary>
    /// <param name="Error">Why.</param>
    /// <param name="Since">Since when.</param>
    /// <param name="Until">When one call tries again.</param>
    /// <param name="Wait">How long it is left alone after each such call.</param>
    /// <param name="IsTrying">Whether that call goes on.</param>
    private sealed record Refusal(ProviderError Error, DateTimeOffset Since, DateTimeOffset Until, TimeSpan Wait, bool IsTrying = false)
    {
        public CandidateState State => Error == ProviderError.UnknownModel
            ? CandidateState.UnknownModel
            : IsTrying ? CandidateState.HalfOpen : CandidateState.Open;
    }
}
