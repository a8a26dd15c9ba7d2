using AiChat.Infrastructure.Persistence;
using Microsoft.Extensions.Configuration;

namespace AiChat.Tests.Infrastructure.Persistence;

public sealed class DatabaseOptionsTests
{
    private const string Cure =
        "Write sqlite:///./ai_chat.db for a file in the working directory or sqlite:////var/lib/ai_chat.db for an absolute path.";

    [Test]
    public void Bind_NothingConfigured_IsAFileInTheWorkingDirectory()
    {
        var options = Bind();

        Assert.That((options.Url, options.SqliteLibrary), Is.EqualTo(("sqlite:///./ai_chat.db", (string?)null)));
    }

    [Test]
    public void Bind_Section_FillsEveryProperty()
    {
        var options = Bind(("Database:Url", "sqlite:////data/chat.db"), ("Database:SqliteLibrary", "libsqlite3.so.0"));

        Assert.That((options.Url, options.SqliteLibrary), Is.EqualTo(("sqlite:////data/chat.db", "libsqlite3.so.0")));
    }

    [Test]
    public void Bind_ShortName_Wins()
    {
        var options = Bind(("Database:Url", "sqlite:////data/chat.db"), ("DATABASE_URL", "sqlite:///mine.db"));

        Assert.That(options.Url, Is.EqualTo("sqlite:///mine.db"));
    }

    [Test]
    public void Bind_EmptyShortName_IsNone()
    {
        var options = Bind(("Database:Url", "sqlite:////data/chat.db"), ("DATABASE_URL", ""));

        Assert.That(options.Url, Is.EqualTo("sqlite:////data/chat.db"));
    }

    [Test]
    public void Validate_Default_IsValid()
    {
        var result = new DatabaseOptionsValidator().Validate(null, new DatabaseOptions());

        Assert.That(result.Succeeded, Is.True);
    }

    [TestCase("postgresql://user:passw0rd@host:5432/db", "names PostgreSQL, which this version does not support yet.")]
    [TestCase("POSTGRES://user:passw0rd@host/db", "names PostgreSQL, which this version does not support yet.")]
    [TestCase("mysql://user:passw0rd@host/db", "is not the URL of an SQLite file.")]
    [TestCase("sqlite://ai_chat.db", "is not the URL of an SQLite file.")]
    [TestCase("sqlite:///", "is not the URL of an SQLite file.")]
    [TestCase("sqlite:////var/lib/", "is not the URL of an SQLite file.")]
    [TestCase("sqlite:///:memory:", "is not the URL of an SQLite file.")]
    [TestCase("ai_chat.db", "is not the URL of an SQLite file.")]
    [TestCase("", "is not the URL of an SQLite file.")]
    public void Validate_OtherUrls_NamesKeysAndCureButNotTheUrl(string url, string problem)
    {
        var result = new DatabaseOptionsValidator().Validate(null, new DatabaseOptions { Url = url });

        Assert.That(result.Failures, Is.EqualTo(new[] { $"DATABASE_URL (or Database:Url) {problem} {Cure}" }));
    }

    [TestCase("sqlite:////var/lib/ai_chat.db", "/var/lib/ai_chat.db")]
    [TestCase("SQLite:////var/lib/../ai chat.db", "/var/ai chat.db")]
    public void Parse_AbsolutePath_IsIt(string url, string expected)
    {
        Assert.That(SqliteUrl.Parse(url), Is.EqualTo(expected));
    }

    [TestCase("sqlite:///./ai_chat.db", "ai_chat.db")]
    [TestCase("sqlite:///ai_chat.db", "ai_chat.db")]
    [TestCase("sqlite:///data/ai_chat.db", "data/ai_chat.db")]
    public void Parse_RelativePath_StartsAtTheWorkingDirectory(string url, string expected)
    {
        Assert.That(SqliteUrl.Parse(url), Is.EqualTo(Path.Combine(Directory.GetCurrentDirectory(), expected)));
    }

    [Test]
    public void Parse_NoSuchUrl_Throws()
    {
        Assert.That(() => SqliteUrl.Parse("mysql://host/db"), Throws.InstanceOf<FormatException>().With.Message.Contains(Cure));
    }

    private static DatabaseOptions Bind(params (string Key, string Value)[] settings)
    {
        var options = new DatabaseOptions();
        options.Bind(new ConfigurationBuilder().AddInMemoryCollection(settings.ToDictionary(s => s.Key, s => (string?)s.Value)).Build());
        return options;
    }
}
