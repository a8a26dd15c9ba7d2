namespace AiChat.Tests.Support;

/// <summary>A folder of a test's own, gone with it, as is the database of the servers in it.</summary>
public sealed class TempFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("aichat-test-").FullName;

    public string File(string name) => System.IO.Path.Combine(Path, name);

    public void Dispose()
    {
        FolderDatabase.Drop(Path);
        Directory.Delete(Path, recursive: true);
    }
}
