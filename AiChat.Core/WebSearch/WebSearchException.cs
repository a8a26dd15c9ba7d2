using AiChat.Core.Errors;

namespace AiChat.Core.WebSearch;

/// <summary>The web could not be searched. The message is for people; what the engine said is in <see cref="Exception.InnerException"/> or the log.</summary>
public sealed class WebSearchException(string message, Exception? inner = null) : ChatException(Failed, message, inner)
{
    /// <summary>The engine gave no usable answer, or the prompt has no room for one.</summary>
    public const string Failed = "web_search_failed";

    /// <summary>No engine is configured.</summary>
    public const string Unconfigured = "web_search_unconfigured";
}
