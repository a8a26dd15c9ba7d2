namespace AiChat.Infrastructure.Persistence;

/// <summary>The database cannot be used at all. The message is a sentence for the operator; the process ends.</summary>
public sealed class DatabaseStartupException(string message, Exception? inner = null) : Exception(message, inner);
