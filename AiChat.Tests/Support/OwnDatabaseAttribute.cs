namespace AiChat.Tests.Support;

/// <summary>
/// The category of tests that say themselves which engine they use, or are not about anything that is stored: they are left out where all
/// others are run once more on PostgreSQL (<see cref="FolderDatabase"/>).
/// </summary>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Method)]
public sealed class OwnDatabaseAttribute : CategoryAttribute;
