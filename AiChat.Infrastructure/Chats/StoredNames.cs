using AiChat.Core.Chats;
using AiChat.Core.Models;
using AiChat.Core.Runs;

namespace AiChat.Infrastructure.Chats;

/// <summary>How roles and statuses are written in the database.</summary>
internal static class StoredNames
{
    public const string InProgress = "in_progress";

    public static MessageRole ToRole(string name) => name switch
    {
        "user" => MessageRole.User,
        "assistant" => MessageRole.Assistant,
        "system" => MessageRole.System,
        "tool" => MessageRole.Tool,
        _ => throw new ArgumentOutOfRangeException(nameof(name), name, "Unknown role in the database."),
    };

    public static string ToName(MessageRole role) => role switch
    {
        MessageRole.User => "user",
        MessageRole.Assistant => "assistant",
        MessageRole.System => "system",
        MessageRole.Tool => "tool",
        _ => throw new ArgumentOutOfRangeException(nameof(role), role, "Unknown role."),
    };

    public static MessageStatus ToMessageStatus(string name) => name switch
    {
        "completed" => MessageStatus.Completed,
        InProgress => MessageStatus.InProgress,
        "failed" => MessageStatus.Failed,
        "cancelled" => MessageStatus.Cancelled,
        "incomplete" => MessageStatus.Incomplete,
        _ => throw new ArgumentOutOfRangeException(nameof(name), name, "Unknown message status in the database."),
    };

    public static string ToName(RunStatus status) => status switch
    {
        RunStatus.Queued => "queued",
        RunStatus.InProgress => InProgress,
        RunStatus.Completed => "completed",
        RunStatus.Failed => "failed",
        RunStatus.Cancelled => "cancelled",
        RunStatus.Incomplete => "incomplete",
        _ => throw new ArgumentOutOfRangeException(nameof(status), status, "Unknown run status."),
    };

    public static RunStatus ToRunStatus(string name) => name switch
    {
        "queued" => RunStatus.Queued,
        InProgress => RunStatus.InProgress,
        "completed" => RunStatus.Completed,
        "failed" => RunStatus.Failed,
        "cancelled" => RunStatus.Cancelled,
        "incomplete" => RunStatus.Incomplete,
        _ => throw new ArgumentOutOfRangeException(nameof(name), name, "Unknown run status in the database."),
    };

    public static string ToName(AttemptOutcome outcome) => outcome switch
    {
        AttemptOutcome.InProgress => InProgress,
        AttemptOutcome.Completed => "completed",
        AttemptOutcome.Failed => "failed",
        AttemptOutcome.Cancelled => "cancelled",
        AttemptOutcome.Incomplete => "incomplete",
        _ => throw new ArgumentOutOfRangeException(nameof(outcome), outcome, "Unknown outcome."),
    };

    public static AttemptOutcome ToAttemptOutcome(string name) => name switch
    {
        InProgress => AttemptOutcome.InProgress,
        "completed" => AttemptOutcome.Completed,
        "failed" => AttemptOutcome.Failed,
        "cancelled" => AttemptOutcome.Cancelled,
        "incomplete" => AttemptOutcome.Incomplete,
        _ => throw new ArgumentOutOfRangeException(nameof(name), name, "Unknown outcome in the database."),
    };

    public static string ToName(AttemptPurpose purpose) => purpose switch
    {
        AttemptPurpose.Reply => "reply",
        AttemptPurpose.Title => "title",
        AttemptPurpose.SearchQuery => "search_query",
        _ => throw new ArgumentOutOfRangeException(nameof(purpose), purpose, "Unknown purpose."),
    };
}
