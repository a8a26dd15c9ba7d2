using System.Text.RegularExpressions;
using AiChat.Tests.Seeds;
using AiChat.Tests.Support;

namespace AiChat.Tests.Api.Dialects;

/// <summary>The first line the README gives to clients of each API works on a server as it is out of the box.</summary>
[TestFixture]
public sealed partial class ReadmeTests
{
    [Test]
    public async Task Readme_FirstLineOfEveryApi_IsAnswered()
    {
        var readme = await File.ReadAllTextAsync(Path.Combine(AppContext.BaseDirectory, "README.md"));
        var blocks = Blocks().Matches(Section().Match(readme).Value).Select(m => m.Value);
        using var folder = new TempFolder();
        using var server = await AiChatProcess.StartAsync(folder.Path);
        using var curl = new CurlOverHttp();

        var answers = new List<string>();
        foreach (var step in SeedDocument.Parse(string.Join('\n', blocks)).Steps)
            answers.Add($"{step.Request}: {(await curl.RunAsync(step.Command.At(server.Client.BaseAddress!))).Status}");

        Assert.That(answers, Is.EqualTo(new[]
        {
            "POST /create_chat: 200",
            "POST /conversations: 200",
            "POST /chats: 201",
            "POST /chats/create: 201",
            "POST /conversation: 200",
        }));
    }

    [GeneratedRegex("^## Clients of other chat APIs\n.*?^## ", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Section();

    [GeneratedRegex("^```bash\n.*?^```$", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Blocks();
}
