namespace AiChat.Infrastructure.Persistence.Copying;

/// <summary>A database is not copied, or not to its end. The message is a sentence for the operator.</summary>
public sealed class CopyException(string message, Exception? inner = null) : Exception(message, inner);
