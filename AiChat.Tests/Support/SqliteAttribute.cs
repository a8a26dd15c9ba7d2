namespace AiChat.Tests.Support;

/// <summary>The category of tests that are about SQLite itself: they are left out where servers use PostgreSQL (<see cref="FolderDatabase"/>).</summary>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Method)]
public sealed class SqliteAttribute : CategoryAttribute;
