using AiChat.Tests.Support;

namespace AiChat.Tests.Operations;

/// <summary>A change of <c>appsettings.json</c> takes effect without a restart, as a whole or not at all.</summary>
[OwnDatabase]
public sealed class ReloadTests
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(30);

    private TempFolder folder = null!;

    [SetUp]
    public void MakeFolder() => folder = new TempFolder();

    [TearDown]
    public void DeleteFolder() => folder.Dispose();

    [Test]
    public async Task File_InTheWorkingDirectory_IsStrongerThanTheOneBesideTheBinary()
    {
        Write("""{ "Models": { "mine": { "Candidates": [{ "Provider": "offline", "Model": "offline" }] } } }""");

        using var server = await AiChatProcess.StartAsync(folder.Path);

        Assert.That(await GetAliasesAsync(server), Is.EqualTo(new[] { "fast", "mine", "smart" }));
    }

    [Test]
    public async Task File_Changes_AreUsedWithoutARestart()
    {
        using var server = await AiChatProcess.StartAsync(folder.Path);

        Write("""
            {
              "Providers": { "local": { "BaseUrl": "http://127.0.0.1:9/v1", "RequiresApiKey": false } },
              "Models": { "AllowDirect": true, "mine": { "Candidates": [{ "Provider": "offline", "Model": "offline" }] } }
            }
            """);
        await WaitForLogAsync(server, "The changed configuration is used from now on");

        var reply = await server.PostAsync("/chat", new { message = "Hi", model = "mine" });
        var refused = await server.PostAsync("/chat", new { message = "Hi", model = "nobody/model" });
        Assert.That(await GetAliasesAsync(server), Is.EqualTo(new[] { "fast", "mine", "smart" }));
        Assert.That(reply.Text("provider"), Is.EqualTo("offline"));
        Assert.That(refused.GetRawText(), Does.Contain("fast, mine, smart, or provider/model with one of the providers local, offline"));
    }

    [TestCase("""{ "Models": { "mine": """, "wrong settings: 1. ", "is not valid JSON")]
    [TestCase("""
        {
          "Providers": { "groq": { "Kind": "other" } },
          "Models": { "mine": { "Candidates": [{ "Provider": "nobody", "Model": "m" }] } },
          "Routing": { "Retries": "many" }
        }
        """, "wrong settings: 3. Providers:groq:Kind is 'other'", "'many' at 'Routing:Retries'")]
    public async Task File_BrokenChange_IsRefusedAndTheFormerSettingsStay(string json, string firstProblem, string lastProblem)
    {
        Write("""{ "Models": { "mine": { "Candidates": [{ "Provider": "offline", "Model": "offline" }] } } }""");
        using var server = await AiChatProcess.StartAsync(folder.Path);

        Write(json);
        await WaitForLogAsync(server, firstProblem);

        Assert.That(await GetAliasesAsync(server), Is.EqualTo(new[] { "fast", "mine", "smart" }));
        var refusals = server.Output.Where(line => line.Contains("The changed configuration is not used", StringComparison.Ordinal)).ToList();
        Assert.That(refusals, Has.Count.EqualTo(1));
        Assert.That(refusals[0], Does.Contain(lastProblem));
    }

    [Test]
    public async Task File_IsMendedAgain_IsUsed()
    {
        using var server = await AiChatProcess.StartAsync(folder.Path);
        Write("{");
        await WaitForLogAsync(server, "is not valid JSON");

        Write("""{ "Models": { "mine": { "Candidates": [{ "Provider": "offline", "Model": "offline" }] } } }""");
        await WaitForLogAsync(server, "The changed configuration is used from now on");

        Assert.That(await GetAliasesAsync(server), Is.EqualTo(new[] { "fast", "mine", "smart" }));
    }

    private void Write(string json)
    {
        // Written aside and moved, as careful editors do: nobody reads half a file.
        File.WriteAllText(folder.File("new.json"), json);
        File.Move(folder.File("new.json"), folder.File("appsettings.json"), overwrite: true);
    }

    private static async Task<string[]> GetAliasesAsync(AiChatProcess server) =>
        [.. (await server.GetAsync("/models")).GetProperty("models").EnumerateArray().Select(m => m.GetProperty("name").GetString()!)];

    private static async Task WaitForLogAsync(AiChatProcess server, string text)
    {
        using var limit = new CancellationTokenSource(LongestWait);
        while (!server.Output.Any(line => line.Contains(text, StringComparison.Ordinal)))
            await Task.Delay(20, limit.Token);
    }
}
