using System.Text;
using AiChat.Core.Models;
using Microsoft.Extensions.AI;

namespace AiChat.Core.Memory;

/// <summary>
/// Tokens of a text without any model's vocabulary: one for every three UTF-8 bytes. Leans high for prose (English has about four and
/// a half bytes a token in today's vocabularies) and is about even for source code, Chinese and Japanese.
/// </summary>
public static class TokenEstimator
{
    /// <summary>What a message costs beside its text: role and delimiters.</summary>
    public const int PerMessage = 4;

    /// <summary>How many UTF-8 bytes count as one token.</summary>
    public const int BytesPerToken = 3;

    /// <summary>Tokens of the text alone.</summary>
    public static int Count(string text) => (Encoding.UTF8.GetByteCount(text) + BytesPerToken - 1) / BytesPerToken;

    /// <summary>The beginning of the text that has so many tokens, in whole characters; the text itself when it has no more.</summary>
    public static string Cut(string text, int tokens)
    {
        if (Count(text) <= tokens)
            return text;

        var length = 0;
        var bytes = (long)tokens * BytesPerToken;
        foreach (var rune in text.EnumerateRunes())
        {
            bytes -= rune.Utf8SequenceLength;
            if (bytes < 0)
                break;
            length += rune.Utf16SequenceLength;
        }

        return text[..length];
    }

    /// <summary>Tokens of a message with this text.</summary>
    public static int CountMessage(string text) => Count(text) + PerMessage;

    /// <summary>Tokens of a message with all its texts, calls of tools (their names and arguments) and results.</summary>
    public static int CountMessage(ChatMessage message)
    {
        var tokens = CountMessage(message.Text);
        for (var i = 0; i < message.Contents.Count; i++)
        {
            tokens += message.Contents[i] switch
            {
                FunctionCallContent call => Count(call.Name) + Count(call.GetArgumentsJson()),
                FunctionResultContent result => Count(result.GetResultText()),
                _ => 0,
            };
        }

        return tokens;
    }
}
