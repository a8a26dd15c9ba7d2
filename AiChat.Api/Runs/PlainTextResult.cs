using System.Text;
using AiChat.Core.Runs;

namespace AiChat.Api.Runs;

/// <summary>
/// Answers with a run's text as it comes, and nothing else. Until the first of it is there, a failure is an ordinary error; where that is
/// long in coming, the headers are sent in front of it, because a client that hears nothing hangs up. Behind them only the connection can
/// tell: it is broken off when the run fails, so that no client takes half a reply for a whole one. The reply of a run that somebody
/// cancelled ends where it was cancelled; one that had not begun is none.
/// </summary>
/// <param name="run">The run.</param>
/// <param name="released"><inheritdoc cref="RunStreamResult" path="/param[@name='released']"/></param>
internal sealed class PlainTextResult(RunHandle run, CancellationToken released) : RunStreamResult(run, after: 0, released)
{
    public const string ContentType = "text/plain";

    private readonly Task<RunResult> completion = run.Completion;

    protected override string MediaType => ContentType + "; charset=utf-8";

    protected override bool IsBeginning(RunEvent runEvent)
    {
        if (runEvent is not (MessageDelta or RunSnapshot or RunEnded or KeepAlive))
            return false;
        if (FindEnd(runEvent) is { Error: { } error } end && !IsCancelledReply(end))
            throw new RunFailedException(end, error);
        return true;
    }

    protected override bool IsEnd(RunEvent last) => last is RunEnded { Result: var result } && (result.Error is null || IsCancelledReply(result));

    protected override IRunEventWriter CreateWriter(HttpContext http) => new Writer(http.Response);

    /// <summary>How the run has ended; null when it goes on. Its log shows the end first.</summary>
    private RunResult? FindEnd(RunEvent current)
    {
        if (current is RunEnded end)
            return end.Result;
        return completion.IsCompletedSuccessfully ? completion.Result : null;
    }

    private static bool IsCancelledReply(RunResult result) => result is { Status: RunStatus.Cancelled, Reply.Length: > 0 };

    private sealed class Writer(HttpResponse response) : IRunEventWriter
    {
        public void Write(RunEvent runEvent)
        {
            // Whoever reads from the beginning gets the whole text at most once, in front of everything else.
            if (runEvent is RunSnapshot snapshot)
                Encoding.UTF8.GetBytes(snapshot.Text, response.BodyWriter);
            else if (runEvent is MessageDelta delta)
                Encoding.UTF8.GetBytes(delta.Text, response.BodyWriter);
        }
    }
}
