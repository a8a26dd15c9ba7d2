using Microsoft.Extensions.AI;

namespace AiChat.Core.Models;

/// <summary>What an alias's client is told beside what any chat client understands. Without it, defaults hold and nothing is noted.</summary>
public sealed class RoutedChatOptions : ChatOptions
{
    /// <summary>Every call is noted here as it begins and as it ends.</summary>
    public required AttemptLog Attempts { get; init; }

    /// <summary>Tokens of the prompt, estimated: candidates with a smaller window are passed over, and a call that reports no usage has these.</summary>
    public int PromptTokens { get; init; }

    /// <summary>
    /// Whether another candidate goes on behind what was shown when one breaks off. The seam is a <see cref="SeamContent"/> in an update of
    /// its own, in front of the first text of the other.
    /// </summary>
    public bool ContinueOnBreak { get; init; }
}

/// <summary>From here on another attempt writes the reply.</summary>
/// <param name="attempt">Its number.</param>
public sealed class SeamContent(int attempt) : AIContent
{
    public int Attempt { get; } = attempt;
}
