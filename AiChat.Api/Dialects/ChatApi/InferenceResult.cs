using AiChat.Api.Runs;
using AiChat.Core.Runs;

namespace AiChat.Api.Dialects.ChatApi;

/// <summary>Answers with a run's text as it comes. A run that ends without any is answered with an error.</summary>
/// <param name="run">The run.</param>
/// <param name="after">The position of the last event the client saw.</param>
/// <param name="hasText">Whether the client shows some text already, of this run or another.</param>
/// <param name="released"><inheritdoc cref="RunStreamResult" path="/param[@name='released']"/></param>
internal sealed class InferenceResult(RunHandle run, long after, bool hasText, CancellationToken released) : RunStreamResult(run, after, released)
{
    protected override string MediaType => EventStreamResult.ContentType;

    /// <summary>
    /// With text or with the end; with the first keep-alive where both are long in coming, because a client that hears nothing hangs up.
    /// What fails later is told by the end. Sources wait: they answer nothing.
    /// </summary>
    protected override bool IsBeginning(RunEvent runEvent) => runEvent switch
    {
        RunEnded { Result: { Error: { } error, Reply: "" } result } => throw new RunFailedException(result, error),
        _ => runEvent is MessageDelta or RunSnapshot or RunEnded or KeepAlive,
    };

    protected override IRunEventWriter CreateWriter(HttpContext http) => new TextEventWriter(http.Response.BodyWriter, RunId, hasText);
}
