namespace AiChat.Core.Chats;

/// <summary>Makes the name of a chat: one line of whole words. Empty where there is nothing to make it of.</summary>
public static class ChatTitle
{
    /// <summary>UTF-16 code units of a title that is the beginning of a message.</summary>
    public const int LongestBeginning = 60;

    /// <summary>UTF-16 code units of a title that a model gave.</summary>
    public const int LongestAnswer = 80;

    /// <summary>The beginning of what the user said.</summary>
    public static string FromMessage(string message) => SingleLine.From(message, LongestBeginning);

    /// <summary>The title in what a model said: its first line that says something, without what models like to put around it.</summary>
    public static string FromAnswer(string answer) => SingleLine.FromAnswer(answer, LongestAnswer, "Title:");
}
