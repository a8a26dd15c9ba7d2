using System.Text;
using Microsoft.Extensions.AI;

namespace AiChat.Core.Models;

/// <summary>What one candidate is sent.</summary>
internal readonly record struct RoutedPrompt
{
    public required IEnumerable<ChatMessage> Messages { get; init; }

    public required ChatOptions? Options { get; init; }

    /// <summary>Tokens of the messages, estimated.</summary>
    public required int Tokens { get; init; }

    /// <summary>The beginning of the reply, which is the last message; null when the reply starts with the candidate.</summary>
    public required string? Partial { get; init; }

    /// <summary>Whether another candidate wrote the end of that beginning a moment ago.</summary>
    public required bool IsContinuation { get; init; }

    /// <summary>Takes the text that is shown; null when nobody will go on with it.</summary>
    public required StringBuilder? Shown { get; init; }
}
