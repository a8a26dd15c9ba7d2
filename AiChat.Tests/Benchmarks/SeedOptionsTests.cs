using AiChat.Benchmarks.Seed;

namespace AiChat.Tests.Benchmarks;

public sealed class SeedOptionsTests
{
    [Test]
    public void Parse_EveryOption_IsRead()
    {
        var (options, problems) = SeedOptions.Parse(
            ["--messages", "20", "--chats", "3", "--ids", "ids.txt", "--database", "sqlite:////tmp/x.db", "--user", "anna"]);

        Assert.That(problems, Is.Empty);
        Assert.That(options, Is.EqualTo(new SeedOptions { DatabaseUrl = "sqlite:////tmp/x.db", Chats = 3, Messages = 20, UserId = "anna", IdsFile = "ids.txt" }));
    }

    [Test]
    public void Parse_OnlyWhatIsRequired_HasTheDefaults()
    {
        var (options, _) = SeedOptions.Parse(["--database", "sqlite:///x.db", "--chats", "1", "--messages", "0"]);

        Assert.That((options!.UserId, options.IdsFile), Is.EqualTo(("default", (string?)null)));
    }

    [Test]
    public void Parse_Nothing_NamesEverythingThatIsMissing()
    {
        var (options, problems) = SeedOptions.Parse([]);

        Assert.That(options, Is.Null);
        Assert.That(problems, Is.EqualTo(new[]
        {
            "--database is missing: write the URL of the database to fill, such as sqlite:///./ai_chat.db.",
            "--chats is missing: write a number from 1 to 2147483647.",
            "--messages is missing: write a number from 0 to 1000000.",
        }));
    }

    [Test]
    public void Parse_EverythingWrong_ReportsAllAtOnce()
    {
        var (options, problems) = SeedOptions.Parse(
            ["--database", "postgresql://host", "--chats", "0", "--messages", "7", "--user", "", "--users", "anna", "--chats", "2", "--ids"]);

        Assert.That(options, Is.Null);
        Assert.That(problems, Is.EqualTo(new[]
        {
            "'--users' is no option of seed.",
            "--chats is given twice.",
            "--ids has no value behind it.",
            "--database names no database. Write postgresql://user:password@host:5432/database.",
            "--chats is '0': write a number from 1 to 2147483647.",
            "--messages is 7: write an even number, every question has its reply.",
            "--user is empty: write a name, or leave it out.",
        }));
    }

    [TestCase("-2")]
    [TestCase("1e3")]
    [TestCase("1000001")]
    [TestCase("many")]
    public void Parse_MessagesThatAreNoSuchNumber_IsAProblem(string messages)
    {
        var (_, problems) = SeedOptions.Parse(["--database", "sqlite:///x.db", "--chats", "1", "--messages", messages]);

        Assert.That(problems, Is.EqualTo(new[] { $"--messages is '{messages}': write a number from 0 to 1000000." }));
    }
}
