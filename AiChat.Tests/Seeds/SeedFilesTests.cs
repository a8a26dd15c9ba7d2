using System.Runtime.CompilerServices;
using System.Security.Cryptography;

namespace AiChat.Tests.Seeds;

/// <summary>The documents are tested as their clients know them: a changed copy would prove nothing.</summary>
[TestFixture]
public sealed class SeedFilesTests
{
    [TestCase("seed-000-create-chat.md", "fe8d48b734cfc2a679d075635108c6db464f8ed34b2598c88fac9aa9f969a123")]
    [TestCase("seed-001-conversations.md", "2912118b9cf68df7ad3e18ff54fe14291052682665ccea8ab552b94a837e4cae")]
    [TestCase("seed-002-ai-chat-backend.md", "d63de2b398f167d776863ac9b583c1659b791b01083a9b485c2bbcd7e2b77f48")]
    [TestCase("seed-003-chat-api.md", "2ef7be24f75f0a55cc11315b77b3eb8471e3fd32a113d583713e8165ed55f41e")]
    [TestCase("seed-004-chatai-api.md", "8a2e2669bf605934f4cc60c62f97a512cab14238eb1d76e954c487c7e3af9bab")]
    public void Document_InTheTestData_IsTheOriginal(string name, string hash)
    {
        var copy = File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "TestData", "Seeds", name));

        Assert.That(Convert.ToHexStringLower(SHA256.HashData(copy)), Is.EqualTo(hash));
        foreach (var original in FindOriginals(name))
            Assert.That(copy, Is.EqualTo(File.ReadAllBytes(original)), original);
    }

    [Test]
    public void Documents_BesideTheRepository_AreAllInTheTestData()
    {
        var copies = Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "TestData", "Seeds")).Select(Path.GetFileName).ToList();

        Assert.That(copies, Has.Count.EqualTo(5).And.SupersetOf(FindOriginals("*").Select(Path.GetFileName)));
    }

    /// <summary>Where they came from; nothing where that folder is not beside the repository.</summary>
    private static string[] FindOriginals(string pattern, [CallerFilePath] string file = "")
    {
        var folder = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(file)!, "../../../shared/seeds"));
        return Directory.Exists(folder) ? Directory.GetFiles(folder, pattern) : [];
    }
}
