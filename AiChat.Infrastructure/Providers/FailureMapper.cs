using System.ClientModel;
using System.Text.Json;
using AiChat.Core.Models;
using Anthropic.Exceptions;

namespace AiChat.Infrastructure.Providers;

/// <summary>Turns what can go wrong with a call into a <see cref="ProviderException"/> whose message tells the operator what to do.</summary>
internal sealed class FailureMapper(string provider, string model, ProviderOptions settings, TimeProvider time)
{
    /// <summary>Failures of a call, as opposed to defects of this code.</summary>
    public static bool IsExpected(Exception failure) =>
        failure is OperationCanceledException or ClientResultException or AnthropicIOException or HttpRequestException or IOException or JsonException;

    /// <param name="failure">An expected one; a cancellation counts as a timeout, so the caller's own is handled before.</param>
    /// <param name="deadline">The one of the call.</param>
    public ProviderException From(Exception failure, CallDeadline deadline) => failure switch
    {
        OperationCanceledException { InnerException: TimeoutException } => New(ProviderError.Unavailable,
            $"{provider} cannot be reached: {failure.InnerException.Message} (Providers:{provider}:ConnectTimeout)", failure),
        OperationCanceledException => New(ProviderError.Timeout,
            $"{provider} sent nothing of {model} within {deadline.Limit} (Providers:{provider}:{deadline.Setting}).", failure),
        ClientResultException { InnerException: HttpRequestException inner } => FromConnection(inner),
        AnthropicIOException { InnerException: HttpRequestException inner } => FromConnection(inner),
        HttpRequestException => FromConnection((HttpRequestException)failure),
        JsonException => New(ProviderError.InvalidResponse,
            $"{provider} sent something for {model} that cannot be read: {failure.Message}", failure),
        IOException => New(ProviderError.InvalidResponse, $"{provider} broke off its answer for {model}: {failure.Message}", failure),
        _ => New(ProviderError.Unavailable, $"{provider} did not answer for {model}: {failure.Message}", failure),
    };

    public ProviderException FromStatus(int status, string? retryAfter, ReadOnlySpan<byte> body)
    {
        var reported = ReportedError.ParseBody(body);
        var error = ProviderFailure.FromStatus(status, reported);
        var cure = error switch
        {
            ProviderError.Unauthorized => $" Correct {ProviderOptions.KeySetting(provider)}.",
            ProviderError.UnknownModel => $" Correct the model's id in Models, or Providers:{provider}:BaseUrl.",
            ProviderError.InvalidResponse when status < 400 => $" Correct Providers:{provider}:BaseUrl.",
            _ => "",
        };
        return new ProviderException(provider, error, $"{provider} answered {status} for {model}: {Quote(reported.Message)}{cure}")
        {
            RetryAfter = ProviderFailure.ParseRetryAfter(retryAfter, time.GetUtcNow()),
        };
    }

    /// <summary>The server reported an error where an answer belongs.</summary>
    public ProviderException FromReportedError(ReportedError error) =>
        New(ProviderError.InvalidResponse, $"{provider} reported an error instead of the answer of {model}: {Quote(error.Message)}");

    public ProviderException InvalidAnswer(string problem) =>
        New(ProviderError.InvalidResponse, $"{provider} sent an answer for {model} that cannot be used: {problem}");

    private ProviderException FromConnection(HttpRequestException failure)
    {
        var reason = failure.GetBaseException().Message;
        // A connection that was there broke, which is not the same as none: the request may have been worked on.
        var isBroken = failure.HttpRequestError is HttpRequestError.ResponseEnded or HttpRequestError.InvalidResponse
            || failure is { HttpRequestError: HttpRequestError.Unknown, InnerException: IOException };
        return isBroken
            ? New(ProviderError.InvalidResponse, $"{provider} broke off before it answered for {model}: {reason}", failure)
            : New(ProviderError.Unavailable, $"{provider} cannot be reached: {reason} (Providers:{provider}:BaseUrl)", failure);
    }

    private ProviderException New(ProviderError error, string message, Exception? inner = null) => new(provider, error, message, inner);

    private string Quote(string text) => ProviderFailure.Quote(text, settings.Secrets);
}
