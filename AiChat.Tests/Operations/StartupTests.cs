using AiChat.Tests.Support;

namespace AiChat.Tests.Operations;

public sealed class StartupTests
{
    private TempFolder folder = null!;

    [SetUp]
    public void SetUp() => folder = new TempFolder();

    [TearDown]
    public void TearDown() => folder.Dispose();

    [Test]
    [OwnDatabase]
    public async Task Start_FromAnyFolder_KeepsItsDatabaseThereAndAnswersOffline()
    {
        using var server = await AiChatProcess.StartAsync(folder.Path);

        var answer = await server.PostAsync("/chat", new { message = "Hello" });

        Assert.That(answer.GetProperty("provider").GetString(), Is.EqualTo("offline"));
        Assert.That(File.Exists(folder.File("ai_chat.db")), Is.True);
        Assert.That(server.Output, Has.Some.Contains("Set GROQ_API_KEY or OPENAI_API_KEY or ANTHROPIC_API_KEY"));
    }

    [Test]
    [OwnDatabase]
    public async Task Start_WithTheSeedsEnvFile_ReadsItsKeyAndItsCommentedUrl()
    {
        await using var llm = await FakeLlm.StartAsync();
        await File.WriteAllTextAsync(folder.File(".env"),
            "GROQ_API_KEY=your_groq_api_key_here\nDATABASE_URL=sqlite:///./from_env.db  # Optional, defaults to this\n" + $"Providers__groq__BaseUrl={llm.BaseUrl}\n");
        using var server = await AiChatProcess.StartAsync(folder.Path);

        var answer = await server.PostAsync("/chat", new { message = "Hello" });

        Assert.That(answer.GetProperty("reply").GetString(), Is.EqualTo("echo: Hello"));
        Assert.That(llm.Requests[0].Headers["Authorization"], Is.EqualTo("Bearer your_groq_api_key_here"));
        Assert.That(File.Exists(folder.File("from_env.db")), Is.True);
    }

    [Test]
    [OwnDatabase]
    public async Task Start_EnvironmentAndEnvFileDiffer_EnvironmentWins()
    {
        await File.WriteAllTextAsync(folder.File(".env"), "DATABASE_URL=sqlite:///./from_file.db\n");

        using var server = await AiChatProcess.StartAsync(folder.Path, ("DATABASE_URL", "sqlite:///./from_environment.db"));

        Assert.That(File.Exists(folder.File("from_environment.db")), Is.True);
        Assert.That(File.Exists(folder.File("from_file.db")), Is.False);
    }

    [Test]
    public async Task Start_AspNetCoreUrls_OverrideTheFile()
    {
        var port = FreePort.Find();

        using var server = await AiChatProcess.StartAsync(folder.Path, ("ASPNETCORE_URLS", $"http://127.0.0.1:{port}"));

        // The process was also given Urls, the stronger name, which is where it answered.
        Assert.That(server.Client.BaseAddress!.Port, Is.Not.EqualTo(port));
    }

    [Test]
    public async Task Start_SeveralWrongSettings_NamesAllOfThemAndTheirCures()
    {
        var (exitCode, errors) = await AiChatProcess.RefuseAsync(folder.Path,
            ("Runs__ShutdownTimeout", "soon"),
            ("Memory__HistoryTokens", "-1"),
            ("Models__fast__Candidates__0__Provider", "nobody"),
            ("Providers__groq__BaseUrl", "not a url"),
            ("Http__MaxBodyBytes", "1"),
            ("Logging__Format", "xml"),
            ("Budgets__Models__quick__TokensPerDay", "1"),
            ("DATABASE_URL", "postgresql://user:secret@host"));

        Assert.That(exitCode, Is.EqualTo(1));
        Assert.That(errors, Does.Contain("8 settings are wrong"));
        Assert.Multiple(() =>
        {
            Assert.That(errors, Does.Contain("Runs:ShutdownTimeout"));
            Assert.That(errors, Does.Contain("Memory:HistoryTokens is -1"));
            Assert.That(errors, Does.Contain("Models:fast:Candidates:0:Provider names 'nobody'"));
            Assert.That(errors, Does.Contain("Providers:groq:BaseUrl"));
            Assert.That(errors, Does.Contain("Http:MaxBodyBytes is 1"));
            Assert.That(errors, Does.Contain("Logging:Format is 'xml'"));
            Assert.That(errors, Does.Contain("Budgets:Models:quick is the budget of an alias that is not in Models"));
            Assert.That(errors, Does.Contain("DATABASE_URL"));
            Assert.That(errors, Does.Not.Contain("secret"));
            Assert.That(errors, Does.Not.Contain("   at "));
        });
    }

