using System.ClientModel;
using System.Text;
using System.Text.Json;
using AiChat.Core.Models;

namespace AiChat.Infrastructure.Providers.OpenAi;

/// <summary>Turns what can go wrong with a call into a <see cref="ProviderException"/> whose message tells the operator what to do.</summary>
internal sealed class OpenAiFailureMapper(string provider, string model, ProviderOptions settings, TimeProvider time)
{
    /// <summary>Failures of a call, as opposed to defects of this code.</summary>
    public static bool IsExpected(Exception failure) =>
        failure is OperationCanceledException or ClientResultException or HttpRequestException or IOException or JsonException;

    /// <param name="failure">An expected one; a cancellation counts as a timeout, so the caller's own is handled before.</param>
    public ProviderException From(Exception failure) => failure switch
    {
        OperationCanceledException { InnerException: TimeoutException } => New(ProviderError.Unavailable,
            $"{provider} cannot be reached: {failure.InnerException.Message}", failure),
        OperationCanceledException => New(ProviderError.Timeout,
            $"{provider} sent nothing of {model} within {settings.Timeout} (Providers:{provider}:Timeout).", failure),
        ClientResultException { InnerException: HttpRequestException inner } => FromConnection(inner),
        HttpRequestException => FromConnection((HttpRequestException)failure),
        JsonException => New(ProviderError.InvalidResponse,
            $"{provider} sent something for {model} that is no chat completion: {failure.Message}", failure),
        IOException => New(ProviderError.InvalidResponse, $"{provider} broke off its answer for {model}: {failure.Message}", failure),
        _ => New(ProviderError.Unavailable, $"{provider} did not answer for {model}: {failure.Message}", failure),
    };

    public ProviderException FromStatus(int status, string? retryAfter, ReadOnlySpan<byte> body)
    {
        var error = ProviderFailure.FromStatus(status);
        var cure = error switch
        {
            ProviderError.Unauthorized => $" Correct {ProviderOptions.KeySetting(provider)}.",
            ProviderError.InvalidResponse => $" Correct Providers:{provider}:BaseUrl.",
            _ => "",
        };
        return new ProviderException(provider, error, $"{provider} answered {status} for {model}: {Quote(ReadError(body))}{cure}")
        {
            RetryAfter = ProviderFailure.ParseRetryAfter(retryAfter, time.GetUtcNow()),
        };
    }

    /// <summary>The server reported an error where an answer belongs.</summary>
    public ProviderException FromReportedError(string message) =>
        New(ProviderError.InvalidResponse, $"{provider} reported an error instead of the answer of {model}: {Quote(message)}");

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

    private string Quote(string text) => ProviderFailure.Quote(text, settings.ApiKey);

    /// <summary>The vendor's message when the body has one in the usual place, else the body as it is.</summary>
    private string ReadError(ReadOnlySpan<byte> body)
    {
        try
        {
            if (Completion.Parse(body, model).Error is { } message)
                return message;
        }
        catch (JsonException)
        {
            // A proxy's page, or nothing.
        }

        return body.IsEmpty ? "(no body)" : Encoding.UTF8.GetString(body);
    }
}
