using Microsoft.Extensions.AI;

namespace AiChat.Core.Models;

/// <summary>
/// Leaves out the beginning of a reply when it is the whole text it was to go on with: some models start over instead. What might still
/// become that is held back until it is clear.
/// </summary>
internal sealed class RepeatFilter(string shown)
{
    private int matched;
    private bool isDecided;

    /// <summary>What of the piece, and of those held back before, is to be shown; empty for nothing yet.</summary>
    public string Add(string piece)
    {
        if (isDecided)
            return piece;

        var common = shown.AsSpan(matched).CommonPrefixLength(piece);
        if (matched + common == shown.Length)
        {
            isDecided = true;
            return piece[common..];
        }

        if (common < piece.Length)
            return Complete() + piece;
        matched += common;
        return "";
    }

    /// <summary>What was held back: no more pieces come, so it was not the whole.</summary>
    public string Complete()
    {
        if (isDecided)
            return "";
        isDecided = true;
        return shown[..matched];
    }

    /// <summary>The update with its texts filtered; null when nothing of it is left.</summary>
    public ChatResponseUpdate? Apply(ChatResponseUpdate update)
    {
        if (isDecided)
            return update;
        var contents = new List<AIContent>(update.Contents.Count);
        foreach (var content in update.Contents)
        {
            if (content is not TextContent text)
                contents.Add(content);
            else if (Add(text.Text) is { Length: > 0 } rest)
                contents.Add(new TextContent(rest));
        }

        if (contents.Count == 0 && update.FinishReason is null)
            return null;
        var filtered = update.Clone();
        filtered.Contents = contents;
        return filtered;
    }
}