    [Test]
    public async Task Start_AddressInUse_SaysSoInOneSentence()
    {
        using var first = await AiChatProcess.StartAsync(folder.Path);

        var (exitCode, errors) = await AiChatProcess.RefuseAsync(
            folder.Path, ("Urls", first.Client.BaseAddress!.ToString()), ("DATABASE_URL", "sqlite:///./other.db"));

        Assert.That(exitCode, Is.EqualTo(1));
        Assert.That(errors, Does.StartWith("AiChat cannot start: another program listens on the same address."));
        Assert.That(errors, Does.Not.Contain("   at "));
    }

    [Test]
    [OwnDatabase]
    public async Task Start_DatabaseOfARunningServer_IsRefused()
    {
        using var first = await AiChatProcess.StartAsync(folder.Path);

        var (exitCode, errors) = await AiChatProcess.RefuseAsync(folder.Path, ("Urls", "http://127.0.0.1:0"));

        Assert.That(exitCode, Is.EqualTo(1));
        Assert.That(errors, Does.Contain("in use by another AiChat process"));
    }

    [Test]
    [OwnDatabase]
    public async Task Start_FileThatIsNoDatabase_SaysSoInOneSentence()
    {
        await File.WriteAllTextAsync(folder.File("ai_chat.db"), "This is not a database, however long one looks at it.");

        var (exitCode, errors) = await AiChatProcess.RefuseAsync(folder.Path, ("Urls", "http://127.0.0.1:0"));

        Assert.That(exitCode, Is.EqualTo(1));
        Assert.That(errors, Does.Contain("it is not an SQLite database"));
        Assert.That(errors, Does.Not.Contain("   at "));
    }

    [Test]
    [OwnDatabase]
    public async Task Start_DamagedDatabase_SaysSoInOneSentence()
    {
        using (var server = await AiChatProcess.StartAsync(folder.Path))
        {
            await server.PostAsync("/chat", new { message = "Hello" });
            server.Terminate();
            await server.WaitForExitAsync();
        }

        await using (var file = new FileStream(folder.File("ai_chat.db"), FileMode.Open))
        {
            // All of it but the first page, which says what tables there are.
            file.Position = 4096;
            await file.WriteAsync(new byte[file.Length - file.Position]);
        }

        var (exitCode, errors) = await AiChatProcess.RefuseAsync(folder.Path, ("Urls", "http://127.0.0.1:0"));

        Assert.That(exitCode, Is.EqualTo(1));
        Assert.That(errors, Does.StartWith("AiChat cannot start: ").And.Contain(folder.File("ai_chat.db")));
        Assert.That(errors, Does.Not.Contain("   at "));
    }

    [TestCase("sqlite:////proc/ai_chat.db")]
    [TestCase("sqlite:////proc/new/ai_chat.db")]
    [OwnDatabase]
    public async Task Start_FolderThatCannotBeWritten_SaysSoInOneSentence(string url)
    {
        var (exitCode, errors) = await AiChatProcess.RefuseAsync(folder.Path, ("Urls", "http://127.0.0.1:0"), ("DATABASE_URL", url));

        Assert.That(exitCode, Is.EqualTo(1));
        Assert.That(errors, Does.StartWith("AiChat cannot start: The folder of the database file"));
        Assert.That(errors, Does.Not.Contain("   at "));
    }

    [Test]
    [OwnDatabase]
    public async Task Start_SystemsSqliteLibraryThatIsNotThere_NamesTheSetting()
    {
        var (exitCode, errors) = await AiChatProcess.RefuseAsync(
            folder.Path, ("Urls", "http://127.0.0.1:0"), ("Database__SqliteLibrary", "libnothing.so"));

        Assert.That(exitCode, Is.EqualTo(1));
        Assert.That(errors, Does.Contain("Database:SqliteLibrary names 'libnothing.so'"));
    }
}
