using AiChat.Core.Errors;
using AiChat.Core.Models;

namespace AiChat.Core.Runs;

/// <summary>Why a run gave no whole reply, in words for people: no vendor text, no internals.</summary>
/// <param name="Code">Stable name, for programs.</param>
/// <param name="Message">What happened and what to do.</param>
/// <param name="RetryAfter">When it is worth trying again, where that is known.</param>
public sealed record RunError(string Code, string Message, TimeSpan? RetryAfter = null)
{
    public const string ProviderUnauthorized = "provider_unauthorized";
    public const string ProviderRateLimited = "provider_rate_limited";
    public const string ProviderTimeout = "provider_timeout";
    public const string ProviderUnavailable = "provider_unavailable";
    public const string ProviderInvalidResponse = "provider_invalid_response";
    public const string ProviderUnknownModel = "provider_unknown_model";
    public const string ProviderPromptTooLong = "provider_prompt_too_long";
    public const string ProviderRejected = "provider_rejected";
    public const string ChatDeleted = "chat_deleted";
    public const string Interrupted = "run_interrupted";
    public const string Cancelled = "run_cancelled";
    public const string RunTimeout = "run_timeout";
    public const string Internal = "internal_error";

    private static readonly TimeSpan DefaultRetryAfter = TimeSpan.FromSeconds(10);

    /// <summary>The stable name of a provider's failure.</summary>
    public static string ToCode(ProviderError error) => error switch
    {
        ProviderError.Unauthorized => ProviderUnauthorized,
        ProviderError.RateLimited => ProviderRateLimited,
        ProviderError.Timeout => ProviderTimeout,
        ProviderError.Unavailable => ProviderUnavailable,
        ProviderError.InvalidResponse => ProviderInvalidResponse,
        ProviderError.UnknownModel => ProviderUnknownModel,
        ProviderError.PromptTooLong => ProviderPromptTooLong,
        ProviderError.Rejected => ProviderRejected,
        _ => throw new ArgumentOutOfRangeException(nameof(error), error, "Unknown kind of provider error."),
    };

    /// <summary>Why the attempt gave no whole reply; null when it did, or may still.</summary>
    public static RunError? Of(Attempt attempt) => attempt switch
    {
        { Error: { } error } => From(new ProviderException(attempt.Provider, error, "")),
        { Outcome: AttemptOutcome.Cancelled } => ForCancel(),
        _ => null,
    };

    public static RunError From(ProviderException failure)
    {
        var provider = $"The model provider '{failure.Provider}'";
        var message = failure.Error switch
        {
            ProviderError.Unauthorized => $"{provider} refused the server's API key. The operator has to correct it; your message is stored.",
            ProviderError.RateLimited => $"{provider} allows no more requests at the moment. Your message is stored; send again later.",
            ProviderError.Timeout => $"{provider} did not answer in time. Your message is stored; send again.",
            ProviderError.Unavailable => $"{provider} cannot be reached or is broken. Your message is stored; send again later.",
            ProviderError.InvalidResponse => $"{provider} sent an answer that is empty, cut or unreadable. Your message is stored; send again.",
            ProviderError.UnknownModel => $"{provider} does not have the model. The operator has to name another one; your message is stored.",
            ProviderError.PromptTooLong => $"{provider} says that this is longer than the model takes. Your message is stored; send a shorter one, or ask for a model with a larger window.",
            _ => $"{provider} refused this request. Your message is stored; change the message or its settings, or ask for another model.",
        };
        return new RunError(ToCode(failure.Error), message, GetRetryAfter(failure));
    }

    private static TimeSpan? GetRetryAfter(ProviderException failure) => failure.Error switch
    {
        // Waiting does not help.
        ProviderError.Rejected or ProviderError.PromptTooLong => null,
        ProviderError.RateLimited => failure.RetryAfter ?? DefaultRetryAfter,
        _ => failure.RetryAfter,
    };

    /// <summary>As it was stored; texts of the first version were not.</summary>
    public static RunError Restore(string code, string? message) => code switch
    {
        _ when message is not null => new RunError(code, message, code is Interrupted or ProviderRateLimited or UnavailableException.DatabaseUnavailable ? DefaultRetryAfter : null),
        Interrupted => ForShutdown(),
        _ => new RunError(code, "The model gave no reply. Your message is stored; try the run again."),
    };

    public static RunError ForShutdown() => new(Interrupted,
        "The server stopped before the reply was whole. Your message is stored; try the run again.", TimeSpan.FromSeconds(5));

    public static RunError ForCancel() => new(Cancelled, "The run was cancelled. What had been written by then is kept as the reply.");

    public static RunError ForTimeout() => new(RunTimeout,
        "The reply took longer than this server allows (Runs:MaxDuration). What had been written by then is kept; try the run again.");

    public static RunError ForDeletedChat() => new(ChatDeleted, "The chat was deleted while its reply was being written.");

    /// <summary>For a run that is stored, before a model was asked.</summary>
    public static RunError ForDatabase() => new(UnavailableException.DatabaseUnavailable,
        "The database could not be read for too long, so no model could be asked for the reply. Your message is stored; try the run again later.",
        TimeSpan.FromSeconds(5));

    public static RunError ForDefect() => new(Internal,
        "The server failed to answer because of a defect of its own. Your message is stored; send again, and report the trace id if it goes on.");
}

/// <summary>A run ended without a whole reply.</summary>
public sealed class RunFailedException(RunResult result, RunError error) : ChatException(error.Code, error.Message)
{
    public RunResult Result { get; } = result;

    public RunError Error { get; } = error;
}
