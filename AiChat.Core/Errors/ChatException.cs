namespace AiChat.Core.Errors;

/// <summary>A rule of AiChat was broken or something it needs is missing. The message is a sentence for the person who called.</summary>
public abstract class ChatException(string code, string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>Stable name of the problem, for programs.</summary>
    public string Code { get; } = code;
}

/// <summary>A well-formed request that asks for something that cannot be done.</summary>
public sealed class InvalidRequestException(string code, string field, string message) : ChatException(code, message)
{
    public const string NothingToAnswer = "nothing_to_answer";

    public const string NothingToAnswerMessage = "The chat has no message of its user to answer. Add one first.";

    /// <summary>The request's field the problem is in, as clients name it.</summary>
    public string Field { get; } = field;
}

/// <summary>AiChat cannot do its work right now; the same request may succeed later.</summary>
public sealed class UnavailableException(string code, string message, TimeSpan? retryAfter, Exception? inner = null)
    : ChatException(code, message, inner)
{
    public const string ShuttingDown = "shutting_down";
    public const string DatabaseUnavailable = "database_unavailable";

    /// <summary>When to send the request again; null when it must not be.</summary>
    public TimeSpan? RetryAfter { get; } = retryAfter;

    /// <summary>Whether what was asked for may be done all the same.</summary>
    public bool MayBeDone { get; private init; }

    /// <summary>Whether another process has the run now.</summary>
    public bool IsTakenOver { get; private init; }

    public static UnavailableException ForShutdown() =>
        new(ShuttingDown, "The server is shutting down and takes no new messages. Send again in a few seconds.", TimeSpan.FromSeconds(5));

    public static UnavailableException ForDatabase(Exception inner) =>
        new(DatabaseUnavailable, "The database cannot be used right now. Nothing of this request was stored; send it again later.",
            TimeSpan.FromSeconds(5), inner);

    public static UnavailableException ForUnknownCommit(Exception inner) =>
        new(DatabaseUnavailable, "The database was lost while this request was being stored, so it may be stored or not. Look, or send it again "
            + "later with the same Idempotency-Key.", TimeSpan.FromSeconds(5), inner)
        {
            MayBeDone = true,
        };

    public static UnavailableException ForTakenOver() =>
        new(DatabaseUnavailable, "This server had lost touch with the database, and another one has taken over the reply. Look into the chat, or follow "
            + "the run; do not send the message again.", retryAfter: null)
        {
            IsTakenOver = true,
        };

    public static UnavailableException ForUnstoredReply(Exception inner) =>
        new(DatabaseUnavailable, "The message is stored and answered, but the database does not take the reply right now. It appears in the "
            + "chat as soon as it does; do not send the message again.", retryAfter: null, inner);
}

/// <summary>A request that the state of its chat or run does not allow.</summary>
public sealed class ConflictException(string code, string message, string? runId = null, TimeSpan? retryAfter = null) : ChatException(code, message)
{
    public const string ChatBusy = "chat_busy";
    public const string RunNotRetryable = "run_not_retryable";

    public const string ChatBusyMessage =
        "The chat is still answering another message. Wait for that run, cancel it, or send with on_busy queue or interrupt.";

    public const string OvertakenMessage =
        "Another message was added to the chat at the moment this one was to be answered. Ask again: the newest one is answered then.";

    public const string RunNotRetryableMessage =
        "Only a run that has failed, was cancelled or is incomplete can be tried again. Send the message anew instead.";

    /// <summary>The run that stands in the way; null when there is none.</summary>
    public string? RunId { get; } = runId;

    public TimeSpan? RetryAfter { get; } = retryAfter;
}
