using System.Runtime.InteropServices;
using AiChat.Tests.Support;

namespace AiChat.Tests.Infrastructure.Persistence.Sqlite;

/// <summary>The library is chosen once per process, so each of these runs a server of its own.</summary>
public sealed class SqliteLibraryTests
{
    private const string SystemLibrary = "libsqlite3.so.0";
    private const string BundledVersion = "3.35.5";

    private TempFolder folder = null!;

    [SetUp]
    public void SetUp() => folder = new TempFolder();

    [TearDown]
    public void TearDown() => folder.Dispose();

    [Test]
    public async Task SqliteLibrary_SystemsOwn_ServesASendAndIsNamedInTheLog()
    {
        if (!NativeLibrary.TryLoad(SystemLibrary, out _))
            Assert.Ignore($"{SystemLibrary} is not installed.");

        var version = await SendAndGetVersionAsync(("Database__SqliteLibrary", SystemLibrary));

        Assert.That(version, Does.Match(@"^3\.\d+\.\d+$").And.Not.EqualTo(BundledVersion));
    }

    [Test]
    public async Task SqliteLibrary_NotNamed_IsTheBundledOne()
    {
        var version = await SendAndGetVersionAsync();

        Assert.That(version, Is.EqualTo(BundledVersion));
    }

    /// <summary>Has a message answered and stored, and reads from the log with which version of SQLite.</summary>
    private async Task<string> SendAndGetVersionAsync(params (string Name, string Value)[] environment)
    {
        using var server = await AiChatProcess.StartAsync(folder.Path, environment);

        var reply = await server.PostAsync("/chat", new { user_id = "anna", message = "#say Stored." });
        var messages = await server.GetAsync($"/chats/{reply.GetProperty("chat_id").GetString()}/messages?user_id=anna");

        Assert.That(messages[1].GetProperty("content").GetString(), Is.EqualTo("Stored."));
        var line = server.Output.First(l => l.Contains("(SQLite ", StringComparison.Ordinal));
        return line[(line.IndexOf("(SQLite ", StringComparison.Ordinal) + "(SQLite ".Length)..line.LastIndexOf(')')];
    }
}
